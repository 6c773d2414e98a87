"""The run as Markdown."""

from collections import Counter, defaultdict

from tests.faults.checker import Recovery, Violation, recoveries
from tests.faults.history import History

VIOLATIONS_SHOWN_PER_KIND = 10


def render(
    history: History, violations: list[Violation], *, parts: str, left_out: str, seconds: float, shed: int
) -> str:
    """Orders, faults by kind, recoveries, verdict and seed. `left_out`: what cannot be attacked on these
    parts."""
    counts = Counter(sent.outcome for sent in history.sent.values())
    attempts = sum(len(sent.attempts) for sent in history.sent.values())
    statuses = Counter(order.status for order in history.orders)
    rate = len(history.sent) / history.loaded_s if history.loaded_s else 0.0
    lines = [
        f"# Fault run on {parts} parts, seed {history.seed}",
        "",
        f"**{'PASSED: no violations' if not violations else f'FAILED: {len(violations)} violations'}**",
        "",
        f"- {seconds:.0f} s of faults; {len(history.sent)} orders at {rate:.0f}/s in {attempts} requests "
        f"({shed} not sent because the client was full)",
        f"- outcomes: {counts['ok']} ok, {counts['refused']} refused, {counts['unknown']} unknown, no key",
        f"- orders at the end: {_counted(statuses)}",
        f"- carrier's ledger: {_counted(Counter(decision.state for decision in history.decisions))}",
        f"- event log: {len(history.events)} records of {len({e.order_id for e in history.events})} orders",
        f"- checked besides: {len(history.sightings)} orders watched, {len(history.timelines)} timelines",
        f"- peak memory in MiB: {', '.join(f'{r} {mib:.0f}' for r, mib in sorted(history.rss_mib.items()))}",
        f"- peak in flight in one worker: {history.in_flight}",
        "",
        "## Faults",
        "",
        *([f"Left out: {left_out}.", ""] if left_out else []),
        "| kind | injected |",
        "|---|---|",
    ]
    kinds = Counter(injection.kind for injection in history.injections)
    lines += [f"| {kind} | {count} |" for kind, count in sorted(kinds.items())]
    lines += [f"| **total** | {kinds.total()} |", ""]
    if history.failed_injections:
        lines += ["Not injected at first:", ""]
        lines += [f"- {text}" for text in history.failed_injections] + [""]
    lines += _recovery_lines(recoveries(history)) + _violation_lines(violations)
    return "\n".join(lines) + "\n"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _recovery_lines(found: list[Recovery]) -> list[str]:
    by_kind: dict[str, list[Recovery]] = defaultdict(list)
    for recovery in found:
        by_kind[recovery.kind].append(recovery)
    lines = [
        "## Recovery after a fault that was alone",
        "",
        "Until the last order that the fault touched was terminal; 0 where none was late. A role of ours is",
        "killed and the time runs; with PostgreSQL and Kafka it runs when they answer again, with a worker",
        "that stays away when it is started again.",
        "",
        "| kind | seconds | from the beginning of the fault |",
        "|---|---|---|",
    ]
    lines += [
        f"| {kind} | {', '.join(f'{r.seconds:.1f}' for r in each)} "
        f"| {', '.join(f'{r.since_start_s:.1f}' for r in each)} |"
        for kind, each in sorted(by_kind.items())
    ]
    return [*lines, ""]


def _violation_lines(violations: list[Violation]) -> list[str]:
    if not violations:
        return []
    by_kind: dict[str, list[str]] = defaultdict(list)
    for violation in violations:
        by_kind[violation.kind].append(violation.text)
    lines = ["## Violations", ""]
    for kind, texts in sorted(by_kind.items()):
        lines.append(f"### {kind}: {len(texts)}")
        lines += ["", *(f"- {text}" for text in texts[:VIOLATIONS_SHOWN_PER_KIND]), ""]
    return lines
