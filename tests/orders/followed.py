"""A client of `GET /api/orders/stream`, as a browser's EventSource is one."""

import http.client
import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.orders.conftest import WAIT_S_MAX

STREAM = "/api/orders/stream"


class Event(NamedTuple):
    """A block of the stream. A heartbeat has neither name nor data."""

    id: int
    name: str | None = None
    data: Any = None


class Followed:
    """An open stream; `last_id` is what its client would resume with."""

    def __init__(
        self,
        port: int,
        query: str = "",
        *,
        after: object = None,
        headers: Mapping[str, str] | None = None,
        receive_bytes: int | None = None,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S_MAX)
        if receive_bytes is not None:
            self._connection.sock = socket.socket()
            self._connection.sock.settimeout(WAIT_S_MAX)
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self._connection.sock.connect(("127.0.0.1", port))
        sent = {**(headers or {})} | ({} if after is None else {"Last-Event-ID": str(after)})
        self._connection.request("GET", STREAM + query, headers=sent)
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.last_id: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.answer.close()
        self._connection.close()

    def read(self) -> Event | None:
        """The next block, or None at the end of the stream. Raises OSError or HTTPException if it breaks
        off."""
        fields: dict[str, str] = {}
        while line := self.answer.readline():
            if line == b"\n":
                self.last_id = int(fields["id"])
                data = json.loads(fields["data"]) if "data" in fields else None
                return Event(self.last_id, fields.get("event"), data)
            name, _, value = line.decode().rstrip("\n").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
        return None

    def heartbeat(self) -> Event:
        while (event := self.read()) is not None and event.name is not None:
            pass
        assert event is not None, "the stream has ended"
        return event

    def events(self, count: int) -> list[Event]:
        """The next so many events."""
        found: list[Event] = []
        while len(found) < count:
            event = self.read()
            assert event is not None, f"the stream has ended after {len(found)} events"
            found += [event] if event.name is not None else []
        return found

    def orders(self, count: int) -> list[tuple[int, str, int]]:
        """The next so many changes: position, order id and version of each."""
        events = self.events(count)
        assert {event.name for event in events} == {"order"}
        assert [event.data["position"] for event in events] == [event.id for event in events]
        return [(event.id, event.data["orderId"], event.data["version"]) for event in events]

    def until(self, position: int) -> list[Event]:
        """All events up to this position, which a heartbeat says is in the past."""
        found: list[Event] = []
        while True:
            event = self.read()
            assert event is not None, "the stream has ended"
            if event.name is None and event.id >= position:
                return found
            found += [event] if event.name is not None else []

    def rest(self) -> list[Event]:
        """What comes until the stream ends."""
        found: list[Event] = []
        while (event := self.read()) is not None:
            found += [event] if event.name is not None else []
        return found
