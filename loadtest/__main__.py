"""`make loadtest`: places orders by k6, lets workers come and go meanwhile, and writes a report."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import bodies
from bench.processes import BenchError, end_on_sigterm, run
from bench.report import machine, say
from bench.servers import Servers, find_servers

from loadtest import k6
from loadtest.charts import charts
from loadtest.correctness import checks
from loadtest.k6 import Asked, Phase
from loadtest.measured import Measured, Ran, shipping_times
from loadtest.moves import Move, Schedule, moves
from loadtest.report import Report
from loadtest.stage import Shop, ended_afterwards, shop
from loadtest.watch import Watch

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "loadtest"
RECORD = ROOT / "docs"
PHASES = ("steady", "ramp", "spike")
SAMPLE_PAUSE_S = 1.0
K6_SLACK_S = 60.0
WARM_UP_ORDERS = 200
PAUSE_S = 3.0
"""Between two phases, so that the charts show them apart."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make loadtest", description="k6 on real processes, PostgreSQL and Kafka."
    )
    add = parser.add_argument
    add(
        "--seconds",
        type=float,
        default=600.0,
        help="of the steady phase; the ramp takes half of it, the spike a fifth",
    )
    add("--rate", type=float, default=100.0, help="orders a second")
    add("--top", type=float, default=3000.0, help="orders a second where the ramp ends")
    add("--spike", type=float, default=1000.0, help="orders a second of the spike")
    add("--soak", type=float, metavar="MINUTES", help="a long steady phase instead of the three")
    add("--only", help=f"some phases, comma-separated: {', '.join(PHASES)}")
    add(
        "--p95-ms",
        type=float,
        default=100.0,
        help="bound for the 95th percentile of answers; 0: none",
    )
    add("--drain-s", type=float, default=1_200.0, help="how long orders may take to end after a phase")
    add("--out", type=Path, default=OUTPUT, help="where everything goes")
    add("--record", action="store_true", help="write docs/load-report.md and its charts as well")
    found = parser.parse_args()
    if found.only and (unknown := set(found.only.split(",")) - set(PHASES)):
        parser.error(f"no such phase: {', '.join(sorted(unknown))}")
    if found.seconds < 10:
        parser.error("--seconds takes 10 at least")
    return found


def phases(options: argparse.Namespace) -> list[Phase]:
    def phase(name: str, seconds: float, top_rate: float) -> Phase:
        return Phase(name, round(seconds), options.rate, top_rate, options.p95_ms)

    if options.soak:
        return [phase("soak", 60 * options.soak, options.rate)]
    every = [
        phase("steady", options.seconds, options.rate),
        phase("ramp", options.seconds / 2, options.top),
        phase("spike", options.seconds / 5, options.spike),
    ]
    return [each for each in every if not options.only or each.name in options.only.split(",")]


@dataclass(slots=True)
class Run:
    """One run of all phases on one shop."""

    shop: Shop
    watch: Watch
    directory: Path
    drain_s: float

    def perform(self, phase: Phase, plan: list[Move]) -> Ran:
        """Run the phase with its moves, and wait until all of its orders have ended. Raises BenchError."""
        say(f"{phase.name}: {phase.seconds:g} s")
        stage, early = self.shop.stage, dict[str, float]()
        with ended_afterwards(k6.start(phase, self.shop, self.directory)) as process:
            self.watch.load_pid = process.pid
            began = time.time()
            schedule = Schedule(self.shop, plan, began, phase.seconds)
            while process.poll() is None or not schedule.done:
                self._look(schedule)
                passed = time.time() - began
                if not early and passed > phase.seconds / 4:
                    early = self._rss_mb()
                if process.poll() is None and passed > phase.seconds + K6_SLACK_S:
                    raise BenchError(f"k6 did not end: see the logs in {self.directory / 'logs'}")
            self.watch.load_pid = None
            if process.returncode not in (0, k6.THRESHOLDS_CROSSED):
                raise BenchError(f"k6 ended with {process.returncode}: see {self.directory / 'logs'}")
        stage.processes.check()
        asked = sorted(k6.asked(self.directory, phase), key=_at)
        if not asked:
            raise BenchError(f"k6 placed no order: see the logs in {self.directory / 'logs'}")
        metrics = k6.metrics(self.directory, phase)
        first = asked[0].at
        drained = self._drain()
        return Ran(
            phase,
            began=first,
            ended=first + phase.seconds,
            asked=asked,
            dropped=int(metrics.get("dropped_iterations", {}).get("count", 0)),
            requests=int(metrics["http_reqs"]["count"]),
            thresholds=k6.thresholds(self.directory, phase),
            drained=max(drained, first + phase.seconds),
            rss_early_mb=early,
            rss_mb=self._rss_mb(),
        )

    def warm_up(self) -> None:
        """Some orders go all the way, so that every connection is open and the worker has its partitions."""
        for batch in bodies.batches(WARM_UP_ORDERS, WARM_UP_ORDERS):
            self.shop.stage.post("/api/orders/batch", batch)
        self._drain()

    def all_workers(self) -> None:
        """A phase that begins without moves has all workers from the start. Raises BenchError."""
        missing = [worker for worker in self.shop.workers if worker.pid is None]
        for worker in missing:
            self.shop.start(worker)
        for worker in missing:
            self.shop.stage.processes.wait_until_ready(f"{worker.url}/health/ready")

    def _look(self, schedule: Schedule) -> None:
        tick = time.monotonic()
        self.shop.stage.processes.check()
        schedule.turn(self.watch.take())
        time.sleep(max(0.0, SAMPLE_PAUSE_S - (time.monotonic() - tick)))

    def _drain(self) -> float:
        """When everything that was placed had ended, or the time for it was over."""
        began = time.time()
        while True:
            sample = self.watch.take()
            self.shop.stage.processes.check()
            if (not sample.unfinished and not sample.lag) or sample.at > began + self.drain_s:
                return sample.at
            time.sleep(SAMPLE_PAUSE_S / 2)

    def _rss_mb(self) -> dict[str, float]:
        stage = self.shop.stage
        return {part: stage.rss_mb(part) for part in stage.parts if part not in ("postgres", "kafka")}


