"""Archives: what was appended is read back, whatever became of the process that wrote it."""

import gzip
import json
import os
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from orderflow.database.archive import Archive, BrokenArchive, decoded, encoded, open_archive, read
from orderflow.database.dialects import UtcTime, UuidText
from orderflow.runtime.settings_error import SettingsError

TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", UuidText, primary_key=True),
    sa.Column("at", UtcTime),
    sa.Column("number", sa.BigInteger),
    sa.Column("bytes", sa.LargeBinary),
    sa.Column("text", sa.Text),
)


def row(number: int) -> dict[str, object]:
    return {"id": f"{number:036}", "number": number, "text": "Grüße\n"}


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def numbers(file: Path) -> list[int]:
    return [each.values["number"] for each in read(file)]


def test_a_row_is_read_back_as_the_table_takes_it(tmp_path: Path) -> None:
    at = datetime(2026, 2, 10, 9, 30, 0, 123456, tzinfo=UTC)
    values = {"id": "a", "at": at, "number": 2**60, "bytes": b"\x00\xff", "text": 'a "b"\n\u2028'}
    made = Archive(tmp_path, "orders")
    made.append([(TABLE, values), (TABLE, row(1))])
    made.close()
    (file,) = files(tmp_path)
    first, second = read(file)
    assert (first.table, decoded(TABLE, first.values)) == ("things", values)
    assert second.values == row(1)


def test_only_its_owner_may_read_a_file(tmp_path: Path) -> None:
    made = Archive(tmp_path, "orders")
    made.append([(TABLE, row(1))])
    made.close()
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.name.startswith("orders-")


def test_rows_are_on_disk_when_append_returns(tmp_path: Path) -> None:
    made = Archive(tmp_path, "orders")
    for number in range(3):
        made.append([(TABLE, row(number))])
        assert numbers(files(tmp_path)[0]) == list(range(number + 1))
    made.close()


def test_half_a_member_at_the_end_is_left_out_and_all_before_it_is_read(tmp_path: Path) -> None:
    made = Archive(tmp_path, "orders")
    made.append([(TABLE, row(number)) for number in range(100)])
    (file,) = files(tmp_path)
    whole = file.stat().st_size
    made.append([(TABLE, row(number)) for number in range(100, 200)])
    made.close()
    written = file.read_bytes()
    for length in (whole + 1, whole + 12, whole + 200, len(written) - 1):
        file.write_bytes(written[:length])
        found = numbers(file)
        assert found[:100] == list(range(100))
        assert found == list(range(len(found)))
    file.write_bytes(written[:whole])
    assert numbers(file) == list(range(100))


def test_a_file_that_cannot_be_written_is_followed_by_another(tmp_path: Path) -> None:
    """Whatever followed half a member could not be read."""
    made = Archive(tmp_path, "orders")
    made.append([(TABLE, row(1))])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            made.append([(TABLE, {**row(2), "bytes": os.urandom(2 << 20)})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    made.append([(TABLE, row(3))])
    made.close()
    assert sorted(numbers(file) for file in files(tmp_path)) == [[1], [3]]


def test_a_large_file_gets_no_further_member(tmp_path: Path) -> None:
    made = Archive(tmp_path, "orders", file_bytes_max=10)
    for number in range(3):
        made.append([(TABLE, row(number))])
    made.close()
    assert sorted(numbers(file) for file in files(tmp_path)) == [[0], [1], [2]]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "no-archive"
    for content in (b"hello", gzip.compress(b"no json\n"), gzip.compress(b'{"table":"a"}\n')):
        file.write_bytes(content)
        with pytest.raises(BrokenArchive, match="no-archive"):
            list(read(file))
    made = Archive(tmp_path, "orders")
    made.append([(TABLE, row(1))])
    made.close()
    damaged = next(path for path in files(tmp_path) if path != file)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    with pytest.raises(BrokenArchive):
        list(read(damaged))


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    line = json.loads(encoded(TABLE, {"id": "a", "at": datetime.now(UTC)}))
    for wrong in ({"other": 1}, {"at": "yesterday"}, {"bytes": "ä"}):
        with pytest.raises(BrokenArchive, match="does not fit the table things"):
            decoded(TABLE, {**line["row"], **wrong})


def test_a_directory_that_cannot_be_written_is_reported_at_start(tmp_path: Path) -> None:
    assert open_archive(None, "orders") is None
    assert open_archive(tmp_path / "a" / "b", "orders") is not None
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="ORDERFLOW_ARCHIVE_DIR"):
        open_archive(tmp_path / "file", "orders")
