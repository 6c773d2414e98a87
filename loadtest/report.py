"""The report of a run, written from what was measured: nobody copies a figure by hand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.scenarios import OTHERS_MAX

from loadtest.correctness import Check
from loadtest.measured import Measured, Ran, quantile, saturation
from loadtest.watch import Sample

LAG_LEFT_MAX = 1_000
"""Messages that may wait for the workers when a phase at a steady rate has ended."""
AT_RATE = ("steady", "soak")
AFTER_MOVE_S = 15.0


@dataclass(frozen=True, slots=True)
class Report:
    about: Mapping[str, Any]
    measured: Measured
    checks: Sequence[Check]

    @property
    def verdicts(self) -> list[Check]:
        """What must hold: k6's thresholds, the lag at the end, each rebalance, and the orders' fate."""
        return [*self._thresholds(), *self._lags(), *self._moves(), *self.checks]

    @property
    def passed(self) -> bool:
        return all(check.holds for check in self.verdicts)

    def _thresholds(self) -> Iterator[Check]:
        for ran in self.measured.phases:
            for each in ran.thresholds:
                yield Check(f"{ran.phase.name}: `{each.metric}` {each.bound}", each.value, each.held)

    def _lags(self) -> Iterator[Check]:
        for ran in self.measured.phases:
            if ran.phase.name in AT_RATE:
                last = self.measured.samples_in(ran.began, ran.ended)[-1:]
                lag = last[0].lag if last else None
                what = f"{ran.phase.name}: consumer lag at the end, at most {LAG_LEFT_MAX:,}"
                yield Check(
                    what,
                    "unknown" if lag is None else f"{lag:,}",
                    lag is not None and lag <= LAG_LEFT_MAX,
                )

    def _moves(self) -> Iterator[Check]:
        for move in self.measured.moves:
            took = None if move.began is None or move.settled is None else move.settled - move.began
            found = "never" if took is None else f"after {took:.0f} s"
            yield Check(f"{move.what}: all partitions are read again", found, took is not None)

    def markdown(self, images: Sequence[tuple[str, str]]) -> str:
        """`images`: the path and the title of each chart."""
        pictures = {path.rsplit("-", 1)[-1].removesuffix(".svg"): (path, title) for path, title in images}

        def show(*names: str) -> list[str]:
            return [f"![{pictures[name][1]}]({pictures[name][0]})\n" for name in names if name in pictures]

        failed = [check for check in self.verdicts if not check.holds]
        verdict = (
            "Everything that must hold did."
            if not failed
            else "**Not everything held:** "
            + "; ".join(f"{check.what} ({check.found})" for check in failed)
            + "."
        )
        doubtful = [
            f"Other programs used {others:.1f} CPUs during {ran.phase.name}, so its figures are doubtful.\n"
            for ran in self.measured.phases
            if (others := self.measured.cpus(ran).get("others", 0.0)) > OTHERS_MAX * self.about["cpus"]
        ]
        parts = [
            _HEAD.format(**self.about, verdict=verdict),
            "## Phases\n",
            *doubtful,
            _table(self._phase_rows()),
            *self._saturated(),
            *show("throughput", "latency", "shipping", "waiting"),
            *(["## Rebalances\n", _REBALANCES, _table(self._move_rows())] if self.measured.moves else []),
            *show("partitions", "rebalances"),
            "## Who used the CPUs\n",
            _CPUS.format(cpus=self.about["cpus"]),
            _table(self._cpu_rows()),
            *show("cpus"),
            "## Memory\n",
            "Peak of each part's largest process in MB, after the phase's first quarter and at its end.\n",
            _table(self._memory_rows()),
            "## What must hold\n",
            _table(
                [
                    ("", "found", ""),
                    *((c.what, c.found, "yes" if c.holds else "**no**") for c in self.verdicts),
                ]
            ),
        ]
        return "\n".join(parts)

    def _phase_rows(self) -> Iterator[tuple[str, ...]]:
        yield (
            "phase",
            "orders due",
            "taken",
            "refused (503)",
            "not sent",
            "answer: median",
            "p95",
            "p99",
            "max",
            "Shipped after: median",
            "p95",
            "messages on Kafka",
            "highest lag",
            "all ended after",
        )
        for ran in self.measured.phases:
            took, shipped = ran.took_ms, self.measured.shipped_s(ran)
            samples = self.measured.samples_in(ran.began, ran.drained)
            yield (
                f"{ran.phase.name}, {_how(ran)}",
                f"{len(ran.asked) + ran.dropped:,}",
                f"{ran.accepted:,} ({ran.accepted / ran.phase.seconds:,.0f}/s)",
                f"{ran.refused:,}",
                f"{ran.dropped:,}",
                *(f"{quantile(took, share):.1f} ms" for share in (0.5, 0.95, 0.99)),
                f"{max(took, default=0.0):.0f} ms",
                *(_seconds(quantile(shipped, share)) for share in (0.5, 0.95)),
                f"{_messages_per_s(samples):,.0f}/s",
                f"{max((sample.lag or 0 for sample in samples), default=0):,}",
                _seconds(ran.drained - ran.ended),
            )

    def _saturated(self) -> list[str]:
        lines: list[str] = []
        for ran in self.measured.phases:
            if ran.phase.name == "ramp":
                found = saturation(ran)
                beyond = (
                    "Beyond that, something is late, refused or not sent."
                    if found.reached
                    else "That was the end of the ramp: the machine could take more."
                )
                lines.append(
                    f"Up to **{found.held_per_s:,.0f} orders/s**, 95 % of what was due was taken with a 95th "
                    f"percentile of at most {ran.phase.p95_ms:g} ms. {beyond} The most that was taken in "
                    f"five seconds is {found.top_per_s:,.0f} orders/s.\n"
                )
        return lines

    def _move_rows(self) -> Iterator[tuple[str, ...]]:
        yield (
            "",
            "what",
            "at",
            "all partitions read after",
            "then",
            "partitions moved",
            "highest lag",
            "p95 of answers",
        )
        for number, move in enumerate(self.measured.moves, 1):
            if move.began is None or move.settled is None:
                continue
            until = max(move.settled, move.began + AFTER_MOVE_S)
            samples = self.measured.samples_in(move.began, until)
            before, after = samples[0], samples[-1]
            moved = [
                f"{after.moved[name] - before.moved[name]:.0f} {name}"
                for name in ("assigned", "revoked", "lost")
            ]
            took = sorted(
                each.took_ms
                for ran in self.measured.phases
                for each in ran.asked
                if move.began <= each.at <= until
            )
            yield (
                str(number),
                move.what,
                f"{move.began - self.measured.began:.0f} s",
                f"{move.settled - move.began:.0f} s",
                " + ".join(str(count) for _, count in sorted(move.partitions.items())),
                ", ".join(moved),
                f"{max((sample.lag or 0 for sample in samples), default=0):,}",
                f"{quantile(took, 0.95):.1f} ms" if took else "-",
            )

    def _cpu_rows(self) -> Iterator[tuple[str, ...]]:
        used = [(ran, self.measured.cpus(ran)) for ran in self.measured.phases]
        names = sorted({name for _, cpus in used for name in cpus}, key=lambda name: -_mean(used, name))
        yield "phase", *names, "CPU time of an order, without k6"
        for ran, cpus in used:
            own = sum(value for name, value in cpus.items() if name not in ("k6", "others"))
            per_order = 1e6 * own * (ran.ended - ran.began) / max(1, ran.accepted)
            yield ran.phase.name, *(f"{cpus.get(name, 0.0):.2f}" for name in names), f"{per_order:,.0f} µs"

    def _memory_rows(self) -> Iterator[tuple[str, ...]]:
        names = sorted({name for ran in self.measured.phases for name in ran.rss_mb})
        yield "phase", *names
        for ran in self.measured.phases:
            cells = (f"{ran.rss_early_mb.get(name, 0.0):.0f} → {ran.rss_mb[name]:.0f}" for name in names)
            yield ran.phase.name, *cells


def _mean(used: Sequence[tuple[Ran, Mapping[str, float]]], name: str) -> float:
    return median(cpus.get(name, 0.0) for _, cpus in used)


def _messages_per_s(samples: Sequence[Sample]) -> float:
    """Written to the topic from the first sample to the last."""
    told = [(sample.at, sample.messages) for sample in samples if sample.messages is not None]
    if len(told) < 2:
        return 0.0
    (began, first), (ended, last) = told[0], told[-1]
    return (last - first) / (ended - began)


def _how(ran: Ran) -> str:
    phase = ran.phase
    long = f"{phase.seconds / 60:g} min" if phase.seconds >= 60 else f"{phase.seconds:g} s"
    if phase.name == "ramp":
        return f"{phase.rate:g} to {phase.top_rate:,g}/s in {long}"
    if phase.name == "spike":
        return (
            f"{phase.rate:g}/s, {phase.top_rate:,g}/s for {phase.seconds / 4:g} s, {phase.rate:g}/s; {long}"
        )
    return f"{phase.rate:g}/s for {long}"


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def _table(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    first, *others = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([first, "|" + "---|" * (first.count(" | ") + 1), *others]) + "\n"


_HEAD = """# Load report

