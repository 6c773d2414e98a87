"""Whoever runs us is told before our certificate expires."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.authority import Authority, Identity

from orderflow.runtime.health import Health
from orderflow.runtime.tls import CertificateKeeper, ServerTls, expires_soon


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def keeper(identity: Identity, clock: Clock) -> CertificateKeeper:
    return CertificateKeeper(ServerTls(identity.cert, identity.key), health=Health(), clock=clock)


def warnings(keeper: CertificateKeeper, looks: int = 1) -> list[Any]:
    """The days that are left, of each warning while the keeper looks."""
    with capture_logs() as lines:
        for _ in range(looks):
            keeper.run_once()
    return [line["days_left"] for line in lines if line["event"] == "tls.expires_soon"]


def renew(identity: Identity, other: Identity) -> None:
    identity.cert.write_bytes(other.cert.read_bytes())
    identity.key.write_bytes(other.key.read_bytes())


@pytest.mark.parametrize(("days_left", "said"), [(0, [0]), (29, [29]), (30, []), (400, [])])
def test_the_log_says_at_start_that_the_certificate_expires_within_thirty_days(
    days_left: int, said: list[int], authority: Authority
) -> None:
    assert warnings(keeper(authority.issue(days_left=days_left), Clock())) == said


def test_it_says_so_of_one_that_has_expired(authority: Authority) -> None:
    assert warnings(keeper(authority.issue(expired=True), Clock())) == [-1]


def test_it_says_so_once_a_day_and_not_at_every_look(authority: Authority) -> None:
    clock = Clock()
    kept = keeper(authority.issue(days_left=20), clock)
    assert warnings(kept, looks=5) == [20]
    clock.now += timedelta(hours=23)
    assert warnings(kept) == []
    clock.now += timedelta(hours=1)
    assert warnings(kept) == [19]


def test_a_certificate_that_comes_near_its_end_while_we_run_is_noticed(authority: Authority) -> None:
    clock = Clock()
    kept = keeper(authority.issue(days_left=32), clock)
    assert warnings(kept) == []
    clock.now += timedelta(days=3)
    assert warnings(kept) == [29]


def test_a_renewed_certificate_is_looked_at_when_it_is_taken_up(authority: Authority) -> None:
    identity = authority.issue(days_left=20)
    kept = keeper(identity, Clock())
    assert warnings(kept) == [20]
    renew(identity, authority.issue(days_left=10))
    assert warnings(kept, looks=3) == [10]
    renew(identity, authority.issue(days_left=300))
    assert warnings(kept, looks=3) == []


def test_what_is_between_us_and_the_authority_counts_too(authority: Authority, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    own, between = authority.issue(days_left=300), authority.issue(days_left=12)
    chain.write_bytes(own.key.read_bytes() + own.cert.read_bytes() + between.cert.read_bytes())
    until = expires_soon(chain, datetime.now(UTC))
    assert until is not None
    assert (until - datetime.now(UTC)).days == 12


def test_a_file_that_cannot_be_read_any_more_is_no_reason_to_stop(authority: Authority) -> None:
    identity = authority.issue()
    kept = keeper(identity, Clock())
    identity.cert.unlink()
    assert warnings(kept, looks=2) == []
