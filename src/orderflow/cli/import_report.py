"""What an import reports: results, progress, the refused lines and the totals."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from orderflow.cli.client import problem_text
from orderflow.cli.order_lines import Line, UnreadableLine
from orderflow.cli.terminal import CommandFailed, as_json, complain, wide_console, write_line
from orderflow.runtime.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress

PROGRESS_INTERVAL_S = 5.0
REFUSALS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a line: an order, or a problem (RFC 9457)."""

    line: Line
    status: int
    order_id: str | None = None
    replayed: bool = False
    problem: dict[str, Any] | None = None


class Report:
    """Takes outcomes in the order of the lines. Refused lines go to a file, which the first of them
    creates."""

    def __init__(self, refused_path: Path, *, json: bool, bytes_total: int) -> None:
        self.counts: Counter[Literal["created", "replayed", "refused"]] = Counter()
        self.refused_path = refused_path
        self._json = json
        self._bytes_total = bytes_total
        self._last_line = 0
        self._refused: IO[str] | None = None
        self._told_at_s = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=wide_console(sys.stderr), transient=True)
            self._bar.add_task("importing", total=self._bytes_total)
            self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._refused:
            self._refused.close()

    def take(self, outcomes: Sequence[Outcome], bytes_read: int) -> None:
        for outcome in outcomes:
            if outcome.problem is not None:
                self._refuse(outcome, outcome.problem)
            self.counts[
                "refused" if outcome.problem is not None else "replayed" if outcome.replayed else "created"
            ] += 1
            if self._json:
                write_line(as_json(_result(outcome)))
            self._last_line = outcome.line.number
        sys.stdout.flush()
        self._show_progress(bytes_read)

    def summary(self) -> str:
        counts = self.counts
        text = f"created {counts['created']}, replayed {counts['replayed']}, refused {counts['refused']}"
        if counts["refused"]:
            text += f"; refused lines with their reasons: {self.refused_path}"
        return text

    def how_far(self) -> str:
        """What to tell the user when an import ends early."""
        return (
            f"lines up to {self._last_line} are done ({self.summary()}); repeating the same command is safe "
            "while the service remembers its keys, 7 days if not set otherwise: orders that exist are not "
            "placed again"
        )

    def tell(self, text: str) -> None:
        """Write a line to stderr without breaking the progress bar."""
        if self._bar:
            self._bar.console.print(printable(text))
        else:
            complain(text)

    def _refuse(self, outcome: Outcome, problem: dict[str, Any]) -> None:
        refused: dict[str, Any] = {"line": outcome.line.number, "problem": problem}
        text = outcome.line.text
        try:
            refused["input"] = text.decode("utf-8") if text is not None else None
        except UnicodeDecodeError:
            refused["inputBase64"] = base64.b64encode(text or b"").decode()
        try:
            if self._refused is None:
                # Refused orders hold personal data, so only the file's owner may read it.
                descriptor = os.open(self.refused_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                self._refused = os.fdopen(descriptor, "w", encoding="utf-8")
            self._refused.write(as_json(refused) + "\n")
            self._refused.flush()
        except OSError as error:
            raise CommandFailed(
                f"{self.refused_path} cannot be written: {error.strerror}; name another with --refused"
            ) from None
        if not self._json and self.counts["refused"] < REFUSALS_SHOWN_MAX:
            line = outcome.line
            unreadable = isinstance(line, UnreadableLine)
            self.tell(line.told if unreadable else f"line {line.number}: {problem_text(problem)}")

    def _show_progress(self, bytes_read: int) -> None:
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=bytes_read)
        elif time.monotonic() - self._told_at_s >= PROGRESS_INTERVAL_S:
            self._told_at_s = time.monotonic()
            share = 100 * bytes_read // max(self._bytes_total, 1)
            complain(f"line {self._last_line}, {share} %: {self.summary()}")


def _result(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = {"line": outcome.line.number, "status": outcome.status}
    if outcome.problem is not None:
        return {**result, "problem": outcome.problem}
    return {**result, "orderId": outcome.order_id, "replayed": outcome.replayed}