<!-- Written by `make loadtest` with --record, from what it measured; do not edit. -->

{verdict}

`{command}` at commit {commit}, {at}, on {cpus} CPUs ({cpu}), {memory_gb} GB; {system}, Python {python},
PostgreSQL {postgres} (fsync {fsync}), Kafka with 12 partitions, k6 {k6}. Load generator, services, PostgreSQL
and Kafka share these CPUs, so the ramp shows where this machine is full, k6 included.

Orderflow runs `api` with two processes, a relay, one to three `fulfillment` workers, and a `carrier-sim` that
takes 50-250 ms, rejects 1 % of the orders and fails in 1 % of the calls. Orders have 1 to 5 items and come
from 20,000 customers, few of whom order often. 90 % have an idempotency key, 2 % of those are sent again with
it, 1 % of the orders are cancelled, 0.5 % held and released. [How it is done](../loadtest/README.md).
"""

_REBALANCES = """Workers come and go while orders arrive at the steady rate. A killed worker's partitions wait
until its session has ended (6 s). "Read" means that every running worker reads partitions and together they
read all twelve, looked at once a second. Numbers are those in the charts; lag and answers are those of the
fifteen seconds after the move, or until all were read.
"""

_CPUS = """The mean number of the {cpus} CPUs that each part used during the phase.
"""
