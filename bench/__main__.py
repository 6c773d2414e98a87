"""`make bench`: runs the cases in interleaved rounds and prints the results."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from bench import report, tools
from bench.cases import CASES, GROUPS, Case, Run, warm_up
from bench.processes import BenchError, end_on_sigterm
from bench.report import say
from bench.scenarios import Sample
from bench.servers import find_servers

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench"
QUICK_SECONDS = 1.0
CASE_SECONDS_MAX = 300
LONG_CASE_SECONDS_MAX = 3_600


class OutOfTime(BenchError):
    """A case took longer than it may."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Medians over interleaved rounds.")
    parser.add_argument("--only", help=f"groups, comma-separated: {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="measuring time of a case")
    parser.add_argument("--long", action="store_true", help="also a million orders, and five million stored")
    parser.add_argument(
        "--quick", action="store_true", help="only show that everything runs, within a minute"
    )
    parser.add_argument("--minutes", type=float, default=120.0, help="start no further case after so long")
    parser.add_argument("--json", type=Path, help="where the JSON goes; build/bench/ by default")
    found = parser.parse_args()
    if found.only and (unknown := set(found.only.split(",")) - set(GROUPS)):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    return found


def chosen(only: str | None, *, with_long: bool, quick: bool) -> list[Case]:
    groups = set(only.split(",")) if only else set(GROUPS) - {"long"}
    if with_long:
        groups.add("long")
    return [
        case for case in CASES if case.group in groups and (case.quick or case.group == "long" or not quick)
    ]


def measure(run: Run, case: Case) -> Sample | None:
    """Measure one case. If it fails or takes too long, print a line that says why and return None, so that
    the other cases go on."""
    signal.alarm(LONG_CASE_SECONDS_MAX if case.group == "long" else CASE_SECONDS_MAX)
    try:
        return case.measure(run)
    except BenchError as error:
        say(f"    failed: {error}")
        return None
    finally:
        signal.alarm(0)


def measure_all(
    run: Run, cases: list[Case], rounds: int, minutes_max: float
) -> tuple[dict[str, list[Sample]], int]:
    """Samples by case, and how many measurements failed. Long cases are measured in the first round only."""
    deadline = time.monotonic() + 60 * minutes_max
    results: dict[str, list[Sample]] = {case.name: [] for case in cases}
    failed = 0
    for number in range(1, rounds + 1):
        for case in cases:
            if case.group == "long" and number > 1:
                continue
            began = time.monotonic()
            if began > deadline:
                say(f"stopped after {minutes_max:g} minutes")
                return results, failed + 1
            sample = measure(run, case)
            took = time.monotonic() - began
            failed += sample is None
            if sample is not None:
                results[case.name].append(sample)
                marks = f"  ({'; '.join(sample.marks)})" if sample.marks else ""
                rate = sample.values["orders_per_s"]
                say(
                    f"  round {number}/{rounds}  {case.name:<50} {rate:>9,.0f} orders/s  {took:3.0f} s{marks}"
                )
    return results, failed


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTime("it took too long")


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGALRM, _on_alarm)
    end_on_sigterm()
    seconds = QUICK_SECONDS if options.quick else options.seconds
    rounds = 1 if options.quick else options.rounds
    cases = chosen(options.only, with_long=options.long, quick=options.quick)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    logs = OUTPUT / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    try:
        servers = find_servers()
        servers.remove_leftovers()
        tools.install_vegeta()
        tools.install_conventional()
    except BenchError as error:
        say(str(error))
        return 1
    about: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f'make bench ARGS="{" ".join(sys.argv[1:])}"',
        "machine": report.machine(),
        "postgres": servers.settings(),
        "rounds": rounds,
        "seconds": seconds,
    }
    say(f"{len(cases)} cases, {rounds} rounds, {seconds:g} s each, on {json.dumps(about['machine'])}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=OUTPUT) as scratch:
        run = Run(servers, Path(scratch), logs, seconds, options.quick)
        if not options.quick:
            say("warming up the servers")
            warm_up(run)
        results, failed = measure_all(run, cases, rounds, options.minutes)
    file: Path = options.json or OUTPUT / "result.json"
    file.write_text(json.dumps(report.document(results, about), indent=1, ensure_ascii=False) + "\n")
    say(f"\n{report.table(results)}")
    if not options.quick:
        say(report.verdict_table(results))
    say(f"\nThe samples of every round: {file}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
