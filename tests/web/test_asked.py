"""If a request asks, besides its body, for something that no listener does, every listener refuses it."""

import pytest
from tests.web.conftest import PATHS, SIMULATORS, converse

WRITES = [
    ("orders", "POST", "/api/orders/batch"),
    ("fulfillment", "POST", "/api/fulfillment/dead-letters/redrive"),
    ("fulfillment", "POST", "/api/fulfillment/dead-letters/x/redrive"),
    ("fulfillment", "POST", "/api/fulfillment/dead-letters/x/discard"),
    ("fulfillment", "POST", "/api/fulfillment/dead-letters/redrives/x/stop"),
    ("carrier-sim", "DELETE", "/v1/shipments/x"),
    ("carrier-sim", "PUT", "/v1/faults"),
    ("carrier-sim", "PUT", "/v1/key-lifetime"),
    ("payment-sim", "POST", "/v1/authorizations/x/capture"),
    ("payment-sim", "POST", "/v1/authorizations/x/void"),
    ("payment-sim", "POST", "/v1/authorizations/x/refund"),
    ("payment-sim", "PUT", "/v1/faults"),
]
READS = [
    ("orders", "GET", "/api/orders"),
    ("fulfillment", "GET", "/api/fulfillment/shipments"),
    ("fulfillment", "GET", "/api/fulfillment/shipments/x"),
    ("fulfillment", "GET", "/api/fulfillment/dead-letters"),
    ("fulfillment", "GET", "/api/fulfillment/dead-letters/x"),
    ("fulfillment", "GET", "/api/fulfillment/dead-letters/groups"),
    ("fulfillment", "GET", "/api/fulfillment/dead-letters/redrives"),
    ("carrier-sim", "GET", "/v1/shipments?reference=a"),
    ("carrier-sim", "GET", "/v1/ledger"),
    ("carrier-sim", "GET", "/v1/faults"),
    ("carrier-sim", "GET", "/health/live"),
    ("payment-sim", "GET", "/v1/authorizations?reference=a"),
    ("payment-sim", "GET", "/v1/ledger"),
    ("fulfillment", "GET", "/health/ready"),
    ("relay", "GET", "/health/ready"),
]
CONDITIONS = [b'If-Match: "1"', b"Idempotency-Key: k"]


def asked(listener: tuple[str, int], method: str, target: str, *lines: bytes) -> list[int | str]:
    head = [f"{method} {target} HTTP/1.1".encode(), b"Host: x", b"Connection: close", *lines]
    return converse(listener[1], b"\r\n".join([*head, b"Content-Length: 0", b"", b""]))[:1]


def refusals(listener: tuple[str, int]) -> list[int | str]:
    # 422 from a carrier means that the order is rejected.
    return [400] if listener[0] in SIMULATORS else [422]


@pytest.mark.parametrize(("name", "method", "path"), WRITES + READS)
def test_what_is_not_done_is_refused(listener: tuple[str, int], name: str, method: str, path: str) -> None:
    if PATHS[name] != listener[0]:
        return
    conditions = CONDITIONS if method == "GET" else [*CONDITIONS, b"If-None-Match: *"]
    marked = f"{path}{'&' if '?' in path else '?'}unheardOf=1"
    assert asked(listener, method, marked) == refusals(listener)
    for line in conditions:
        assert asked(listener, method, path, line) == refusals(listener)


def test_a_simulator_is_asked_by_one_key_and_nothing_else(listener: tuple[str, int]) -> None:
    path = listener[0]
    if path not in SIMULATORS:
        return
    key = b"Idempotency-Key: a"
    for target, lines in (
        (path, [key, b"Idempotency-Key: b"]),
        (path, [b"Idempotency-Key: \xff"]),
        (path, []),
        (path, [key, b'If-Match: "1"']),
        (f"{path}?x=1", [key]),
    ):
        assert asked(listener, "POST", target, *lines) == [400]
    for target in (path, f"{path}?reference=", f"{path}?reference=a&reference=b"):
        assert asked(listener, "GET", target) == [400]
