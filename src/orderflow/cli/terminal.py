"""What every command shows: results on stdout, for people or as JSON, and trouble on stderr."""

from __future__ import annotations

import codecs
import io
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from orderflow.runtime.masking import mask_urls
from orderflow.runtime.printable import printable

if TYPE_CHECKING:  # rich costs more time than most commands
    from rich.console import Console
    from rich.table import Table

PIPED_COLUMNS = 1_000
"""The width of output that does not go to a terminal: nothing is cut or wrapped for the reader of a pipe."""


class CommandFailed(Exception):
    """The command could not do its work: exit code 1. The text says what happened and what to do; secrets of
    URLs in it are masked."""

    def __init__(self, text: str) -> None:
        super().__init__(mask_urls(text))


class WrongUse(Exception):
    """The command was called wrongly, in a way that its signature cannot express: exit code 2."""


def complain(text: str) -> None:
    """Write a line, or a few, to stderr."""
    sys.stderr.write(printable(mask_urls(text.rstrip("\n"))) + "\n")
    sys.stderr.flush()


def write_line(text: str) -> None:
    sys.stdout.write(printable(text) + "\n")


def use_any_encoding() -> None:
    """Characters that the output's encoding lacks are written as escapes, so no command fails over a name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_rich(renderable: Any) -> None:
    """Write a table, for example. Rich must not print it: it ends the process if the reader has gone."""
    console = wide_console(sys.stdout)
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        write_line(line.rstrip())


def add_row(table: Table, *cells: str) -> None:
    """Add a row. Cells may hold texts from outside, so they are made printable."""
    table.add_row(*(printable(cell) for cell in cells))


def as_json(value: Any) -> str:
    """JSON for stdout: in ASCII where its encoding is not UTF-8, and without raw control characters."""
    utf_8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    return printable(json.dumps(value, ensure_ascii=not utf_8, default=_plain))


def write_list(items: list[Any]) -> None:
    """Write a JSON array, with one entry a line."""
    write_line("[" + ",".join(f"\n{as_json(item)}" for item in items) + ("\n]" if items else "]"))


def write_table(items: list[Any], columns: tuple[str, ...]) -> None:
    """Write these fields of the items, None as nothing."""
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for item in items:
        add_row(table, *("" if item[name] is None else str(item[name]) for name in columns))
    write_rich(table)


def wide_console(stream: IO[str]) -> Console:
    """A console that shows texts as they are, without markup or highlighting: they may come from outside."""
    from rich.console import Console

    width = None if stream.isatty() else PIPED_COLUMNS
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
