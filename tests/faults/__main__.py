"""`python -m tests.faults`: fault runs from the command line. Exit code 0: no violations; 1: some; 2: wrong
use."""

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

import uvloop
from tests.faults import mssql
from tests.faults.run import Options, perform
from tests.faults.source import ROOT, copy_of_source
from tests.faults.stages import STAGES


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Attacks Orderflow and checks that nothing is lost or twice."
    )
    parser.add_argument("--seed", type=int, default=None, help="replays a run; drawn if absent")
    parser.add_argument("--minutes", type=float, default=20, help="of faults, for each set of parts")
    parser.add_argument("--parts", choices=[*STAGES, "both"], default="both", help="both: embedded and real")
    parser.add_argument("--rate", type=float, default=100, help="orders per second")
    parser.add_argument("--times", type=int, default=3, help="how often each kind must come")
    parser.add_argument("--alone", type=int, default=3, help="how often each single kill comes alone")
    parser.add_argument(
        "--kinds", default="", help="prefixes of the kinds to inject, by comma; all if absent"
    )
    parser.add_argument("--commit", help="run the product as of this commit, not as it lies in the checkout")
    parser.add_argument("--directory", type=Path, default=ROOT / ".faults", help="keeps logs and reports")
    arguments = parser.parse_args()
    if arguments.parts == "mssql" and (lacking := mssql.missing()):
        sys.stderr.write(f"{lacking}\n")
        return 2
    seed: int = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    options = Options(
        seed=seed,
        seconds=arguments.minutes * 60,
        rate=arguments.rate,
        times=arguments.times,
        alone=arguments.alone,
        kinds=tuple(kind for kind in arguments.kinds.split(",") if kind),
    )
    failed = False
    for name in ("embedded", "real") if arguments.parts == "both" else (arguments.parts,):
        directory: Path = arguments.directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{seed}"
        _say(f"Fault run on {name} parts, seed {seed}; logs and report in {directory}")
        stage = STAGES[name](directory, seed, copy_of_source(directory, commit=arguments.commit), {})
        if stage.left_out:
            _say(f"Left out: {stage.left_out}")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                result = runner.run(perform(stage, options))
        except asyncio.CancelledError:
            _say("Ended early by a signal: nothing was judged")
            return 1
        _say(result.report)
        failed = failed or bool(result.violations)
    if failed:
        replay = f"make faults SEED={seed} PARTS={arguments.parts} MINUTES={arguments.minutes:g}"
        _say(f"FAILED; replay with: {replay}")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
