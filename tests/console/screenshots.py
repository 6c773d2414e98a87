"""Takes pictures of every page of the console while orders flow: `make screenshots SECONDS=5`, after so many
seconds of it."""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.console.browser import Browser, browsing
from tests.console.conftest import ask as visit
from tests.console.test_letters import INSERT, letter_values
from tests.journeys.processes import Role, ask, eventually, order

FOLDER = Path("build/screenshots")
LOOKS: dict[str, dict[str, int]] = {"light": {}, "dark": {}, "narrow": {"width": 375, "height": 800}}


def main() -> int:
    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("there is no Chromium: sudo apt-get install chromium\n")
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        settings = {"ORDERFLOW_PORT": "0", "ORDERFLOW_FULFILLMENT_PORT": "0", "ORDERFLOW_DATA_DIR": str(data)}
        role = Role(Path(directory), "up", environment=settings)
        try:
            url = role.url()
            with closing(sqlite3.connect(data / "fulfillment.db", timeout=30)) as database, database:
                database.executemany(INSERT, map(letter_values, range(1, 13)))
            asyncio.run(_take(program, url, float(sys.argv[1])))
        finally:
            role.end()
    return 0


async def _take(program: str, url: str, flows_s: float) -> None:
    port = int(url.rsplit(":", 1)[1])
    visit(port, "/console/try-it", {"action": "send", "rate": "8", "seconds": "600"})
    await asyncio.sleep(flows_s)
    batch = {"orders": [order(number, items=number % 4 + 1) for number in range(60)]}
    placed = ask(f"{url}/api/orders/batch", method="POST", body=batch).body["results"]
    first = f"{url}/api/orders/{placed[0]['order']['orderId']}"
    eventually(lambda: ask(first).body["status"] in ("Shipped", "Failed"), "the first order ends")
    ask(f"{url}/api/orders/batch", method="POST", body=batch)
    pages = {"flow": "/", "orders": "/console/orders", "dead-letters": "/console/dead-letters"}
    pages |= {"payments": "/console/payments", "stock": "/console/stock", "try-it": "/console/try-it"}
    pages |= {"order": f"/console/orders/{first.rsplit('/', 1)[1]}"}
    async with browsing(program) as browser:
        for look, size in LOOKS.items():
            await browser.look(**size, dark=look == "dark")
            for name, path in pages.items():
                await _picture(browser, url + path, FOLDER / f"{name}-{look}.png")
            await _dialog(browser, url + pages["dead-letters"], FOLDER / f"redrive-{look}.png")


async def _picture(browser: Browser, url: str, file: Path) -> None:
    await browser.open(url)
    await browser.until("document.querySelector('h1')")
    await browser.screenshot(file)


async def _dialog(browser: Browser, url: str, file: Path) -> None:
    await browser.open(url)
    await browser.value("document.querySelector('[data-opens]').click()")
    await browser.screenshot(file)


if __name__ == "__main__":
    sys.exit(main())
