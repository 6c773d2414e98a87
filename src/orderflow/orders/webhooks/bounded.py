"""Connections that are left when the other side sends too much: an answer's beginning may be repeated without
an end (RFC 9110, 15.2), and each of its parts costs us time and memory."""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

ANSWER_BYTES_MAX = 64 * 1024
"""Of an answer; its body is not read."""


class _Bounded(ResponseHandler):
    _received = 0

    def set_response_params(self, **parameters: Any) -> None:
        self._received = 0  # an answer begins
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        room = max(0, ANSWER_BYTES_MAX - self._received)
        self._received += len(data)
        if room:
            super().data_received(data[:room])
        if len(data) > room and self.transport is not None:
            self.transport.abort()


def bounded(connector: aiohttp.TCPConnector) -> aiohttp.TCPConnector:
    """The connector, whose connections are bounded from now on."""
    made: partial[ResponseHandler] = partial(_Bounded, loop=asyncio.get_running_loop())
    connector._factory = made  # pyright: ignore[reportPrivateUsage]
    return connector
