"""Writes the generated part of docs/order-lifecycle.md anew: `python -m tests.orders.lifecycle_page`."""

from pathlib import Path

from orderflow.orders.model import REQUESTED, TABLE, TERMINAL, Status, Transition

PAGE = Path(__file__).parents[2] / "docs" / "order-lifecycle.md"
BEGIN = "<!-- generated from the transition table; python -m tests.orders.lifecycle_page writes it -->"
END = "<!-- end of the generated part -->"


def with_table(page: str) -> str:
    """The page with its generated part as the transition table says."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{_diagram()}\n\n{_table()}\n\n{END}{after}"


def _diagram() -> str:
    moves = [f"    {move.before} --> {move.after}: {_cause(move)}" for move in TABLE]
    ends = [f"    {status} --> [*]" for status in Status if status in TERMINAL]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {Status.CREATED}", *moves, *ends, "```"])


def _cause(move: Transition) -> str:
    return move.action or "PATCH"


def _table() -> str:
    rows = [
        f"| `{move.before}` | `{move.after}` | {', '.join(_requests(move))} | {_event(move)} |"
        for move in TABLE
    ]
    return "\n".join(["| from | to | by | event |", "|---|---|---|---|", *rows])


def _requests(move: Transition) -> list[str]:
    requests = [f"`POST …/{move.action}`"] if move.action else []
    return [*requests, "`PATCH …/status`"] if move.after in REQUESTED else requests


def _event(move: Transition) -> str:
    return f"`{move.event_type}`" if move.event_type else ""


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
