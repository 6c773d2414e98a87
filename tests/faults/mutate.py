"""`python -m tests.faults.mutate`: breaks the product on purpose, to see whether the referee notices.

Each mutant is a patch in `mutants/`, with the faults that are to expose it. A mutant that gets through a run
without the violation that it must cause has survived, which is a failure; so is a patch that no longer
applies.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop
from tests.faults.run import Options, Result, perform
from tests.faults.source import PatchFailed, copy_of_source
from tests.faults.stages import STAGES

PATCHES = Path(__file__).resolve().parent / "mutants"
UNHEALED = {"ORDERFLOW_RECONCILE_AFTER_S": "3600"}
"""Otherwise the reconciler would repair within seconds what some mutants lose."""
DRAIN_S_MAX = 25.0
RATE = 60.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken product. Faults of `kinds` must expose it by one of the violations `caught_as`."""

    name: str
    parts: str
    kinds: tuple[str, ...]
    caught_as: frozenset[str]
    seconds: float = 16.0
    times: int = 3


MUTANTS = (
    Mutant("offset-commit-before-insert", "embedded", ("crash:inbox.polled",), frozenset({"stuck"})),
    Mutant(
        "publish-before-commit",
        "embedded",
        ("crash:orders.written",),
        frozenset({"event-without-order", "shipment-without-order"}),
        seconds=40,
        times=10,
    ),
    Mutant("answer-before-commit", "embedded", ("crash:orders.written",), frozenset({"lost"})),
    Mutant(
        "mark-before-publish", "embedded", ("crash:relay.claimed",), frozenset({"event-missing", "stuck"})
    ),
    Mutant("no-dedupe", "embedded", ("offsets-lost",), frozenset({"attention"})),
    Mutant("key-not-in-the-transaction", "embedded", ("crash:orders.written",), frozenset({"unresolved"})),
    Mutant("key-per-attempt", "embedded", ("carrier:apply-then-503",), frozenset({"shipped-twice"})),
    Mutant("party-ignored", "embedded", ("carrier-switched",), frozenset({"shipped-twice"}), times=1),
    Mutant("outage-is-a-rejection", "embedded", ("carrier:503",), frozenset({"failed-unrejected"})),
    Mutant(
        "cancelled-without-void",
        "embedded",
        ("carrier:apply-then-503", "crash:carrier.answered"),
        frozenset({"status-ledger"}),
        seconds=30,
        times=4,
    ),
    Mutant("authorization-kept", "embedded", ("kill:up",), frozenset({"authorization-kept"}), times=1),
    Mutant("stock-kept", "embedded", ("kill:up",), frozenset({"stock-drift"}), times=1),
    Mutant("stock-never-taken", "embedded", ("kill:up",), frozenset({"stock-drift"}), times=1),
    Mutant("capture-skipped", "embedded", ("kill:up",), frozenset({"charged"}), times=1),
    Mutant(
        "lease-ignored", "real", ("carrier:hang",), frozenset({"attention", "stuck"}), seconds=40, times=4
    ),
    Mutant(
        "refusal-is-final", "real", ("refuses-writes:kafka",), frozenset({"attention", "stuck"}), seconds=30
    ),
    Mutant("relaxed-commit", "real", ("immediate:postgres",), frozenset({"lost"}), seconds=30, times=4),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the mutants; a survivor fails.")
    parser.add_argument("--parts", choices=["embedded", "real", "both"], default="both")
    parser.add_argument("--only", default="", help="names of mutants, by comma")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commit", help="mutate the product as of this commit")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    chosen = [m for m in MUTANTS if arguments.parts in (m.parts, "both") and (not only or m.name in only)]
    survivors: list[str] = []
    for mutant in chosen:
        try:
            result = run_mutant(mutant, seed=arguments.seed, commit=arguments.commit)
        except PatchFailed as error:
            survivors.append(mutant.name)
            sys.stdout.write(f"{mutant.name}: does not fit the product any more: {error}\n")
            continue
        caught = sorted({violation.kind for violation in result.violations} & mutant.caught_as)
        others = sorted({violation.kind for violation in result.violations} - mutant.caught_as)
        if not caught:
            survivors.append(mutant.name)
        told = f"caught as {', '.join(caught)}" if caught else "SURVIVED"
        sys.stdout.write(f"{mutant.name}: {told} by {', '.join(mutant.kinds)}")
        sys.stdout.write(f" (besides: {', '.join(others)})\n" if others else "\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were caught\n")
    return 1 if survivors else 0


def run_mutant(mutant: Mutant, *, seed: int, commit: str | None = None) -> Result:
    """One short run. Raises PatchFailed."""
    options = Options(
        seed=seed,
        seconds=mutant.seconds,
        rate=RATE,
        times=mutant.times,
        alone=0,
        kinds=mutant.kinds,
        drain_s_max=DRAIN_S_MAX,
        resolve_s_max=DRAIN_S_MAX,
    )
    patch = PATCHES / f"{mutant.name}.patch"
    with tempfile.TemporaryDirectory(prefix="orderflow-mutant-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # the user that runs PostgreSQL needs to pass through
        source = copy_of_source(directory, commit=commit, patch=patch)
        stage = STAGES[mutant.parts](directory, seed, source, UNHEALED)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(perform(stage, options))


if __name__ == "__main__":
    sys.exit(main())
