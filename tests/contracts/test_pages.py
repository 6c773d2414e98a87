"""Cursors of every list: one that was given out leads on from there, and anything else is refused."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.contracts.pages import (
    TextPageQuery,
    decode_cursor,
    decode_text_cursor,
    encode_cursor,
    encode_text_cursor,
)


@given(st.uuids())
def test_a_cursor_leads_back_to_the_id_it_was_made_from(last: uuid.UUID) -> None:
    assert decode_cursor(encode_cursor(str(last))) == str(last)


@given(st.text())
def test_what_is_no_cursor_is_refused_and_never_taken_for_one(text: str) -> None:
    try:
        last = decode_cursor(text)
    except ValueError:
        return
    assert encode_cursor(last)[:21] == text[:21]


@pytest.mark.parametrize("text", ["", "x", "AAAA", "\0", "😀", "A" * 23, "A" * 65, "=" * 24])
def test_a_cursor_of_another_length_or_alphabet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor that this API gave out"):
        decode_cursor(text)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200)


@given(texts)
def test_a_cursor_of_a_text_leads_back_to_that_text_and_fits_into_a_query(last: str) -> None:
    cursor = encode_text_cursor(last)
    assert TextPageQuery(cursor=cursor).cursor == last
    assert cursor.isascii()


@pytest.mark.parametrize("text", ["", "x", "\0", "😀", "=" * 24, "_w", encode_text_cursor("a\0b")])
def test_what_is_no_cursor_of_a_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor that this API gave out"):
        decode_text_cursor(text)
