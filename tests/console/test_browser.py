"""A real browser uses the console while orders flow."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import missing
from tests.console.browser import Browser, browsing
from tests.console.conftest import ask as visit
from tests.console.test_letters import INSERT, letter_values
from tests.journeys.processes import Role, ask, order
from tests.ports import free_port

PATHS = (
    "/",
    "/console/orders",
    "/console/dead-letters",
    "/console/payments",
    "/console/stock",
    "/console/try-it",
)
REFRESHES_MS = 5_000
"""In this time a page that is looked at refreshes itself twice."""


@pytest.mark.timeout(300)
def test_a_person_watches_orders_and_cancels_one(tmp_path: Path) -> None:
    program = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    settings = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "90000-90000"}
    role = Role(tmp_path, "up", environment={f"ORDERFLOW_{name}": value for name, value in settings.items()})
    try:
        asyncio.run(_watch_and_cancel(program, role.url()))
    finally:
        role.end()


async def _watch_and_cancel(program: str, url: str) -> None:
    placed = ask(f"{url}/api/orders", method="POST", body=order(1)).body
    ask(f"{url}/api/orders/{placed['orderId']}?wait=Processing")
    async with browsing(program) as browser:
        for path in PATHS:
            await browser.open(url + path)
            await browser.until("document.querySelector('h1')")
        await browser.look(width=375, height=800)
        for path in (*PATHS, f"/console/orders/{placed['orderId']}"):
            await browser.open(url + path)
            await browser.until("document.documentElement.scrollWidth <= 375")
        await browser.value("document.querySelector('[data-opens=dialog-cancel]').click()")
        await browser.until("document.querySelector('dialog[open]')")
        await browser.value("document.querySelector('dialog[open] [name=reason]').value = 'ordered twice'")
        await browser.value("document.querySelector('dialog[open] form').requestSubmit()")
        # The page refreshes itself: nobody loads it again.
        await browser.until("document.body.innerText.includes('ordered twice')")
        await browser.open(f"{url}/console/orders?customerId={placed['customer']['customerId']}")
        await browser.value("document.querySelector('[name=productId]').value = 'half a wo'")
        shown = "document.querySelectorAll('#results tbody tr').length"
        assert await browser.value(shown) == 1
        ask(f"{url}/api/orders", method="POST", body=order(1))
        await browser.until(f"{shown} === 2")
        # What somebody is writing stays.
        assert await browser.value("document.querySelector('[name=productId]').value") == "half a wo"
        await browser.open(url + "/")
        before = await browser.value("document.querySelector('.tiles').innerText")
        ask(f"{url}/api/orders", method="POST", body=order(2))
        await browser.until(f"document.querySelector('.tiles').innerText !== {before!r}")
        # The charts outlive the refreshing.
        await browser.until("document.querySelectorAll('[data-chart] canvas').length === 3")
        await browser.until("JSON.parse(document.getElementById('series').dataset.series).placed.length > 1")
        await _hide(browser)
        assert browser.errors == []
        assert {request.split("/")[2] for request in browser.requests} == {url.split("/")[2]}


@pytest.mark.timeout(300)
def test_a_person_redrives_a_group_and_breaks_a_part(tmp_path: Path) -> None:
    program = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    settings = {"PORT": "0", "FULFILLMENT_PORT": "0", "DATA_DIR": str(tmp_path / "data")}
    role = Role(tmp_path, "up", environment={f"ORDERFLOW_{name}": value for name, value in settings.items()})
    try:
        url = role.url()
        with closing(sqlite3.connect(tmp_path / "data" / "fulfillment.db", timeout=30)) as database, database:
            for number in (1, 2):
                database.execute(INSERT, letter_values(number))
        asyncio.run(_redrive_and_break(program, url))
    finally:
        role.end()


async def _redrive_and_break(program: str, url: str) -> None:
    async with browsing(program) as browser:
        await browser.open(f"{url}/console/dead-letters")
        await browser.value("document.querySelector('[data-opens]').click()")
        await browser.until("document.querySelector('dialog[open]').innerText.includes('Redrive 2 of')")
        await browser.value("document.querySelector('dialog[open] [name=why]').value = 'it is mended'")
        await browser.value("document.querySelector('dialog[open] form').requestSubmit()")
        # The page shows how it goes on: nobody loads it again.
        await browser.until("document.body.innerText.includes('1 of 2 redriven, stage 1 of 4')")
        await browser.until("document.body.innerText.includes('1 of 1 failed again')")
        await browser.open(f"{url}/console/try-it")
        await browser.value("document.querySelector('[name=how][value=Kill]').click()")
        await browser.until("document.querySelector('#parts').innerText.includes('stopped')")
        await browser.value("document.querySelector('[name=how][value=Start]').click()")
        await browser.until("document.querySelector('[name=how][value=Kill]')")
        assert browser.errors == []
        assert {request.split("/")[2] for request in browser.requests} == {url.split("/")[2]}


@pytest.mark.timeout(300)
def test_an_open_page_says_that_it_is_not_refreshed_and_goes_on_by_itself(tmp_path: Path) -> None:
    program = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    port = str(free_port())
    settings = {"PORT": port, "FULFILLMENT_PORT": "0", "DATA_DIR": str(tmp_path / "data")}
    environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
    roles = [Role(tmp_path, "up", environment=environment)]

    def restarted() -> None:
        roles.append(Role(tmp_path, "up", environment=environment))
        roles[-1].url()

    try:
        asyncio.run(_lose_parts(program, roles[0].url(), roles[0].kill, restarted))
    finally:
        for role in roles:
            role.end()


async def _lose_parts(program: str, url: str, kill: Callable[[], None], restart: Callable[[], None]) -> None:
    port = int(url.rsplit(":", 1)[1])
    visit(port, "/console/stock", {"productId": "p-1", "onHand": "3"})
    break_it = {"action": "break", "part": "Fulfillment Service"}
    says = "document.querySelector('#stale:not([hidden])')?.innerText.includes('{}')"
    async with browsing(program) as browser:
        await browser.open(f"{url}/console/stock")
        visit(port, "/console/try-it", {**break_it, "how": "Kill"})
        await browser.until(says.format("The Fulfillment Service cannot be reached"))
        assert "p-1" in await browser.text(), "what was known stays"
        assert await browser.barriers() == []
        visit(port, "/console/try-it", {**break_it, "how": "Start"})
        await browser.until("document.querySelector('#stale').hidden")
        visit(port, "/console/try-it", {**break_it, "how": "Kill"})
        await browser.until("document.querySelector('#stale:not([hidden])')")
        await browser.open(f"{url}/console/stock")
        await browser.until("document.querySelector('h1').innerText === 'Not now'")
        visit(port, "/console/try-it", {**break_it, "how": "Start"})
        await browser.until("document.querySelector('h1').innerText === 'Stock'")
        await browser.until("document.querySelector('main').innerText.includes('p-1')")
        await asyncio.to_thread(kill)
        await browser.until(says.format("nothing answers"))
        await asyncio.to_thread(restart)
        visit(port, "/console/stock", {"productId": "p-2", "onHand": "3"})
        await browser.until("document.querySelector('main').innerText.includes('p-2')")
        assert await browser.value("document.querySelector('#stale').hidden")
        # A browser tells itself of an answer that failed or was not given, and of nothing else.
        assert [error for error in browser.errors if "Failed to load resource" not in error] == []


async def _hide(browser: Browser) -> None:
    """Nobody looks at the page any more, and it asks for nothing."""
    await browser.value("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    await browser.until("!document.querySelector('.htmx-request')")
    asked = len(browser.requests)
    hidden_at = await browser.value("performance.now()")
    await browser.until(f"performance.now() > {hidden_at} + {REFRESHES_MS}")
    assert len(browser.requests) == asked
    await browser.value("delete document.hidden")
    await browser.until("!document.hidden")
    while len(browser.requests) == asked:
        await browser.until("document.querySelector('h1')")
