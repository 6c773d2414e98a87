"""What the report of a load test says follows from what was recorded."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from loadtest.k6 import Asked, Phase
from loadtest.measured import Ran, quantile, saturation
from loadtest.plots import Chart, Line, Span

RAMP = Phase("ramp", seconds=100, rate=100, top_rate=1100, p95_ms=100)


def ran(asked: Sequence[Asked], phase: Phase = RAMP) -> Ran:
    began = 1_000_000.0
    return Ran(phase, began, began + phase.seconds, asked, 0, len(asked), [], began + phase.seconds)


def orders(limit_per_s: float, slow_after_s: float) -> list[Asked]:
    """A ramp on a service that takes so many, and answers slowly from some second on."""
    return [
        Asked(1_000_000.0 + second, 500.0 if second >= slow_after_s else 5.0, 201, "an id")
        for second in range(100)
        for _ in range(int(min(limit_per_s, RAMP.due(second + 0.5))))
    ]


def test_a_ramp_that_is_taken_to_its_end_has_found_no_saturation() -> None:
    found = saturation(ran(orders(limit_per_s=10_000, slow_after_s=1_000)))
    assert not found.reached
    assert found.held_per_s > 1_000


def test_the_rate_that_is_held_ends_where_orders_are_not_taken_or_answers_are_late() -> None:
    refused = saturation(ran(orders(limit_per_s=600, slow_after_s=1_000)))
    assert refused.reached
    assert 500 < refused.held_per_s < 700
    assert refused.top_per_s == 600
    late = saturation(ran(orders(limit_per_s=10_000, slow_after_s=30)))
    assert late.reached
    assert 300 < late.held_per_s < 450


def test_one_slow_moment_is_no_saturation() -> None:
    hiccup = [
        Asked(each.at, 500.0 if 30 <= each.at - 1_000_000 < 35 else 5.0, 201, "an id")
        for each in orders(limit_per_s=10_000, slow_after_s=1_000)
    ]
    assert not saturation(ran(hiccup)).reached


def test_a_ramp_on_which_nothing_is_taken_holds_no_more_than_where_it_began() -> None:
    found = saturation(ran([Asked(1_000_000.5, 5.0, 503, "")]))
    assert found.reached
    assert found.held_per_s == RAMP.rate
    assert found.top_per_s == 0


def test_a_spike_has_its_top_in_the_second_quarter() -> None:
    spike = Phase("spike", seconds=100, rate=100, top_rate=1000, p95_ms=100)
    assert [spike.due(second) for second in (10, 30, 60, 100)] == [100, 1000, 100, 0]


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [51, 96, 100, 100]
    assert quantile([], 0.5) == 0.0


def test_a_chart_is_an_image_with_a_ground_of_its_own_for_light_and_dark_pages() -> None:
    lines = [Line("a < b", [(0, 0), (1, 20), (50, 3)], 0, gap_s=10), Line("none", [], 1)]
    for logarithmic in (False, True):
        chart = Chart("Orders & more", (0, 60), lines, [Span("steady", 0, 60)], logarithmic=logarithmic)
        image = ET.fromstring(chart.svg())  # noqa: S314 - our own
        texts = ["".join(each.itertext()) for each in image.iter() if each.tag.endswith("text")]
        assert {"Orders & more", "a < b", "none", "steady"} <= set(texts)
        assert "prefers-color-scheme:dark" in chart.svg()
        drawn = [each.get("d", "") for each in image.iter() if each.get("class") == "line c0"]
        (path,) = (path for path in drawn if not path.endswith("h20"))  # which is in the legend
        assert path.count("M") == 2, "what is far apart is not joined"
