"""Everybody can use the console: axe-core finds nothing, and a keyboard is enough."""

import asyncio
import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import missing
from tests.console.browser import AXE, Browser, browsing
from tests.console.conftest import ask as visit
from tests.console.screenshots import LOOKS
from tests.console.test_letters import INSERT, MESSAGE, letter_values
from tests.journeys.processes import Role, ask, order

LETTER = "/console/dead-letters/00000000-0000-0000-0000-000000000001"
DISCARDS = "/console/dead-letters/discards?kind=undecodable&reason=it%20is%20no%20JSON%20%3Cb%3E"
OF_ORDER = "00000000-0000-0000-0000-000000000077"
LONG_REASON = "r" * 1_000
LONG_DISCARDS = f"/console/dead-letters/discards?kind=undecodable&reason={LONG_REASON}"
PATHS = (
    *("/", "/console/orders", "/console/orders?status=OnHold", "/console/dead-letters", LETTER, DISCARDS),
    *("/console/payments", "/console/stock", "/console/sign-in", "/console/try-it"),
)

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
DIALOG_TOO_WIDE = """
(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.querySelector('dialog[open]'))
"""

REDRIVE_THAT_WAITS = """
INSERT INTO redrives
(id, kind, rate_per_s, staged, letters, actor, state, redriven, started_at, step_due_ms) VALUES
('00000000-0000-0000-0000-000000000009', 'malformed', 10, 1, 20, 'ada', 'running', 1,
'2026-11-20 10:00:00.000000', 0);
UPDATE dead_letters SET state = 'redriven', redrive_id = '00000000-0000-0000-0000-000000000009',
redriven_at = '2026-11-20 10:00:00.000000' WHERE "offset" = 2;
"""
"""Nothing becomes of its first letter, so it stays where it is."""


def test_axe_core_is_that_of_the_release() -> None:
    for line in (AXE.parent / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((AXE.parent / name).read_bytes()).hexdigest() == wanted


@pytest.mark.timeout(600)
def test_nothing_on_any_page_keeps_somebody_out(tmp_path: Path) -> None:
    program = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    settings = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "90000-90000"}
    settings["DATA_DIR"] = str(tmp_path / "data")
    role = Role(tmp_path, "up", environment={f"ORDERFLOW_{name}": value for name, value in settings.items()})
    try:
        url = role.url()
        with closing(sqlite3.connect(tmp_path / "data" / "fulfillment.db", timeout=30)) as database, database:
            database.execute(INSERT, letter_values(1))
            database.execute(INSERT, letter_values(2))
            database.execute(INSERT, letter_values(3))
            database.execute('UPDATE dead_letters SET reason = ? WHERE "offset" IN (1, 3)', (LONG_REASON,))
            database.executescript(REDRIVE_THAT_WAITS)
        asyncio.run(_look_everywhere(program, url, tmp_path / "data" / "fulfillment.db"))
    finally:
        role.end()


async def _look_everywhere(program: str, url: str, letters: Path) -> None:
    long_names = {"customer": {"customerId": "c" * 200, "name": "n" * 200}}
    long_names |= {"items": [{"productId": "p" * 200, "quantity": 1}]}
    placed = ask(f"{url}/api/orders", method="POST", body=order(1) | long_names).body
    page = f"/console/orders/{placed['orderId']}"
    with closing(sqlite3.connect(letters, timeout=30)) as database, database:
        database.execute(MESSAGE, (OF_ORDER, b"v" * 60_000, placed["orderId"]))
    visit(int(url.rsplit(":", 1)[1]), "/console/stock", {"productId": "p" * 200, "onHand": "3"})
    async with browsing(program) as browser:
        for look, size in LOOKS.items():
            await browser.look(**size, dark=look == "dark")
            for path in (*PATHS, LONG_DISCARDS, page, f"/console/dead-letters/{OF_ORDER}"):
                await browser.open(url + path)
                await browser.until("document.querySelector('h1')")
                assert (look, path, await browser.barriers()) == (look, path, [])
                assert (look, path, await browser.value(TOO_WIDE)) == (look, path, 0)
                for number in range(await browser.value("document.querySelectorAll('[data-opens]').length")):
                    await browser.value(f"document.querySelectorAll('[data-opens]')[{number}].click()")
                    assert (look, path, await browser.barriers()) == (look, path, [])
                    assert (look, path, await browser.value(DIALOG_TOO_WIDE)) == (look, path, 0)
                    await browser.value("document.querySelector('dialog[open]').close()")
        await _use_a_keyboard(browser, url + page)
        assert browser.errors == []
        await browser.open(f"{url}/console/orders/unknown")
        assert await browser.barriers() == []


async def _use_a_keyboard(browser: Browser, page: str) -> None:
    await browser.open(page)
    await browser.press("Tab")
    assert await browser.value("document.activeElement.textContent") == "Skip to the content"
    await browser.press("Enter")
    await browser.until("location.hash === '#content'")
    for _ in range(20):
        await browser.press("Tab")
        if await browser.value("document.activeElement.dataset.opens === 'dialog-cancel'"):
            break
    await browser.press("Enter")
    await browser.until("document.querySelector('dialog[open]')?.contains(document.activeElement)")
    await browser.press("Escape")
    await browser.until("!document.querySelector('dialog[open]')")
    assert await browser.value("document.activeElement.dataset.opens") == "dialog-cancel"
