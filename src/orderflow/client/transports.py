"""The two ways to carry out a call: in the calling thread by `http.client`, or in a task by aiohttp."""

import asyncio
import http.client
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from orderflow.client.calls import CONNECT_TIMEOUT_S, Call, Reply, document
from orderflow.client.errors import AnswerLost, NotSent

Tls = ssl.SSLContext | Callable[[], ssl.SSLContext | None] | None
"""How to trust an address with https. A function is asked again for each connection, so renewed files can be
taken up; None trusts the system's authorities."""

IDLE_MAX = 8
"""Connections of a client that are kept open while nobody uses them."""


class ThreadTransport:
    """Connections to one address. Calls may come from several threads."""

    def __init__(self, url: str, headers: dict[str, str], tls: Tls) -> None:
        """Raises ValueError for an address that cannot be called."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address that can be called")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._headers = headers
        self._tls = tls
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=IDLE_MAX)

    def send(self, call: Call) -> Reply:
        """Raises NotSent and AnswerLost. An answer may take `timeout_s` for each part of it."""
        if call.after_s:
            time.sleep(call.after_s)
        connection = self._connected()
        try:
            connection.sock.settimeout(call.timeout_s)
            headers = {name: text.encode() for name, text in {**self._headers, **call.headers}.items()}
            connection.request(call.method, self._prefix + call.target, call.body, headers)
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.read(), answer.headers.get("Retry-After"))
        except TimeoutError as error:
            connection.close()
            raise AnswerLost(f"{self._host} did not answer within {call.timeout_s:g} s") from error
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise AnswerLost(f"{self._host} broke off the connection: {error}") from error
        if answer.will_close or len(self._idle) == IDLE_MAX:
            connection.close()
        else:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connected(self) -> http.client.HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if self._secure:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=CONNECT_TIMEOUT_S, context=_context(self._tls)
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            raise NotSent(f"{self._host} cannot be reached: {error}") from error
        return connection


class TaskTransport:
    """Connections to one address, within one event loop. It must be made in that loop."""

    def __init__(self, url: str, headers: dict[str, str], tls: Tls) -> None:
        self._url = url.rstrip("/")
        self._headers = headers
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, call: Call) -> Reply:
        """Raises NotSent and AnswerLost, and ValueError for an address that cannot be called."""
        if call.after_s:
            await asyncio.sleep(call.after_s)
        async with self._answer(call, total_s=call.timeout_s) as answer:
            return Reply(answer.status, await answer.read(), answer.headers.get("Retry-After"))

    async def lines(self, call: Call) -> AsyncGenerator[bytes]:
        """The lines of an answer that goes on, with their ends. `timeout_s` bounds the time until the next
        one. Raises as `send`, and Problem and NotOrderflow for another answer."""
        async with self._answer(call, silent_s=call.timeout_s) as answer:
            if answer.status >= 300:
                document(call, Reply(answer.status, await answer.read(), answer.headers.get("Retry-After")))
            async for line in answer.content:
                yield line

    @asynccontextmanager
    async def _answer(
        self, call: Call, *, total_s: float | None = None, silent_s: float | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        try:
            async with self._session.request(
                call.method,
                URL(self._url + call.target, encoded=True),
                data=call.body,
                headers=call.headers,
                timeout=aiohttp.ClientTimeout(total=total_s, connect=CONNECT_TIMEOUT_S, sock_read=silent_s),
                allow_redirects=False,
                ssl=_context(self._tls) or True,
            ) as answer:
                yield answer
        except aiohttp.InvalidURL as error:
            raise ValueError(f"{self._url!r} is no address that can be called") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"{self._url} cannot be reached: {error}") from error
        except TimeoutError as error:
            raise AnswerLost(f"{self._url} did not answer within {call.timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(f"{self._url} broke off the connection: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _context(tls: Tls) -> ssl.SSLContext | None:
    return tls() if callable(tls) else tls
