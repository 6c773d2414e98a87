"""How SQLAlchemy writes T-SQL for Orderflow: its dialect for Microsoft's driver, with our types.

Texts are NVARCHAR with a binary collation, so that they are equal only if every character is. A character
may take two code units there, so a column is twice as long as its text. Ids are CHAR(36), which sorts in the
order of their time; UNIQUEIDENTIFIER would sort by its last six bytes first.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mssql.base import MSDDLCompiler, MSSQLCompiler, MSTypeCompiler
from sqlalchemy.dialects.mssql.mssqlpython import MSDialect_mssqlpython
from sqlalchemy.schema import CreateTable

DRIVER_NAME = "mssql+orderflow"
"""What a URL names to be opened with this dialect."""

COLLATION = "Latin1_General_100_BIN2"
TIME = "DATETIME2(6)"
"""A bulk of status updates tells its entries apart by microseconds."""
_UNITS_MAX = 4_000
_LENGTH_MAX = 2**31 - 1
_BY_CODE_POINT = "Latin1_General_100_CS_AS_SC"
"""A collation whose functions take a character of two code units for one, and never cut it."""


def collated(expression: str) -> str:
    """The expression with the collation that all texts have here, whatever the database's own is."""
    return f"{expression} COLLATE {COLLATION}"


class _Types(MSTypeCompiler):
    """A collation is part of a column's definition, but not of a CAST."""

    def visit_string(self, type_: sa.String, **options: Any) -> str:
        units = 2 * (type_.length or _UNITS_MAX)
        return _text(f"NVARCHAR({units if units <= _UNITS_MAX else 'max'})", options)

    def visit_text(self, type_: sa.Text, **options: Any) -> Any:  # noqa: ARG002
        return _text("NVARCHAR(max)", options)

    def visit_CHAR(self, type_: sa.CHAR, **options: Any) -> Any:
        return _text(f"CHAR({type_.length})", options)

    def visit_datetime(self, type_: sa.DateTime, **options: Any) -> str:  # noqa: ARG002
        return TIME

    def visit_large_binary(self, type_: sa.LargeBinary, **options: Any) -> Any:  # noqa: ARG002
        return "VARBINARY(max)"


def _text(name: str, options: dict[str, Any]) -> str:
    return collated(name) if isinstance(options.get("type_expression"), sa.Column) else name


class _Statements(MSSQLCompiler):
    def format_from_hint_text(self, sqltext: str, table: Any, hint: str, iscrud: bool) -> str:  # noqa: ARG002
        """SQLAlchemy would give a table that is changed FROM others its hints twice: they belong to FROM."""
        return sqltext if iscrud else f"{sqltext} {hint}"

    def visit_is_false_unary_operator(self, element: Any, operator: Any, **options: Any) -> str:  # noqa: ARG002
        """SQLAlchemy would compare a condition with 0, and a condition is no value here."""
        return f"NOT ({self.process(element.element, **options)})"

    def visit_is_true_unary_operator(self, element: Any, operator: Any, **options: Any) -> str:  # noqa: ARG002
        return self.process(element.element, **options)

    def visit_length_func(self, fn: sa.Function[Any], **options: Any) -> str:
        """The number of bytes or, as in Python, of code points. LEN leaves out spaces at the end."""
        (value,) = fn.clauses
        sql = self.process(value, **options)
        is_bytes = isinstance(value.type, sa.LargeBinary)
        return f"DATALENGTH({sql})" if is_bytes else f"(LEN(({sql}) COLLATE {_BY_CODE_POINT} + '.') - 1)"

    def visit_substr_func(self, fn: sa.Function[Any], **options: Any) -> str:
        text, start = [self.process(clause, **options) for clause in fn.clauses]
        return collated(f"SUBSTRING(({text}) COLLATE {_BY_CODE_POINT}, {start}, {_LENGTH_MAX})")


class _Definitions(MSDDLCompiler):
    def visit_create_table(self, create: CreateTable, **options: Any) -> str:
        """A batch locks thousands of rows, which must never become a lock of the whole table."""
        table = self.preparer.format_table(create.element)
        made: str = super().visit_create_table(create, **options)  # pyright: ignore[reportUnknownMemberType]
        return f"{made.rstrip()};\nALTER TABLE {table} SET (LOCK_ESCALATION = DISABLE)\n"


class TransactSql(MSDialect_mssqlpython):
    """SQLAlchemy's dialect, with our types."""

    supports_statement_cache = True
    statement_compiler = _Statements
    ddl_compiler = _Definitions
    type_compiler_cls = _Types
    # Every version that Orderflow works with has OFFSET. Without it, SQLAlchemy would number all rows, and a
    # claim would lock them all.
    _supports_offset_fetch = True

    def _setup_version_attributes(self) -> None:
        super()._setup_version_attributes()
        self._supports_offset_fetch = True


registry.register(DRIVER_NAME.replace("+", "."), __name__, TransactSql.__name__)
