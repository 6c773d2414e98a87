"""Bodies that are made to break a parser or to cost much are refused soon, and the listener works on."""

import http.client
import time
from pathlib import Path

import pytest
from tests.web.conftest import LISTENERS, PATHS, listening

DEEP = 50_000
ORDER = '{"customer":{"customerId":"c","name":%s},"items":[{"productId":"p","quantity":%s}]}'
BOMBS = {
    "deep arrays": "[" * DEEP,
    "deep arrays that end": "[" * DEEP + "]" * DEEP,
    "deep objects": '{"a":' * DEEP,
    "an endless number": ORDER % ('"n"', "9" * 500_000),
    "an endless fraction": ORDER % ('"n"', "0." + "1" * 500_000),
    "an endless exponent": ORDER % ('"n"', "1e" + "9" * 5_000),
    "not a number": ORDER % ('"n"', "NaN"),
    "infinity": ORDER % ('"n"', "-Infinity"),
    "half a character": ORDER % ('"\\ud800"', "1"),
    "a NUL": ORDER % ('"\\u0000"', "1"),
    "bytes that are no UTF-8": "\udcff\udcfe",
    "many keys": "{" + ",".join(f'"k{n}":0' for n in range(60_000)) + "}",
    "the same key over and over": "{" + ",".join(['"customer":0'] * 60_000) + "}",
    "a long text": ORDER % ('"' + "n" * 900_000 + '"', "1"),
}


def post(port: int, path: str, text: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = text.encode("utf-8", "surrogateescape")
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", [name for name in LISTENERS if name != "relay"])
def test_a_body_that_is_a_bomb_is_refused_within_a_second(tmp_path: Path, name: str) -> None:
    with listening(name, tmp_path) as port:
        for bomb, text in BOMBS.items():
            began = time.thread_time()
            status, body = post(port, PATHS[name], text)
            assert status in (400, 413, 422), (bomb, status)
            assert time.thread_time() - began < 1
            assert len(body) < 20_000, bomb
            assert b"Traceback" not in body
        assert post(port, PATHS[name], "{}")[0] in (400, 422), "it works as before"
