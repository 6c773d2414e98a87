"""Drives a real Chromium over its DevTools protocol: pages, clicks, sizes, colours, and what went wrong."""

import asyncio
import base64
import json
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

AXE = Path(__file__).parent / "axe" / "axe.min.js"
"""axe-core 4.14.1 (npm, MPL 2.0), unchanged."""

START_S_MAX = 60.0
ANSWER_S_MAX = 60.0


class Browser:
    """One tab. `requests` are the addresses that it asked for; `errors` are its console's, exceptions and
    violations of the content security policy among them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.requests: list[str] = []
        self.errors: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            elif told["method"] == "Runtime.exceptionThrown":
                self.errors.append(str(told["params"]["exceptionDetails"]))
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.errors.append(str(told["params"]["entry"]))

    async def send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await asyncio.wait_for(answer, ANSWER_S_MAX)
        assert "error" not in told, told
        return told["result"]

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is, in the page."""
        told = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true; a page that is just being left counts as not yet."""
        deadline = time.monotonic() + ANSWER_S_MAX
        while time.monotonic() < deadline:
            told = await self.send("Runtime.evaluate", expression=f"!!({expression})", returnByValue=True)
            if told["result"].get("value") is True:
                return
            await asyncio.sleep(0.05)
        text = await self.value("document.body.innerText")
        raise AssertionError(f"not within {ANSWER_S_MAX:g} s: {expression}\n{text}")

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def text(self) -> str:
        return await self.value("document.body.innerText")

    async def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.send("Emulation.setEmulatedMedia", features=scheme)

    async def press(self, key: str) -> None:
        """A key that has a name: `Tab`, `Enter` or `Escape`."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            of_kind = text if kind == "keyDown" else {}
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **of_kind
            )

    async def barriers(self) -> list[str]:
        """What axe-core finds on the page: what would keep somebody from using it."""
        if not await self.value("'axe' in window"):
            await self.value(await asyncio.to_thread(AXE.read_text) + "; null")
        found = await self.value("axe.run().then((found) => found.violations)")
        return [
            f"{rule['id']}: {node['failureSummary']} {node['html']}"
            for rule in found
            for node in rule["nodes"]
        ]

    async def screenshot(self, file: Path) -> None:
        told = await self.send("Page.captureScreenshot", format="png")
        await asyncio.to_thread(file.write_bytes, base64.b64decode(told["data"]))


@asynccontextmanager
async def browsing(program: str) -> AsyncGenerator[Browser]:
    """A tab of a Chromium of its own, while the block runs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    (tab,) = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    browser = Browser(socket)
                    listening = asyncio.create_task(browser.listen())
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await browser.send(f"{domain}.enable")
                    yield browser
                await listening
        finally:
            process.terminate()
            await process.wait()


async def _port(file: Path) -> int:
    """The port that Chromium has chosen, once it has written it down."""
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if written := await asyncio.to_thread(_written, file):
            return int(written[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium does not start")


def _written(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
