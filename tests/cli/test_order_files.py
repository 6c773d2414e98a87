"""Files of orders: every usual form is read completely, and a broken file is reported before anything is
sent."""

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

from orderflow.cli import json_array
from orderflow.cli.order_lines import (
    BATCH_BYTES_MAX,
    BATCH_ORDERS_MAX,
    LINE_BYTES_MAX,
    Line,
    OrderFile,
    OrderLine,
    UnreadableLine,
)
from orderflow.contracts.orders_api import BatchOrderIn

SAMPLE = Path(__file__).parents[2] / "examples" / "orders-sample.ndjson"
ORDER = '{"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":1}]}'

ORDERS = [
    {
        "customer": {"customerId": f"c-{n}", "name": 'Ada "[{,}]" \\'},
        "items": [{"productId": "p", "quantity": 1}],
    }
    for n in range(5)
]
LINES = [json.dumps(order).encode() for order in ORDERS]


def read(path: Path) -> list[Line]:
    file = OrderFile(path)
    try:
        found = file.look_through()
        lines = [line for batch in file.batches() for line in batch]
        assert found.failure == file.failure
        assert found.readable == sum(isinstance(line, OrderLine) for line in lines)
        assert found.unreadable == len(lines) - found.readable
        return lines
    finally:
        file.close()


def orders_of(path: Path, content: bytes) -> list[object]:
    path.write_bytes(content)
    lines = read(path)
    assert all(isinstance(line, OrderLine) for line in lines), lines
    orders = [BatchOrderIn.model_validate_json(line.entry) for line in lines if isinstance(line, OrderLine)]
    return [order.model_dump(exclude={"idempotency_key"}, exclude_none=True) for order in orders]


WHOLE = json.dumps(ORDERS)
FORMS = {
    "one a line": b"\n".join(LINES),
    "with carriage returns": b"\r\n".join(LINES) + b"\r\n",
    "with a byte order mark": b"\xef\xbb\xbf" + b"\n".join(LINES),
    "files with byte order marks joined": b"\n".join(b"\xef\xbb\xbf" + line for line in LINES),
    "an array on one line": WHOLE.encode(),
    "an array, an order a line": b"[\n" + b",\n".join(LINES) + b"\n]\n",
    "a pretty array": json.dumps(ORDERS, indent=4).encode(),
    "a pretty array with a byte order mark": b"\xef\xbb\xbf \n" + json.dumps(ORDERS, indent=1).encode(),
    "a compressed array": gzip.compress(WHOLE.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_orders(tmp_path: Path, form: str) -> None:
    wanted = orders_of(tmp_path / "plain", FORMS["one a line"])
    assert len(wanted) == 5
    assert orders_of(tmp_path / "other", FORMS[form]) == wanted


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64])
def test_where_chunks_end_does_not_matter(tmp_path: Path, chunk_bytes: int) -> None:
    (tmp_path / "f").write_bytes(FORMS["a pretty array"])
    with (tmp_path / "f").open("rb") as stream:
        stream.read(1)
        texts = list(json_array.elements(stream, bytes_max=LINE_BYTES_MAX, chunk_bytes=chunk_bytes))
    assert [json.loads(text) for text in texts] == ORDERS


@pytest.mark.parametrize(
    ("content", "numbers"), [(b"[]", []), (b" [ ] \n", []), (b"[1,{}]", [1]), (b"[{},]", [2])]
)
def test_an_array_is_taken_at_its_word(tmp_path: Path, content: bytes, numbers: list[int]) -> None:
    (tmp_path / "f").write_bytes(content)
    assert [line.number for line in read(tmp_path / "f") if isinstance(line, UnreadableLine)] == numbers


