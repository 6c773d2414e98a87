"""The dashboard is the one that the script makes, and shows all that is measured, and nothing else."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from orderflow.runtime.telemetry.metrics import CATALOGUE

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
DASHBOARD = OBSERVABILITY / "grafana" / "dashboards" / "orderflow.json"
SCRIPT = OBSERVABILITY / "dashboard.py"
PARTS = {"histogram": ("_bucket", "_count", "_sum")}
PROMETHEUS_OWN = {"up", "ALERTS"}
_SERIES = re.compile(r"\b(?:(?:orderflow|http|db)_[a-z_]+|orderflow:[\w:]+|up|ALERTS)\b")


def panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text())["panels"]


def used() -> set[str]:
    """The names of the series, and of the labels, that the queries have."""
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return {name for query in queries for name in _SERIES.findall(query)}


def recorded() -> dict[str, str]:
    groups = yaml.safe_load((OBSERVABILITY / "prometheus" / "rules.yaml").read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}


def test_the_dashboard_is_the_one_that_the_script_makes() -> None:
    made = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True).stdout
    assert DASHBOARD.read_text() == made, (
        f"run: python deploy/observability/dashboard.py > {DASHBOARD.relative_to(ROOT)}"
    )


def test_every_series_of_the_dashboard_is_documented_or_recorded_by_the_rules() -> None:
    series = {each.name + part for each in CATALOGUE for part in PARTS.get(each.kind, ("",))}
    labels = {label for each in CATALOGUE for label in each.labels}
    assert used() - series - labels - PROMETHEUS_OWN - recorded().keys() == set()


def test_everything_that_is_measured_is_on_the_dashboard() -> None:
    shown = " ".join(used() | {recorded()[name] for name in used() & recorded().keys()})
    assert [each.name for each in CATALOGUE if each.name not in shown] == []


def test_no_panel_covers_another_or_is_wider_than_the_page() -> None:
    places = [panel["gridPos"] for panel in panels()]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_every_panel_has_an_id_of_its_own_and_asks_the_source_that_is_chosen() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    sources = [target["datasource"] for panel in panels() for target in panel.get("targets", ())]
    assert len(sources) > 40
    assert all(source == {"type": "prometheus", "uid": "${source}"} for source in sources)
