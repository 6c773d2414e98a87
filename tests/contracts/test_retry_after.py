"""What a server asks for with `Retry-After` is kept within the caller's bound, and garbage is ignored."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.contracts.retry_after import retry_after_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("61", 60.0),
        ("9" * 5_000, 60.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Friday, 02-Jan-26 03:04:35 GMT", 30.0),
        ("Fri Jan  2 03:04:35 2026", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2099 03:00:00 GMT", 60.0),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 99 Jan 2026 03:04:35 GMT", None),
    ],
)
def test_seconds_and_all_forms_of_an_http_date_are_read(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, now=NOW, seconds_max=60.0) == wait_s


@given(st.text())
def test_no_text_whatever_leads_out_of_the_bound(header: str) -> None:
    wait_s = retry_after_s(header, now=NOW, seconds_max=60.0)
    assert wait_s is None or 0.0 <= wait_s <= 60.0
