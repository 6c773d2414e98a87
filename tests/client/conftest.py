"""A real Order Service, and a proxy in front of it that loses answers or refuses requests."""

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.orders.conftest import Service

from orderflow.client import AsyncClient, Client, Retries

QUICK = Retries(pause_s_min=0.0, pause_s_max=0.0)


class Proxy:
    """Passes requests on to a port. The next `lost` answers never reach the client; the next `refusals` are
    answered without the service: (status, headers, problem)."""

    def __init__(self, port: int) -> None:
        self.lost = 0
        self.refusals: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of every request."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                proxy.seen.append((self.command, self.path, headers))
                if proxy.refusals:
                    self._answer(*proxy.refusals.pop(0))
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if proxy.lost:
                    proxy.lost -= 1
                    self.close_connection = True
                    return
                given = {"Content-Type": answer.headers["Content-Type"]}
                self._answer(answer.status, given, content)

            do_GET = do_POST = _pass_on

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...  # its name there

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(f"sqlite:///{tmp_path_factory.mktemp('orders') / 'orders.db'}")
    yield running
    running.close()


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    running = Proxy(service.port)
    yield running
    running.close()


Do = Callable[..., Any]


@pytest.fixture(params=["in a thread", "in a task"])
def do(request: pytest.FixtureRequest, proxy: Proxy) -> Do:
    """`do(operation, *arguments, retries=…)`: its result, of either client; an iterator's items as a list."""

    def in_thread(operation: str, *arguments: Any, retries: Retries = QUICK, **named: Any) -> Any:
        with Client(proxy.url, api_key="k-1", retries=retries) as client:
            found = getattr(client, operation)(*arguments, **named)
            return list(found) if operation == "list_orders" else found

    def in_task(operation: str, *arguments: Any, retries: Retries = QUICK, **named: Any) -> Any:
        async def within() -> Any:
            async with AsyncClient(proxy.url, api_key="k-1", retries=retries) as client:
                found = getattr(client, operation)(*arguments, **named)
                return [each async for each in found] if operation == "list_orders" else await found

        return asyncio.run(within())

    return in_thread if request.param == "in a thread" else in_task


def problem(status: int, kind: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A refusal for a proxy."""
    body = json.dumps(
        {"type": f"urn:orderflow:problem:{kind}", "title": "T", "detail": "D", "status": status}
    )
    given = {"Content-Type": "application/problem+json"} | headers
    return status, given, body.encode()
