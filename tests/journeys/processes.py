"""Real `orderflow` processes for the journeys: started, asked over HTTP, killed."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

READY_S_MAX = 60.0


@dataclass(slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


def ask(
    url: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
    trusted: ssl.SSLContext | None = None,
) -> Answer:
    """Send one HTTP request; bytes are sent unchanged, anything else as JSON. By HTTPS it needs whom to
    trust."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own address
        url, data=data, method=method, headers={"content-type": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=70, context=trusted) as response:  # noqa: S310
            return _answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers, error.read())


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    is_json = "json" in headers.get("content-type", "")
    found = (json.loads(body) if is_json else body.decode()) if body else None
    return Answer(status, {k.lower(): v for k, v in headers.items()}, found)


def eventually(condition: Callable[[], bool], what: str, seconds_max: float = 60.0) -> None:
    """Wait for a condition; a refused connection counts as not yet."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds_max:g} s: {what}")


class Role:
    """One `orderflow` process with its output in a file. `environment` holds ORDERFLOW_ settings;
    `program` is what runs instead of the checkout's own."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        environment: Mapping[str, str],
        program: Sequence[str] = (sys.executable, "-m", "orderflow"),
    ) -> None:
        self.log_file = directory / f"{arguments[0]}-{time.monotonic_ns()}.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ORDERFLOW_")}
        with self.log_file.open("wb") as output:
            self.process = subprocess.Popen(
                [*program, *arguments],
                env={**inherited, "ORDERFLOW_LOG_FORMAT": "json", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=directory,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log_file.read_text()

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def url(self) -> str:
        """The address the role announced, once it answers."""
        found: list[str] = []

        def announced() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.output}")
            found[:] = re.findall(r"http://127\.0\.0\.1:\d+", self.output)
            return bool(found) and ask(found[0] + "/health/ready").status == 200

        eventually(announced, "the role answers", READY_S_MAX)
        return found[0]

    def kill(self) -> None:
        """Send SIGKILL to the role and its worker processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code, which must come within the 15 s that draining may take."""
        self.process.terminate()
        return self.process.wait(timeout=15)

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()


StartRole = Callable[..., Role]


def order(number: int, *, items: int = 1) -> dict[str, Any]:
    return {
        "customer": {"customerId": f"customer-{number}", "name": f"Secret Name {number}"},
        "items": [{"productId": f"product-{i}", "quantity": i + 1} for i in range(items)],
    }


def all_orders(url: str) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = ask(f"{url}/api/orders?limit=200{cursor}").body
        orders.extend(page["items"])
        if page["nextCursor"] is None:
            return orders
        cursor = f"&cursor={page['nextCursor']}"
