"""`health`: asks a role's own /health/ready, also for container health checks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from orderflow.cli.configuration import Json, load_settings
from orderflow.cli.terminal import CommandFailed, as_json, write_line
from orderflow.runtime.masking import mask_urls

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.runtime.tls import ClientTls
    from orderflow.settings import Settings

TIMEOUT_S = 3.0

Role = Literal["api", "relay", "fulfillment"]


def health(
    role: Annotated[Role | None, Parameter(help="All that have an address, if none is named.")] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Ask the roles whether they can do their job. Exit 0 if they can, degraded or not."""
    settings = load_settings()
    answers = asyncio.run(_ask_all(_addresses(settings, role), settings))
    if json:
        write_line(as_json(answers))
    else:
        for answer in answers:
            write_line(_line(answer))
    return 0 if all(answer["state"] in ("ready", "degraded") for answer in answers) else 1


def _addresses(settings: Settings, role: Role | None) -> dict[Role, str]:
    urls: dict[Role, str] = {"api": settings.orders_url, "fulfillment": settings.fulfillment_url}
    if settings.relay_port:
        # A certificate seldom names an address.
        origin = "https://localhost" if settings.tls_cert else "http://127.0.0.1"
        urls["relay"] = f"{origin}:{settings.relay_port}"
    if role is None:
        return urls
    if role not in urls:
        raise CommandFailed("the relay has no address: set ORDERFLOW_RELAY_PORT, as for the relay itself")
    return {role: urls[role]}


async def _ask_all(urls: dict[Role, str], settings: Settings) -> list[dict[str, Any]]:
    from orderflow.cli.client import client_tls

    tls = client_tls(settings)
    return await asyncio.gather(*(_ask(role, url, tls) for role, url in urls.items()))


async def _ask(role: Role, url: str, tls: ClientTls) -> dict[str, Any]:
    from orderflow.cli.client import Client, Refused

    answer: dict[str, Any] = {"role": role, "url": mask_urls(url)}
    try:
        async with Client(url, f"nothing answers at {url}", None, tls) as client:
            document = await client.get("/health/ready", timeout_s=TIMEOUT_S)
    except Refused as refused:
        return {**answer, "state": "not ready", "reason": str(refused)}
    except CommandFailed as error:
        return {**answer, "state": "no answer", "reason": str(error)}
    parts: list[Any] = document.get("degraded") or []
    return {**answer, "state": "degraded" if parts else "ready", "degraded": parts, "answer": document}


def _line(answer: dict[str, Any]) -> str:
    parts = [f"{part['part']} ({part['reason']})" for part in answer.get("degraded", ())]
    text = ", ".join(parts) or answer.get("reason", "")
    return f"{answer['role']}: {answer['state']}" + (f": {text}" if text else "")
