"""Rate limits: each caller and each address may send so many requests, and no more, over all processes."""

import http.client
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.web.conftest import listening

from orderflow.contracts.scopes import EVERY_SCOPE
from orderflow.security.rate_limits import RateLimits
from orderflow.settings.rates import Rate, parse_rates
from orderflow.web.front_door import NOBODY, Principal

ADA = Principal("ada", EVERY_SCOPE)
BOB = Principal("bob", EVERY_SCOPE)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(text: str, clock: Callable[[], float], **options: Any) -> RateLimits:
    return RateLimits(parse_rates(text), monotonic=clock, **options)


def passed(limit: RateLimits, count: int, principal: Principal = ADA, address: str = "10.0.0.1") -> int:
    """How many of so many requests pass."""
    return sum(limit.wait_s(principal, address, {}) == 0 for _ in range(count))


def test_a_caller_may_send_the_count_at_once_and_then_as_fast_as_the_rate() -> None:
    clock = Clock()
    limit = limits("10/s per key", clock)
    assert passed(limit, 20) == 10
    assert limit.wait_s(ADA, "", {}) == pytest.approx(0.1)
    clock.now += 0.35
    assert passed(limit, 20) == 3
    clock.now += 60
    assert passed(limit, 20) == 10


def test_callers_and_addresses_have_buckets_of_their_own() -> None:
    limit = limits("5/m per key, 8/m per address", Clock())
    assert passed(limit, 9, ADA, "10.0.0.1") == 5
    assert passed(limit, 9, BOB, "10.0.0.1") == 0, "the address is used up"
    assert passed(limit, 9, BOB, "10.0.0.2") == 5
    assert passed(limit, 9, NOBODY, "10.0.0.3") == 8, "who is not known has an address"


def test_a_name_is_no_address() -> None:
    limit = limits("1/m per key, 1/m per address", Clock())
    assert passed(limit, 2, Principal("10.0.0.9", EVERY_SCOPE), "10.0.0.1") == 1
    assert passed(limit, 2, NOBODY, "10.0.0.9") == 1


def test_a_network_of_ipv6_is_one_address() -> None:
    limit = limits("3/m per address", Clock())
    assert sum(passed(limit, 1, NOBODY, f"2001:db8::{n:x}") for n in range(10)) == 3
    assert passed(limit, 9, NOBODY, "2001:db8:0:1::1") == 3
    assert passed(limit, 2, NOBODY, "::ffff:10.0.0.1") == 2
    assert passed(limit, 2, NOBODY, "10.0.0.1") == 1, "the same machine, by the other protocol"


def test_only_our_own_proxy_says_who_has_sent_a_request() -> None:
    forged = {b"x-forwarded-for": b"1.2.3.4, 10.9.9.9"}
    direct, proxied = (limits("2/m per address", Clock(), behind_proxy=on) for on in (False, True))
    assert direct.wait_s(NOBODY, "10.0.0.1", forged) == 0
    assert passed(direct, 3, NOBODY, "10.0.0.1") == 1
    for first in range(5):
        proxied.wait_s(NOBODY, "10.0.0.1", {b"x-forwarded-for": b"1.2.3.%d, 10.9.9.9" % first})
    assert proxied.wait_s(NOBODY, "10.0.0.1", forged) > 0, "what a client writes in front does not count"
    assert passed(proxied, 3, NOBODY, "10.0.0.1") == 2


def test_processes_that_are_forked_share_the_buckets() -> None:
    limit = limits("1000/h per key", Clock())
    reader, writer = os.pipe()
    children: list[int] = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            count = 0
            for _ in range(600):
                count += passed(limit, 1)
                time.sleep(0.0002)  # whoever has just slept is not interrupted between a look and its write
            os.write(writer, b"%d\n" % count)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as told:
        total = sum(map(int, told))
    assert 1000 <= total <= 1050


def test_too_many_strangers_cost_no_memory_and_refuse_nobody_else() -> None:
    limit = limits("2/h per address", Clock(), sets=1)
    assert sum(passed(limit, 1, NOBODY, f"10.0.{n}.1") for n in range(100)) == 100


def asked(port: int, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("retry-after"), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["orders", "orders, the usual way", "fulfillment"])
def test_a_limit_is_answered_with_429_but_never_to_whoever_watches(tmp_path: Path, name: str) -> None:
    limit = RateLimits({"address": Rate(3, 3_600)})
    with listening(name, tmp_path, limits_of_rate=limit) as port:
        answers = [asked(port, "/api/audit") for _ in range(5)]
        assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
        _, retry_after, body = answers[-1]
        assert int(retry_after or "0") in range(1, 1_201)
        assert json.loads(body)["type"] == "urn:orderflow:problem:rate-limited"
        assert [asked(port, f"/health/{kind}")[0] for kind in ("live", "ready")] == [200, 200]


@pytest.mark.parametrize(
    "wrong",
    ["10", "10/s", "10/s per cat", "0/s per key", "1.5/s per key", "1/s per key, 2/m per key", "1/d per key"],
)
def test_a_rate_that_says_too_little_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        parse_rates(wrong)


def test_rates_are_read() -> None:
    assert parse_rates("") == {}
    assert parse_rates("1000/s per key, 60/m per address") == {
        "key": Rate(1000, 1.0),
        "address": Rate(60, 60.0),
    }
