"""Every process reports its health in the same form; what only its role has is added to it."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from orderflow.runtime.health import Degraded
from orderflow.web.health import HealthApi
from orderflow.web.problems import ProblemError

SINCE = datetime(2026, 2, 10, 9, 30, 0, 123456, tzinfo=UTC)


def ready(
    *,
    trouble: str | None = None,
    disabled: str | None = None,
    degraded: tuple[Degraded, ...] = (),
    details: Mapping[str, Any] | None = None,
) -> Any:
    async def database_trouble() -> str | None:
        return trouble

    health = HealthApi(
        database_trouble,
        disabled=lambda: disabled,
        degraded=lambda: degraded,
        details=lambda: details or {},
    )
    return json.loads(bytes(asyncio.run(health.ready()).body))


def test_a_process_without_trouble_is_ready_and_shows_what_its_role_adds() -> None:
    assert ready() == {"status": "ready", "degraded": []}
    assert ready(details={"inFlight": 3}) == {"status": "ready", "degraded": [], "inFlight": 3}


def test_a_part_that_is_down_is_named_with_its_reason_and_the_time_in_utc() -> None:
    assert ready(degraded=(Degraded("event-log", "no broker answers", SINCE),)) == {
        "status": "degraded",
        "degraded": [
            {"part": "event-log", "reason": "no broker answers", "since": "2026-02-10T09:30:00.123Z"}
        ],
    }


@pytest.mark.parametrize(
    ("trouble", "disabled", "words"), [("read-only", None, "read-only"), (None, "a loop died", "a loop died")]
)
def test_a_process_that_cannot_do_its_job_is_503_and_says_why(
    trouble: str | None, disabled: str | None, words: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        ready(trouble=trouble, disabled=disabled)
    assert (caught.value.status, caught.value.kind) == (503, "not-ready")
    assert words in caught.value.detail
    assert caught.value.headers["Retry-After"] == "2"
