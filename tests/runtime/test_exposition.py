"""What a scrape gets is what the reference parsers of both formats read."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser as text
from prometheus_client.openmetrics import parser as openmetrics

from orderflow.runtime.telemetry.exposition import OPENMETRICS, render
from orderflow.runtime.telemetry.instruments import Described, Registry

EVENTS = Described("events_total", "counter", "events", ("outcome",), "Events.")
TIMES = Described("times_seconds", "histogram", "seconds", (), "Times.")
AGE = Described("age_seconds", "gauge", "seconds", ("part", "state"), "Age.")
UNTYPED: Any = (openmetrics, text)
FORMATS = [(OPENMETRICS, UNTYPED[0]), ("", UNTYPED[1])]


@pytest.mark.parametrize(("accept", "parser"), FORMATS)
def test_every_kind_of_metric_is_read_as_it_was_counted(accept: str, parser: Any) -> None:
    registry = Registry()
    registry.counter(EVENTS).labels("published").inc(3)
    times = registry.histogram(TIMES, [0.1, 1.0]).labels()
    for seconds in (0.05, 0.5, 0.5, 7):
        times.observe(seconds)
    answer, media_type = render(registry, accept, [(AGE, ("a", "b"), 1.5), (AGE, ("a", "c"), 0)])
    assert media_type.startswith(accept or "text/plain")
    families = {f.name: f for f in parser.text_string_to_metric_families(answer.decode())}
    assert {f.name: (f.type, f.documentation) for f in families.values()} == {
        "events": ("counter", "Events."),
        "times_seconds": ("histogram", "Times."),
        "age_seconds": ("gauge", "Age."),
    }
    samples = {(s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples}
    assert samples == {
        ("events_total", "published"): 3,
        ("times_seconds_bucket", "0.1"): 1,
        ("times_seconds_bucket", "1.0"): 3,
        ("times_seconds_bucket", "+Inf"): 4,
        ("times_seconds_count",): 4,
        ("times_seconds_sum",): pytest.approx(8.05),
        ("age_seconds", "a", "b"): 1.5,
        ("age_seconds", "a", "c"): 0,
    }


def test_a_bucket_has_the_latest_trace_that_it_counted_and_the_text_format_has_none() -> None:
    registry = Registry()
    times = registry.histogram(TIMES, [0.1, 1.0]).labels()
    times.observe(0.5, {"trace_id": "a" * 32})
    times.observe(0.6, {"trace_id": "b" * 32})
    times.observe(0.7)
    read: Callable[[str], Any] = UNTYPED[0].text_string_to_metric_families
    (family,) = read(render(registry, OPENMETRICS, [])[0].decode())
    exemplars = {s.labels["le"]: s.exemplar for s in family.samples if s.exemplar}
    assert {le: (e.labels, e.value) for le, e in exemplars.items()} == {"1.0": ({"trace_id": "b" * 32}, 0.6)}
    assert b"trace_id" not in render(registry, "", [])[0]


@settings(deadline=None, max_examples=50)
@given(label=st.text(st.characters(exclude_categories=["Cs"])), value=st.floats(min_value=0))
def test_whatever_a_label_and_a_value_are_they_are_read_again(label: str, value: float) -> None:
    registry = Registry()
    registry.counter(EVENTS).labels(label).inc(value)
    for accept, parser in FORMATS:
        (family,) = parser.text_string_to_metric_families(render(registry, accept, [])[0].decode())
        assert [(s.labels, s.value) for s in family.samples] == [({"outcome": label}, value)]
