"""Counts of several processes behind one port are one answer, and the page about metrics is true."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser

from orderflow.runtime.telemetry import metrics
from orderflow.runtime.telemetry.exposition import OPENMETRICS, RECORD_BYTES_MAX, Exposition, SharedCounts

UNTYPED: Any = parser
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
FORBIDDEN = ("order_id", "customer", "correlation", "trace", "tracking")


def test_the_page_about_metrics_is_the_one_that_the_module_makes() -> None:
    assert PAGE.read_text() == metrics.document(), "run: python -m orderflow.runtime.telemetry.metrics"


def test_every_metric_is_described_and_has_its_unit_in_its_name() -> None:
    described = {each.name for each in metrics.CATALOGUE if each.kind != "gauge"}
    counted = {
        family.name + ("_total" if family.type == "counter" else "") for family in metrics.REGISTRY.collect()
    }
    assert counted == described
    for each in metrics.CATALOGUE:
        assert (each.unit == "seconds") == each.name.endswith("_seconds"), each.name
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert each.text.endswith("."), each.name


def test_no_label_can_name_an_order_or_a_customer() -> None:
    for each in metrics.CATALOGUE:
        assert not [label for label in each.labels for word in FORBIDDEN if word in label], each.name


def shipped(exposition: Exposition) -> dict[str, float]:
    text, media_type = exposition.render(OPENMETRICS, [])
    assert media_type.startswith(OPENMETRICS)
    families = {family.name: family for family in UNTYPED.text_string_to_metric_families(text.decode())}
    family = families["orderflow_produced_events"]
    return {sample.labels["outcome"]: sample.value for sample in family.samples}


def in_a_process(work: Callable[[], None]) -> int:
    """Runs it in a forked process, and returns the process's id once it has ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_counts_of_all_processes_behind_one_port_are_added_up() -> None:
    shared = SharedCounts(3)
    before = shipped(Exposition(shared, 0)).get("published", 0.0)

    def counting(index: int, events: int) -> Callable[[], None]:
        def count() -> None:
            exposition = Exposition(shared, index)
            metrics.PRODUCED.clear()
            metrics.PRODUCED.labels("published").inc(events)
            metrics.PRODUCED.labels(f"only-{index}").inc(index)
            exposition.share()

        return count

    for index, events in ((1, 10), (2, 5)):
        in_a_process(counting(index, events))
    counts = shipped(Exposition(shared, 0))
    assert counts["published"] == before + 15
    assert (counts["only-1"], counts["only-2"]) == (1, 2)


def test_a_process_that_replaces_a_dead_one_goes_on_from_its_counts() -> None:
    shared = SharedCounts(2)
    before = shipped(Exposition(shared, 0)).get("published", 0.0)

    def count_and_be_killed() -> None:
        exposition = Exposition(shared, 1)
        metrics.PRODUCED.clear()
        metrics.PRODUCED.labels("published").inc(7)
        exposition.share()
        os.kill(os.getpid(), signal.SIGKILL)

    for replaced in (1, 2, 3):
        in_a_process(count_and_be_killed)
        assert shipped(Exposition(shared, 0))["published"] == before + 7 * replaced


def test_a_record_that_was_half_written_leaves_the_one_before_it() -> None:
    shared = SharedCounts(1)
    shared.put(0, b"first")
    shared.put(0, b"second")
    assert shared.get(0) == b"second"
    whole = shared.memory.find(b"second")
    shared.memory[whole : whole + 3] = b"thi"
    assert shared.get(0) == b"first"


def test_counts_that_have_no_room_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        SharedCounts(1).put(0, b"x" * RECORD_BYTES_MAX)
