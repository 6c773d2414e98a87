"""docs/order-lifecycle.md says what the transition table says."""

from tests.orders.lifecycle_page import PAGE, with_table

from orderflow.orders.model import TABLE


def test_the_page_has_the_diagram_and_the_table_of_the_code() -> None:
    page = PAGE.read_text()
    assert page == with_table(page), "write it anew: python -m tests.orders.lifecycle_page"
    for move in TABLE:
        assert f"{move.before} --> {move.after}" in page
        assert f"| `{move.before}` | `{move.after}` |" in page