@pytest.mark.parametrize(
    "content",
    [
        WHOLE.encode()[:-1],
        WHOLE.encode()[: len(WHOLE) // 2],
        WHOLE.encode() + b" 1",
        WHOLE.encode() * 2,
        b'[{"a":"' + b"x" * (2 * LINE_BYTES_MAX) + b'"}]',
        gzip.compress(WHOLE.encode())[:-20],
    ],
    ids=["no end", "half", "more", "twice", "too long", "cut archive"],
)
def test_a_file_that_is_broken_is_told_before_anything_is_sent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    file = OrderFile(tmp_path / "f")
    assert file.look_through().failure
    assert file.failure is None
    file.close()


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for content in (FORMS["one a line"], FORMS["a compressed array"]):
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        lines = read(pipe)
        writer.join()
        assert [line.number for line in lines] == [1, 2, 3, 4, 5]
        assert all(isinstance(line, OrderLine) for line in lines)


def test_a_key_says_what_it_is(tmp_path: Path) -> None:
    name = "orders \u0436\x07" + "x" * 200
    (tmp_path / name).write_bytes(LINES[0] + b"\n" + LINES[0])
    first, second = (line for line in read(tmp_path / name) if isinstance(line, OrderLine))
    keys = [BatchOrderIn.model_validate_json(line.entry).idempotency_key or "" for line in (first, second)]
    start, shown, digest, times = keys[0].split(":")
    assert (start, len(digest), times) == ("import", 32, "1")
    assert shown == ("orders \u0436_" + "x" * 200)[:100]
    assert keys[1] == keys[0][:-1] + "2"


def lines_of(path: Path, content: bytes) -> list[OrderLine | UnreadableLine]:
    path.write_bytes(content)
    orders = OrderFile(path)
    try:
        return [line for batch in orders.batches() for line in batch]
    finally:
        orders.close()


def keys_of(path: Path, content: bytes) -> list[str | None]:
    entries = [line.entry for line in lines_of(path, content) if isinstance(line, OrderLine)]
    return [BatchOrderIn.model_validate_json(entry).idempotency_key for entry in entries]


def test_a_line_with_a_key_is_sent_byte_for_byte(tmp_path: Path) -> None:
    text = b'{ "idempotencyKey":"k", "customer":{"customerId":"\\u00e9 \xc3\xa9"}}'
    (line,) = lines_of(tmp_path / "f", b"\xef\xbb\xbf" + text + b"\r\n\n")
    assert isinstance(line, OrderLine)
    assert line.entry == text


def test_lines_without_a_key_get_one_by_content_so_that_a_repeat_is_the_same_order(tmp_path: Path) -> None:
    order = ORDER.encode()
    null = order[:-1] + b',"idempotencyKey":null}'
    spaced = json.dumps(dict(reversed(json.loads(ORDER).items()))).encode()
    other = order.replace(b"p-1", b"p-2")
    keys = keys_of(tmp_path / "f", b"\n".join((order, order, other, null, spaced)))
    assert len({*keys, None}) == 6
    assert not set(keys) & set(keys_of(tmp_path / "tomorrow", order)), "another file, another order"
    assert keys_of(tmp_path / "f", b"\n".join((other, b"not json", spaced, order, order, null))) == [
        keys[2],
        *(keys[0], keys[1], keys[3], keys[4]),
    ]


def test_unreadable_lines_are_set_aside_and_the_next_one_is_read(tmp_path: Path) -> None:
    unreadable = [
        b"nope",
        b"[1]",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"[" * 300,
        b'{"a":' + b"9" * 5000 + b"}",
    ]
    too_long = b'{"a":"' + b"x" * 2 * LINE_BYTES_MAX + b'"}'
    lines = lines_of(tmp_path / "f", b"\n".join([*unreadable, too_long, ORDER.encode()]))
    assert [type(line) for line in lines] == [UnreadableLine] * 8 + [OrderLine]
    assert [line.number for line in lines] == list(range(1, 10))
    assert [line.text for line in lines[:8]] == [*unreadable, None]


def test_batches_keep_their_bounds(tmp_path: Path) -> None:
    path = tmp_path / "f"
    long = ORDER.encode()[:-1] + b',"pad":"' + b"x" * (LINE_BYTES_MAX * 3 // 4) + b'"}'
    path.write_bytes(b"\n".join([ORDER.encode()] * (2 * BATCH_ORDERS_MAX + 1) + [long] * 12))
    orders = OrderFile(path)
    batches = list(orders.batches())
    orders.close()
    sizes = [sum(len(line.entry) + 1 for line in b if isinstance(line, OrderLine)) for b in batches]
    assert [len(batch) for batch in batches[:2]] == [BATCH_ORDERS_MAX, BATCH_ORDERS_MAX]
    assert max(sizes) <= BATCH_BYTES_MAX
    numbers = [line.number for batch in batches for line in batch]
    assert numbers == list(range(1, 2 * BATCH_ORDERS_MAX + 14))


def test_a_compressed_file_reads_as_its_content_and_a_cut_one_says_so(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    packed = gzip.compress(content)
    assert lines_of(tmp_path / "packed", packed) == lines_of(tmp_path / "plain", content)
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    orders = OrderFile(tmp_path / "cut")
    assert list(orders.batches())
    orders.close()
    assert orders.failure is not None
