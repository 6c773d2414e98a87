"""`orders import`: sends a file of orders, one per line, to the Order Service in batches.

Every line is sent with an idempotency key, its own or one made from its content, so whatever is in doubt can
be sent again: by this process after a lost answer, or, if the process was lost, by repeating the command.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, complain, write_line
from orderflow.contracts.answers import PROBLEM_TYPE_PREFIX

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.client import Client, Refused
    from orderflow.cli.import_report import Outcome, Report
    from orderflow.cli.order_lines import Line, OrderFile, OrderLine, UnreadableLine
    from orderflow.settings import Settings

REQUESTS_IN_FLIGHT_MAX = 2
BATCH_TIMEOUT_S = 30.0
STALLED_S_MAX = 120.0
PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 15.0

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses of a batch, or of an order in it, that are tried again. 409 to a new order means that another
request with the same key is just being carried out."""

OF_THE_CONTENT = frozenset({400, 413, 422})
"""A batch that is refused for its content is halved until the line that is to blame stands alone."""


def import_orders(
    file: Annotated[
        Path,
        Parameter(
            name="FILE",
            allow_leading_hyphen=True,
            help="One order a line as JSON, a JSON array of them, or CSV; gzip is recognized; - reads stdin.",
        ),
    ],
    /,
    *,
    refused: Annotated[
        Path | None,
        Parameter(help="Where refused lines go with their reasons; NAME.refused.ndjson in this directory."),
    ] = None,
    skip_unreadable: Annotated[
        bool,
        Parameter(
            negative="", help="Place the others where some lines cannot be read; else nothing is placed."
        ),
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", help="Print one JSON object per line of the file instead of the sum.")
    ] = False,
) -> int:
    """Place the orders of a file. Exit 1 when a line was refused.

    A line has the form of an entry of `POST /api/orders/batch`; docs/import.md says what CSV looks like. One
    without idempotencyKey gets a key made from the file's name, the line's content and the number of equal
    lines before it. So equal lines in one file are different orders, the same file again means the same
    orders, and a file with another name means other orders. Repeating the command is safe for as long as the
    service remembers keys (7 days, unless ORDERFLOW_IDEMPOTENCY_KEY_LIFETIME_S says otherwise there). After
    that, the orders are placed again.
    """
    from orderflow.cli.import_report import Report
    from orderflow.cli.order_csv import BrokenCsv
    from orderflow.cli.order_lines import STDIN, OrderFile

    if file.name.startswith("-") and file != STDIN:
        raise WrongUse(f"unknown option {file}; a file of that name is ./{file}")
    settings = load_settings()
    try:
        orders = OrderFile(file)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror or error}") from None
    except BrokenCsv as error:
        raise CommandFailed(f"nothing was placed: {file} cannot be read as CSV: {error}") from None
    if orders.csv is not None and orders.csv.encoding == "cp1252":
        complain(f"{file} is not UTF-8, so it is read as Windows-1252")
    refused_path = refused or Path(_stem(orders.name) + ".refused.ndjson")
    if refused_path.resolve() == file.resolve():
        raise WrongUse("--refused names the file that is imported")
    with closing(orders):
        if not skip_unreadable:
            _require_readable(file, orders)
        with Report(refused_path, json=json, bytes_total=orders.bytes_total) as report:
            try:
                asyncio.run(_import(settings, orders, report))
            except CommandFailed as failure:
                raise CommandFailed(f"{failure}\n{report.how_far()}") from None
            except KeyboardInterrupt:
                raise CommandFailed(f"interrupted: {report.how_far()}") from None
    (complain if json else write_line)(report.summary())
    if orders.failure:
        raise CommandFailed(f"{orders.failure}\n{report.how_far()}")
    return 1 if report.counts["refused"] else 0


def _require_readable(file: Path, orders: OrderFile) -> None:
    """Raises CommandFailed if the file has lines that cannot be read. No part of it is placed before the user
    knows that, because the unreadable part may be the one that matters."""
    found = orders.look_through()
    if found.failure is None and not found.unreadable:
        return
    reasons = [line.told for line in found.shown]
    reasons += ["…"] if found.unreadable > len(reasons) else []
    reasons += [found.failure] if found.failure else []
    raise CommandFailed(
        f"nothing was placed: of {file}, {found.readable} orders can be read and {found.unreadable} cannot\n"
        + "".join(f"  {reason}\n" for reason in reasons)
        + "it takes one order a line as JSON, a JSON array, or CSV; --skip-unreadable places what can be read"
    )


async def _import(settings: Settings, orders: OrderFile, report: Report) -> None:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        sender = _Sender(client, report)
        under_way: deque[asyncio.Task[list[Outcome]]] = deque()
        try:
            for batch in orders.batches():
                under_way.append(asyncio.create_task(sender.settle(batch)))
                if len(under_way) == REQUESTS_IN_FLIGHT_MAX:
                    report.take(await under_way[0], orders.bytes_read)
                    under_way.popleft()
            while under_way:
                report.take(await under_way[0], orders.bytes_read)
                under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)


