"""Every statement that a SQL Server may get is in a golden file, where people read it, and is T-SQL to a
parser that knows nothing of ours."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel
from tests.mssql import golden, recorder, scenario

from orderflow.database.dialects import DIALECTS
from orderflow.fulfillment.tables import metadata as fulfillment_tables
from orderflow.orders.tables import metadata as orders_tables

FRAME = ("BEGIN TRY", "END TRY", "BEGIN CATCH", "THROW;", "END CATCH")
"""Lines that this parser takes for one statement with what they enclose."""
ROOMS = sorted(path for path in golden.DIRECTORY.glob("*.sql") if not path.name.startswith("schema_"))
SCHEMAS = sorted(golden.DIRECTORY.glob("schema_*.sql"))


@pytest.fixture(scope="module")
def now() -> dict[str, str]:
    return golden.files()


def test_the_golden_files_have_exactly_what_is_sent(now: dict[str, str]) -> None:
    written = {path.name: path.read_text() for path in golden.DIRECTORY.iterdir()}
    assert written.keys() == now.keys()
    for name, content in now.items():
        assert written[name] == content, f"{name}: review, and run `python -m tests.mssql.golden`"


def test_every_call_that_sends_a_statement_is_made(tmp_path: Path) -> None:
    with recorder.recording() as recorded:
        scenario.run(tmp_path)
    missing = [
        f"{file}:{line}"
        for (file, line), lines in recorder.calls_that_send().items()
        if not any((file, each) in recorded.sites for each in lines)
    ]
    assert missing == []


def parsed(sql: str) -> list[exp.Expr]:
    lines = [line for line in sql.splitlines() if line not in FRAME]
    found = sqlglot.parse("\n".join(lines), read="tsql", error_level=ErrorLevel.RAISE)
    return [each for each in found if each is not None]


def misunderstood(statement: exp.Expr) -> list[str]:
    """What the parser has only passed through."""
    return [part.sql()[:80] for part in statement.find_all(exp.Command)]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_another_parser_understands_every_statement(path: Path) -> None:
    for name, sql in golden.statements(path.read_text()):
        for statement in parsed(sql):
            assert misunderstood(statement) == [], name


_OWN = re.compile(r"CREATE TRIGGER \w+ ON \w+ INSTEAD OF UPDATE, DELETE AS THROW .*|BEGIN TRANSACTION|COMMIT")
_OPTION = re.compile(r"ALTER TABLE \w+ SET \(LOCK_ESCALATION = DISABLE\)")


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_another_parser_understands_every_migration(path: Path) -> None:
    text = re.sub(r"^(--.*|GO)$", "", path.read_text(), flags=re.MULTILINE)
    for part in (each.strip() for each in text.split(";\n")):
        if part and not _OWN.fullmatch(part.rstrip(";")) and not _OPTION.fullmatch(part):
            for statement in parsed(part.replace("NONCLUSTERED", "").replace("CLUSTERED INDEX", "INDEX")):
                assert misunderstood(statement) == [], part


def test_the_parser_refuses_what_is_no_t_sql() -> None:
    for sql in ("SELECT FROM WHERE", "UPDATE a SET b = FROM c", "INSERT INTO a (b) OUTPUT SELECT WHERE"):
        with pytest.raises(sqlglot.ParseError):
            parsed(sql)
    (through,) = parsed("BEGIN TRY SELECT 1")
    assert misunderstood(through)


FOREIGN = re.compile(
    r"\b(LIMIT|ON CONFLICT|RETURNING|FOR UPDATE|SKIP LOCKED|substr\(|MERGE|jsonb?_\w+\()|::", re.IGNORECASE
)
"""Words of other databases, which a parser may let pass."""


@pytest.mark.parametrize("path", [*ROOMS, *SCHEMAS], ids=lambda path: path.stem)
def test_no_statement_has_words_of_another_database(path: Path) -> None:
    assert FOREIGN.findall(re.sub(r"JSON_(VALUE|QUERY)\(", "", path.read_text())) == []


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_no_condition_is_compared_as_if_it_were_a_value(path: Path) -> None:
    assert re.findall(r"\)\s*=\s*[01]\b", path.read_text()) == []


def test_a_claim_locks_its_rows_and_passes_over_those_of_others() -> None:
    text = (golden.DIRECTORY / "orders.sql").read_text()
    (free,) = [sql for name, sql in golden.statements(text) if name == "orders.outbox._FREE"]
    assert "FROM outbox WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)" in free
    assert "FETCH FIRST ? ROWS ONLY" in free
    assert "ROW_NUMBER" not in free, "it would lock every row"


def test_an_insert_of_what_may_be_there_looks_with_a_lock_on_the_key() -> None:
    for path in ROOMS:
        for name, sql in golden.statements(path.read_text()):
            looks = re.findall(r"FROM\s+\w+\s+AS\s+there\s+(WITH\s+\(UPDLOCK, SERIALIZABLE\))?", sql)
            assert all(looks), name


def test_a_message_of_several_statements_counts_nothing_and_ends_with_the_first_error() -> None:
    together = DIALECTS["mssql"].together
    assert together is not None
    assert together(["a", "b"]).splitlines() == ["SET NOCOUNT ON;", "BEGIN TRY", "a;", "b;", *FRAME[1:]]
    for path in ROOMS:
        for name, sql in golden.statements(path.read_text()):
            if len(parsed(sql)) > 1:
                assert "SET NOCOUNT ON;" in sql, name
                assert "BEGIN TRY" in sql, name


KEY_BYTES_MAX = {"clustered": 900, "nonclustered": 1_700}


@pytest.mark.parametrize("metadata", [orders_tables, fulfillment_tables], ids=["orders", "fulfillment"])
def test_every_key_fits_into_its_index(metadata: sa.MetaData) -> None:
    """SQL Server makes an index whose keys may be too long, and refuses the row that is."""
    for table in metadata.tables.values():
        is_clustered = table.primary_key.dialect_options["mssql"]["clustered"] is not False
        kind = "clustered" if is_clustered else "nonclustered"
        assert _bytes(list(table.primary_key)) <= KEY_BYTES_MAX[kind], table.name
        for index in table.indexes:
            assert _bytes(list(index.columns)) <= KEY_BYTES_MAX["nonclustered"], index.name


def _bytes(columns: list[sa.Column[object]]) -> int:
    sizes = {"INTEGER": 4, "BIGINT": 8, "DATETIME2(6)": 8}
    total = 0
    for column in columns:
        name = column.type.compile(dialect=recorder.MSSQL.compiler)
        text = re.fullmatch(r"(N?)(?:VAR)?CHAR\((\d+)\)", name)
        total += int(text[2]) * (2 if text[1] else 1) if text else sizes[name]
    return total


def test_a_text_has_room_for_characters_of_two_units_each() -> None:
    name = orders_tables.tables["orders"].c.customer_name.type
    assert name.compile(dialect=recorder.MSSQL.compiler) == "NVARCHAR(400)"
