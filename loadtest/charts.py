"""The charts of a run's report, by the name of their file."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from bench.servers import PARTITIONS

from loadtest.measured import Measured, Ran, bucket_s, gained, quantiles_of, rate_of
from loadtest.plots import Chart, Line, Point, Span
from loadtest.watch import Sample

PARTS = ("api", "fulfillment", "postgres", "kafka", "k6")
"""The parts whose CPUs are drawn: as many as one can tell apart."""
AROUND_S = 5.0


def charts(measured: Measured) -> Iterator[tuple[str, Chart]]:
    spans = [
        Span(ran.phase.name, ran.began - measured.began, ran.ended - measured.began)
        for ran in measured.phases
    ]
    whole = (0.0, measured.ended - measured.began)

    def chart(title: str, lines: list[Line], *, logarithmic: bool = False) -> Chart:
        return Chart(title, whole, lines, spans, logarithmic=logarithmic)

    yield "throughput", chart("Orders a second", _throughput(measured))
    yield "latency", chart("Answer to POST /api/orders, ms", _latency(measured), logarithmic=True)
    yield "shipping", chart("From POST to Shipped, s", _shipping(measured), logarithmic=True)
    yield "waiting", chart("What waits: orders and messages", _waiting(measured), logarithmic=True)
    yield "cpus", chart("CPUs in use", _cpus(measured))
    moving = next((ran for ran in measured.phases if ran.phase.name in ("steady", "soak")), None)
    if moving is not None and measured.moves:
        yield from _rebalances(measured, moving)


def _gap_s(measured: Measured) -> float:
    """Between two phases, nothing is drawn."""
    return 2.5 * bucket_s(measured)


def _throughput(measured: Measured) -> list[Line]:
    width = bucket_s(measured)
    due: list[Point] = []
    taken: list[Point] = []
    for ran in measured.phases:
        start = ran.began - measured.began
        edges = [0.0, *(n * width for n in range(1, int(ran.phase.seconds / width))), ran.phase.seconds]
        due += [(start + second, ran.phase.due(min(second, ran.phase.seconds - 0.001))) for second in edges]
        taken += [(start + second, rate) for second, rate in rate_of(ran, width)]
    ended = gained(measured.samples, lambda sample: sample.finished, max(width, 2.0))
    return [
        Line("ended (shipped, failed, cancelled)", _since(measured, ended), 2),
        Line("taken", taken, 0, gap_s=_gap_s(measured)),
        Line("due", due, 4, gap_s=_gap_s(measured)),
    ]


def _latency(measured: Measured) -> list[Line]:
    pairs = [(each.at - measured.began, each.took_ms) for ran in measured.phases for each in ran.asked]
    median, p95, p99 = quantiles_of(pairs, bucket_s(measured), [0.5, 0.95, 0.99])
    gap = _gap_s(measured)
    return [
        Line("99th percentile", p99, 1, gap_s=gap),
        Line("95th", p95, 3, gap_s=gap),
        Line("median", median, 0, gap_s=gap),
    ]


def _shipping(measured: Measured) -> list[Line]:
    pairs = [(placed - measured.began, took) for placed, took in measured.shipped if placed >= measured.began]
    median, p95 = quantiles_of(pairs, bucket_s(measured), [0.5, 0.95])
    gap = _gap_s(measured)
    return [Line("95th percentile", p95, 3, gap_s=gap), Line("median", median, 0, gap_s=gap)]


def _waiting(measured: Measured) -> list[Line]:
    return [
        Line("orders under way", _read(measured, lambda sample: sample.unfinished), 2),
        Line("consumer lag", _read(measured, lambda sample: sample.lag), 1),
        Line("outbox", _read(measured, lambda sample: sample.outbox), 0),
    ]


def _cpus(measured: Measured) -> list[Line]:
    def used(part: str) -> Callable[[Sample], float]:
        return lambda sample: sample.cpus.get(part, 0.0)

    return [Line(part, _smooth(measured, used(part)), color) for color, part in enumerate(PARTS)]


def _rebalances(measured: Measured, ran: Ran) -> Iterator[tuple[str, Chart]]:
    """The partitions of each worker, one upon the other, and what waited, during the phase with moves."""
    ended = max([ran.ended, *(move.settled or 0.0 for move in measured.moves)]) + AROUND_S
    samples = measured.samples_in(ran.began - 1, ended)
    seconds = (samples[0].at - measured.began, samples[-1].at - measured.began)
    marks = [
        (move.began - measured.began, str(number))
        for number, move in enumerate(measured.moves, 1)
        if move.began is not None
    ]
    names = sorted({name for sample in samples for name in sample.partitions})
    piled: list[Line] = []
    for color, name in reversed(list(enumerate(names))):
        below = names[: color + 1]
        points = [
            (sample.at - measured.began, float(sum(sample.partitions.get(each, 0) for each in below)))
            for sample in samples
        ]
        piled.append(Line(name, points, color, steps=True, filled=True))
    yield "partitions", Chart("Partitions of each worker", seconds, piled, marks=marks, top=PARTITIONS)
    lag = [(sample.at - measured.began, float(sample.lag or 0)) for sample in samples]
    under_way = [(sample.at - measured.began, float(sample.unfinished)) for sample in samples]
    lines = [Line("orders under way", under_way, 2), Line("consumer lag", lag, 1)]
    yield "rebalances", Chart("What waits meanwhile", seconds, lines, marks=marks)


def _since(measured: Measured, points: list[Point]) -> list[Point]:
    return [(at - measured.began, value) for at, value in points if at >= measured.began]


def _read(measured: Measured, of: Callable[[Sample], float | None]) -> list[Point]:
    """The highest value in each bucket: a peak must not get lost."""
    width = bucket_s(measured)
    peaks: dict[int, float] = {}
    for sample in measured.samples_in(measured.began, measured.ended):
        n = int((sample.at - measured.began) / width)
        peaks[n] = max(peaks.get(n, 0.0), of(sample) or 0.0)
    return [((n + 0.5) * width, value) for n, value in sorted(peaks.items())]


def _smooth(measured: Measured, of: Callable[[Sample], float]) -> list[Point]:
    """The mean over a few samples."""
    width = max(3.0, bucket_s(measured))
    samples = measured.samples_in(measured.began, measured.ended)
    buckets: dict[int, list[float]] = {}
    for _, sample in pairwise(samples):
        buckets.setdefault(int((sample.at - measured.began) / width), []).append(of(sample))
    return [((n + 0.5) * width, sum(values) / len(values)) for n, values in sorted(buckets.items())]