class _Sender:
    """Sends batches until each line has its outcome, and waits for transient trouble to pass."""

    def __init__(self, client: Client, report: Report) -> None:
        self._client = client
        self._report = report
        self._answered = False
        self._progress_at_s = time.monotonic()

    async def settle(self, lines: Sequence[Line]) -> list[Outcome]:
        """One outcome per line, in order. Raises CommandFailed when there was no progress for STALLED_S_MAX,
        and at once for errors that waiting cannot mend."""
        from orderflow.cli.import_report import Outcome
        from orderflow.cli.order_lines import OrderLine, UnreadableLine

        settled = {
            line.number: Outcome(line, line.status, problem=_problem(line))
            for line in lines
            if isinstance(line, UnreadableLine)
        }
        waiting = [line for line in lines if isinstance(line, OrderLine)]
        attempt = 0
        while waiting:
            outcomes, trouble, retry_after_s = await self._try(waiting)
            settled.update((outcome.line.number, outcome) for outcome in outcomes)
            waiting = [line for line in waiting if line.number not in settled]
            if outcomes:
                self._progress_at_s = time.monotonic()
                attempt = 0
            if waiting:
                await self._pause(trouble, attempt, retry_after_s)
                attempt += 1
        return [settled[line.number] for line in lines]

    async def _try(self, lines: Sequence[OrderLine]) -> tuple[list[Outcome], str, float | None]:
        """The outcomes so far, why the other lines have none, and the seconds to wait if the service named
        any."""
        from orderflow.cli.client import AnswerLost, Refused, Unreachable

        try:
            return await self._send(lines)
        except Refused as refused:
            self._answered = True
            if refused.status in OF_THE_CONTENT:
                return await self._halve(lines, refused)
            if refused.status not in TRANSIENT:
                raise
            return [], str(refused), refused.retry_after_s
        except AnswerLost as error:
            return [], str(error), None
        except Unreachable as error:
            if not self._answered:  # the service was never there: tell the waiting person at once
                raise
            return [], str(error), None

    async def _send(self, lines: Sequence[OrderLine]) -> tuple[list[Outcome], str, float | None]:
        from orderflow.cli.client import problem_text
        from orderflow.cli.import_report import Outcome

        body = b'{"orders":[' + b",".join(line.entry for line in lines) + b"]}"
        answer = await self._client.post("/api/orders/batch", body, timeout_s=BATCH_TIMEOUT_S)
        self._answered = True
        results: list[dict[str, Any]] = answer["results"]
        outcomes: list[Outcome] = []
        trouble = ""
        for index, (line, result) in enumerate(zip(lines, results, strict=True)):
            status: int = result["status"]
            if status in TRANSIENT:
                trouble = problem_text(result["problem"])
            elif status == 201:
                replayed = result.get("replayed") is True
                outcomes.append(Outcome(line, status, result["order"]["orderId"], replayed))
            else:
                outcomes.append(Outcome(line, status, problem=_of_line(result["problem"], index)))
        return outcomes, trouble, None

    async def _halve(
        self, lines: Sequence[OrderLine], refused: Refused
    ) -> tuple[list[Outcome], str, float | None]:
        from orderflow.cli.import_report import Outcome

        if len(lines) == 1:
            return [Outcome(lines[0], refused.status, problem=_of_line(refused.problem, 0))], "", None
        middle = len(lines) // 2
        first, second = await self._try(lines[:middle]), await self._try(lines[middle:])
        return first[0] + second[0], first[1] or second[1], first[2] or second[2]

    async def _pause(self, trouble: str, attempt: int, retry_after_s: float | None) -> None:
        """Wait before the next attempt. Raises CommandFailed when there was no progress for too long."""
        stalled_s = time.monotonic() - self._progress_at_s
        if stalled_s > STALLED_S_MAX:
            raise CommandFailed(f"gave up after {stalled_s:.0f} s without progress: {trouble}")
        bound_s = min(PAUSE_S_MAX, PAUSE_S_MIN * 2**attempt)
        pause_s = max(retry_after_s or 0.0, random.uniform(bound_s / 2, bound_s))
        self._report.tell(f"{trouble}; trying again in {pause_s:.1f} s")
        await asyncio.sleep(pause_s)


def _of_line(problem: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The problem with pointers into the line, not into the batch it was sent in."""
    errors: list[dict[str, Any]] = problem.get("errors") or []
    if not errors:
        return dict(problem)
    prefix = f"/orders/{index}"
    return {**problem, "errors": [{**e, "pointer": e["pointer"].removeprefix(prefix)} for e in errors]}


def _problem(line: UnreadableLine) -> dict[str, Any]:
    return {
        "type": PROBLEM_TYPE_PREFIX + "unreadable-line",
        "title": "Unreadable line",
        "status": line.status,
        "detail": line.reason,
    }


def _stem(name: str) -> str:
    for suffix in (".gz", ".ndjson", ".jsonl", ".csv", ".tsv"):
        name = name.removesuffix(suffix)
    return name
