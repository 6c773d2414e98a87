"""The page about metrics is true."""

from pathlib import Path

from orderflow.runtime.telemetry import metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
FORBIDDEN = ("order_id", "customer", "correlation", "trace", "tracking")


def test_the_page_about_metrics_is_the_one_that_the_module_makes() -> None:
    assert PAGE.read_text() == metrics.document(), "run: python -m orderflow.runtime.telemetry.metrics"


def test_every_metric_is_described_and_has_its_unit_in_its_name() -> None:
    described = {each.name for each in metrics.CATALOGUE if each.kind != "gauge"}
    assert set(metrics.REGISTRY.families) == described
    for each in metrics.CATALOGUE:
        assert (each.unit in ("seconds", "Unix seconds")) == each.name.endswith("_seconds"), each.name
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert each.text.endswith("."), each.name


def test_no_label_can_name_an_order_or_a_customer() -> None:
    for each in metrics.CATALOGUE:
        assert not [label for label in each.labels for word in FORBIDDEN if word in label], each.name
