"""Ids of the forms that RFC 9562 gives them."""

import os
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from orderflow.runtime.ids import new_uuid4, new_uuid7

moments = st.integers(0, 2**48 - 1)


@given(moments, moments)
def test_version_7_sorts_by_its_time(one: int, two: int) -> None:
    ids = [new_uuid7(one), new_uuid7(two)]
    assert [UUID(text).version for text in ids] == [7, 7]
    assert [UUID(text).variant for text in ids] == [RFC_4122, RFC_4122]
    assert [str(UUID(text)) for text in ids] == ids
    assert [UUID(text).int >> 80 for text in ids] == [one, two]


def test_version_4_is_random_where_it_may_be() -> None:
    ids = {new_uuid4() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {(UUID(text).version, UUID(text).variant, str(UUID(text)) == text) for text in ids} == {
        (4, RFC_4122, True)
    }
    differing = 0
    first, *others = (UUID(text).int for text in ids)
    for other in others:
        differing |= first ^ other
    assert differing.bit_count() == 122


def test_a_forked_process_never_makes_its_parents_ids() -> None:
    new_uuid4()  # so that randomness is drawn ahead when the fork happens
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_uuid4() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    childs = os.read(reading, 3_600).decode()
    os.close(reading)
    os.close(writing)
    assert len(childs) == 3_600
    assert not {childs[at : at + 36] for at in range(0, 3_600, 36)} & {new_uuid4() for _ in range(1_000)}
