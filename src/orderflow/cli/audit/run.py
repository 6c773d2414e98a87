"""`audit`: compares what both services and the ledgers say of every order, once or again and again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.configuration import Json, load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, as_json, complain, write_line

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.audit.comparison import Report
    from orderflow.cli.audit.ledgers import Entries, Ledgers
    from orderflow.settings import Settings

GRACE_S = 60.0
AGAIN_AFTER_S = 60.0
FINDINGS_SHOWN_MAX = 1_000
_EVERY = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Urls = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def audit(
    *,
    grace_s: Annotated[
        float, Parameter(help="Seconds that an order, or a step that is due, may take before it is judged.")
    ] = GRACE_S,
    again_after_s: Annotated[
        float, Parameter(help="Seconds until what looks wrong is looked at again; only what stays counts.")
    ] = AGAIN_AFTER_S,
    carrier_ledger: Annotated[
        Urls,
        Parameter(help="Addresses of all carriers, by default those in the settings."),
    ] = None,
    payments_ledger: Annotated[Urls, Parameter(help="The same for payment providers.")] = None,
    every: Annotated[
        str | None, Parameter(help="Audit again and again until SIGTERM, for example every 15m or 6h.")
    ] = None,
    metrics_port: Annotated[
        int | None, Parameter(help="With --every: show the result to Prometheus on this port.")
    ] = None,
    json: Json = False,
) -> int:
    """Check that nothing is lost, stuck, shipped twice, or paid for wrongly. Exit 1 with what is wrong."""
    if not (0 <= grace_s <= 86_400 and 0 <= again_after_s <= 86_400):
        raise WrongUse("--grace-s and --again-after-s take 0 to 86400 seconds")
    if metrics_port is not None and every is None:
        raise WrongUse("--metrics-port needs --every")
    if metrics_port is not None and not 0 <= metrics_port <= 65_535:
        raise WrongUse("--metrics-port takes 0 to 65535")
    settings = load_settings()
    auditor = _Auditor(settings, grace_s, again_after_s, carrier_ledger, payments_ledger)
    if every is not None:
        return _again_and_again(auditor, settings, _seconds(every), metrics_port, json=json)
    report = asyncio.run(auditor.run())
    _write(report, json=json)
    return 1 if report.findings else 0


def _seconds(every: str) -> int:
    found = _EVERY.fullmatch(every)
    if found is None:
        raise WrongUse("--every takes a number and s, m, h or d, such as 15m or 6h")
    return int(found[1]) * _UNITS_S[found[2]]


class _Auditor:
    """Makes audits with the settings and options of the command."""

    def __init__(
        self,
        settings: Settings,
        grace_s: float,
        again_after_s: float,
        carriers: Sequence[str] | None,
        payments: Sequence[str] | None,
    ) -> None:
        self._settings = settings
        self._grace_s = grace_s
        self._again_after_s = again_after_s
        self._carriers = carriers
        self._payments = payments

    async def run(self) -> Report:
        """Raises CommandFailed if a service, or a ledger that was named, cannot be read."""
        from orderflow.cli.audit.comparison import Audit, Read
        from orderflow.cli.audit.ledgers import Ledgers
        from orderflow.cli.client import fulfillment_service, order_service
        from orderflow.client import Retries

        settings, retries = self._settings, Retries()
        named_carriers = settings.carrier_url if settings.carrier == "http" else None
        named_payments = settings.payments_url if settings.payments == "http" else None
        former = [url for adapter, url in settings.former_carrier_list if adapter == "http"]
        former_payments = [url for adapter, url in settings.former_payments_list if adapter == "http"]
        with closing(Ledgers()) as ledgers:
            carriers = await self._readable(ledgers, self._carriers, named_carriers, former)
            payments = await self._readable(ledgers, self._payments, named_payments, former_payments)
            async with (
                order_service(settings) as orders,
                fulfillment_service(settings) as fulfillment,
                self._looking_up(carriers, payments) as look_up,
            ):
                return await Audit(
                    partial(orders.get, retries=retries),
                    partial(fulfillment.get, retries=retries),
                    ledgers.by_order(),
                    look_up,
                    Read(bool(carriers), bool(payments)),
                    grace_s=self._grace_s,
                    again_after_s=self._again_after_s,
                    clock=lambda: datetime.now(UTC),
                    sleep=asyncio.sleep,
                ).run()

    async def _readable(
        self, ledgers: Ledgers, asked_for: Sequence[str] | None, named: str | None, former: Sequence[str]
    ) -> list[str]:
        """The addresses whose ledgers were read: all of them, or none if one in the settings has none."""
        from orderflow.cli.audit.ledgers import LedgerUnreadable

        urls = asked_for if asked_for is not None else [*([named] if named else []), *former]
        try:
            for url in urls:
                await asyncio.to_thread(ledgers.read, url.rstrip("/"), self._context)
        except LedgerUnreadable as error:
            if asked_for is not None:
                raise CommandFailed(f"the ledger cannot be read: {error}") from None
            complain(f"not compared with the ledger: {error}")
            return []
        return [url.rstrip("/") for url in urls]

    @property
    def _context(self) -> Any:
        """How addresses with https are trusted."""
        from orderflow.cli.client import client_tls

        context = client_tls(self._settings).context
        return lambda: None if context is True else context

    @asynccontextmanager
    async def _looking_up(
        self, carriers: Sequence[str], payments: Sequence[str]
    ) -> AsyncGenerator[Callable[[str], Awaitable[Entries]]]:
        """Yields what asks all these addresses for one order."""
        from orderflow.cli.audit.ledgers import entries_of
        from orderflow.client import AsyncClient, OrderflowError

        asked = [(url, "/v1/shipments", "shipments") for url in carriers]
        asked += [(url, "/v1/authorizations", "authorizations") for url in payments]
        async with AsyncExitStack() as stack:
            clients = [
                (await stack.enter_async_context(AsyncClient(url, tls=self._context)), path, name)
                for url, path, name in asked
            ]

            async def look_up(order_id: str) -> Entries:
                found: list[dict[str, Any]] = []
                try:
                    for client, path, name in clients:
                        answer = await client.call("GET", path, query={"reference": order_id})
                        found += answer[name]
                    return entries_of(order_id, found)
                except (OrderflowError, LookupError) as error:
                    raise CommandFailed(f"order {order_id} cannot be looked up: {error}") from None

            yield look_up


def _write(report: Report, *, json: bool) -> None:
    shown = report.findings[:FINDINGS_SHOWN_MAX]
    if json:
        findings = [
            {"kind": each.kind, "subject": each.subject, "what": each.what, "remedy": each.remedy}
            for each in report.findings
        ]
        counts = {"orders": report.orders, "shipments": report.shipments, "products": report.products}
        write_line(as_json({**counts, "hasMore": report.has_more, "findings": findings}))
        return
    for each in shown:
        write_line(f"{each.subject}  {each.kind}: {each.what}")
        write_line(f"    to do: {each.remedy}")
    if len(shown) < len(report.findings):
        write_line(f"{len(report.findings) - len(shown)} more; --json has them all")
    compared = f"{report.orders} orders, {report.shipments} shipments and {report.products} products"
    wrong = f"{len(report.findings)} things are wrong" if report.findings else "nothing is wrong"
    more = ", and there is more than was looked at twice" if report.has_more else ""
    write_line(f"{compared} were compared: {wrong}{more}")


def _again_and_again(
    auditor: _Auditor, settings: Settings, every_s: int, metrics_port: int | None, *, json: bool
) -> int:
    from orderflow.cli.audit.scheduled import Scheduled
    from orderflow.cli.roles import expected_errors
    from orderflow.web.server import run_until_signal

    def tell(report: Report) -> None:
        _write(report, json=json)

    scheduled = Scheduled(auditor.run, every_s, tell, clock=time.time)
    with expected_errors():
        return run_until_signal(lambda stop: scheduled.run(stop, settings.host, metrics_port))