def _at(each: Asked) -> float:
    return each.at


def measure(options: argparse.Namespace, servers: Servers) -> Report:
    """Raises BenchError if the run cannot go on; what it finds wrong is in the report."""
    about = {
        "at": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
        "command": f'make loadtest ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else "make loadtest",
        "commit": _commit(),
        "k6": k6.version(),
        **machine(),
        **_postgres(servers),
    }
    with shop(servers, options.out) as started, closing(Watch(servers, started)) as watch:
        work = Run(started, watch, options.out, options.drain_s)
        work.warm_up()
        plan = moves(started)
        ran: list[Ran] = []
        for phase in phases(options):
            moving = phase.name in ("steady", "soak")
            if not moving:
                work.all_workers()
            ran.append(work.perform(phase, plan if moving else []))
            time.sleep(PAUSE_S)
        say("looking at what became of the orders")
        found = checks(started, [each for one in ran for each in one.asked], WARM_UP_ORDERS)
        planned = plan if any(one.phase.name in ("steady", "soak") for one in ran) else []
        measured = Measured(ran, planned, watch.samples, shipping_times(started.stage.database))
    return Report(about, measured, found)


def _commit() -> str:
    try:
        return run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], seconds_max=10).strip()
    except BenchError:
        return "unknown"


def _postgres(servers: Servers) -> Mapping[str, Any]:
    settings = servers.settings()
    return {"postgres": settings["server_version"].split()[0], "fsync": settings["fsync"]}


def write(report: Report, page: Path, images: Path) -> None:
    """The page and its charts, whose links are relative to the page."""
    images.mkdir(parents=True, exist_ok=True)
    for stale in images.glob("load-*.svg"):
        stale.unlink()
    drawn: list[tuple[str, str]] = []
    for name, chart in charts(report.measured):
        file = images / f"load-{name}.svg"
        file.write_text(chart.svg())
        drawn.append((str(file.relative_to(page.parent)), chart.title))
    page.write_text(report.markdown(drawn))


def main() -> int:
    options = arguments()
    end_on_sigterm()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        k6.found()
        servers = find_servers()
        servers.remove_leftovers()
        report = measure(options, servers)
    except BenchError as error:
        say(str(error))
        return 1
    except subprocess.TimeoutExpired as error:
        say(f"did not end in time: {error.cmd}")
        return 1
    write(report, options.out / "report.md", options.out)
    if options.record:
        write(report, RECORD / "load-report.md", RECORD / "images")
    (options.out / "verdicts.json").write_text(
        json.dumps([[check.what, check.found, check.holds] for check in report.verdicts], indent=1) + "\n"
    )
    for check in report.verdicts:
        say(f"{'ok    ' if check.holds else 'FAILED'} {check.what}: {check.found}")
    say(f"\n{options.out / 'report.md'}")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
