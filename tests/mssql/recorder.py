"""Collects the statements that use cases send through SQLAlchemy, in the T-SQL that SQL Server would get.

The use cases run on SQLite; each statement is compiled once more for the other dialect.
"""

import ast
import inspect
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.engine import Engine

import orderflow
from orderflow.database.dialects import DIALECTS

SOURCE = Path(orderflow.__file__).parent
ROOMS = ("orders", "fulfillment", "security", "database/audit.py")
MSSQL = DIALECTS["mssql"]

Site = tuple[str, int]
"""A file below the source, and the first line of a call there that sends a statement."""


@dataclass
class Recorded:
    statements: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """T-SQL by the function that sends it."""
    sites: set[Site] = field(default_factory=set[Site])


@contextmanager
def recording() -> Generator[Recorded]:
    """Whatever a room sends to any engine while the block runs."""
    recorded = Recorded()

    def before(_connection: Any, element: Any, *_rest: Any) -> None:
        frame = _in_a_room(inspect.currentframe())
        if frame is None or not isinstance(element, (sa.Select, sa.Insert, sa.Update, sa.Delete)):
            return
        file = Path(frame.f_code.co_filename).relative_to(SOURCE)
        recorded.sites.add((str(file), frame.f_lineno))
        name = f"{'.'.join(file.with_suffix('').parts)}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
        recorded.statements.setdefault(name, set()).add(t_sql(cast("sa.Executable", element)))

    event.listen(Engine, "before_execute", before)
    try:
        yield recorded
    finally:
        event.remove(Engine, "before_execute", before)


def t_sql(element: sa.Executable) -> str:
    if isinstance(element, SqliteInsert) and element.select is not None:
        element = _insert_absent(element)
    compiled = cast("Any", element).compile(dialect=MSSQL.compiler)

    def value(found: re.Match[str]) -> str:
        """What SQLAlchemy puts there when it sends the statement."""
        given = compiled.params[found["name"]]
        if isinstance(given, int):
            return str(given)
        written_out = compiled.binds[found["name"]].literal_execute
        return ", ".join(f"'{each}'" if written_out else "?" for each in given)

    return re.sub(r"__\[POSTCOMPILE_(?P<name>\w+)\]", value, str(compiled))


def _insert_absent(element: SqliteInsert) -> sa.Insert:
    """`dialects.insert_absent` writes one row, in another way in each dialect."""
    names = cast("list[str]", element._select_names)  # pyright: ignore[reportPrivateUsage]
    table = cast("sa.Table", element.table)
    row = sa.select(*cast("Any", element.select).selected_columns)
    return MSSQL.insert_absent(table, names, row).returning(sa.literal_column("1", sa.Integer))


def _in_a_room(frame: FrameType | None) -> FrameType | None:
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(tuple(str(SOURCE / room) for room in ROOMS)):
            return None if "migrations" in file else frame
        frame = frame.f_back
    return None


def calls_that_send() -> dict[Site, range]:
    """Every call in the rooms that sends a statement, with its lines. Calls whose statement is a constant of
    the module are left out: constants are compiled as they are."""
    found: dict[Site, range] = {}
    for room in ROOMS:
        files = sorted((SOURCE / room).rglob("*.py")) if (SOURCE / room).is_dir() else [SOURCE / room]
        for file in files:
            if "migrations" in file.parts:
                continue
            tree = ast.parse(file.read_text())
            constants = {
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _sends(node) and not _is_one_of(node.args[0], constants):
                    site = (str(file.relative_to(SOURCE)), node.lineno)
                    found[site] = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return found


def _sends(call: ast.Call) -> bool:
    function = call.func
    named = isinstance(function, ast.Name) and function.id == "insert_absent"
    sends = isinstance(function, ast.Attribute) and function.attr in ("execute", "scalar", "scalars")
    return (named or sends) and bool(call.args)


def _is_one_of(argument: ast.expr, constants: set[str]) -> bool:
    return isinstance(argument, ast.Name) and argument.id in constants
