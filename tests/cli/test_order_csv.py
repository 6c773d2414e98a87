"""Orders from CSV as people and spreadsheets write it: read whole and exactly, or refused with line and
column."""

import codecs
import gzip
from pathlib import Path
from typing import Any

import pytest
from tests.orders.conftest import Service

from orderflow import cli
from orderflow.cli.minor_units import minor_units
from orderflow.cli.order_csv import LINE_CHARS_MAX, BrokenCsv
from orderflow.cli.order_lines import Line, OrderFile, OrderLine, UnreadableLine
from orderflow.contracts.orders_api import ITEMS_MAX, BatchOrderIn

HEADER = "order,customerId,customerName,productId,quantity,unitPrice,currency"
SMALL = "customerId,customerName,productId,quantity"
TEXT = f"""\
{HEADER}
1,c-1,Zoë Müller,p-1,2,12.50,EUR
1,,,p-2,1,3,EUR
2,c-2,"Ada, Lovelace",p-1,1,1.000,BHD
"""


def read(path: Path, content: bytes) -> tuple[list[Line], OrderFile]:
    path.write_bytes(content)
    file = OrderFile(path)
    try:
        found = file.look_through()
        lines = [line for batch in file.batches() for line in batch]
        assert found.failure == file.failure
        assert found.readable == sum(isinstance(line, OrderLine) for line in lines)
        return lines, file
    finally:
        file.close()


def orders_of(path: Path, content: bytes) -> list[dict[str, Any]]:
    lines, file = read(path, content)
    assert file.failure is None
    read_lines = [line for line in lines if isinstance(line, OrderLine)]
    assert len(read_lines) == len(lines), lines
    orders = [BatchOrderIn.model_validate_json(line.entry) for line in read_lines]
    return [order.model_dump(mode="json", exclude={"idempotency_key"}, exclude_none=True) for order in orders]


def wrong(path: Path, content: str) -> str:
    """What is said of the only order of the file."""
    (line,), _ = read(path, content.encode())
    assert isinstance(line, UnreadableLine)
    assert line.status == 422
    return line.reason


EXPECTED = [
    {
        "customer": {"customerId": "c-1", "name": "Zoë Müller"},
        "items": [
            {"productId": "p-1", "quantity": 2, "unitPrice": {"amountMinor": 1250, "currency": "EUR"}},
            {"productId": "p-2", "quantity": 1, "unitPrice": {"amountMinor": 300, "currency": "EUR"}},
        ],
    },
    {
        "customer": {"customerId": "c-2", "name": "Ada, Lovelace"},
        "items": [{"productId": "p-1", "quantity": 1, "unitPrice": {"amountMinor": 1000, "currency": "BHD"}}],
    },
]
SEMICOLONS = TEXT.replace('"Ada, Lovelace"', "Ada# Lovelace").replace(",", ";").replace("#", ",")
FORMS = {
    "UTF-8": TEXT.encode(),
    "a byte order mark": TEXT.encode("utf-8-sig"),
    "UTF-16, little end first": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "Windows-1252": TEXT.encode("cp1252"),
    "carriage returns": TEXT.replace("\n", "\r\n").encode(),
    "carriage returns alone": TEXT.replace("\n", "\r").encode(),
    "no line end at the end": TEXT.rstrip().encode(),
    "blank lines and blanks": ("\n" + TEXT.replace(",p-", ", p-").replace("\n2", "\n\n , ,\n2")).encode(),
    "semicolons and decimal commas": SEMICOLONS.replace("12.50", "12,5").encode(),
    "tabs": SEMICOLONS.replace(";", "\t").encode(),
    "bars": SEMICOLONS.replace(";", "|").encode(),
    "a header as people write it": TEXT.replace(
        "customerId,customerName", "Customer ID,customer_name"
    ).encode(),
    "compressed": gzip.compress(TEXT.encode()),
    "amounts in the minor unit": TEXT.replace("unitPrice", "amountMinor")
    .replace("12.50", "1250")
    .replace(",3,", ",300,")
    .replace("1.000", "1000")
    .encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_orders(tmp_path: Path, form: str) -> None:
    assert orders_of(tmp_path / "orders.csv", FORMS[form]) == EXPECTED


def test_csv_is_known_by_its_header_where_it_has_no_name(tmp_path: Path) -> None:
    assert orders_of(tmp_path / "orders", TEXT.encode()) == EXPECTED
    customer = b'{"customerId":"c","name":"productId,quantity"}'
    json_line = b'{"customer":%b,"items":[{"productId":"p","quantity":1}]}' % customer
    assert len(orders_of(tmp_path / "others", json_line)) == 1


def test_an_encoding_that_was_guessed_is_known(tmp_path: Path) -> None:
    for content, encoding in ((TEXT.encode("cp1252"), "cp1252"), (TEXT.encode(), "utf-8")):
        _, file = read(tmp_path / "orders.csv", content)
        assert file.csv is not None
        assert file.csv.encoding == encoding


def test_every_line_is_an_order_where_none_is_named(tmp_path: Path) -> None:
    found = orders_of(tmp_path / "o.csv", f"{SMALL}\nc-1,Ada,p-1,1\nc-1,Ada,p-1,1\n".encode())
    assert [len(each["items"]) for each in found] == [1, 1]
    keys = [
        line.entry
        for line in read(tmp_path / "o.csv", f"{SMALL}\nc,A,p,1\nc,A,p,1\n".encode())[0]
        if isinstance(line, OrderLine)
    ]
    assert len(set(keys)) == 2


def test_an_address_and_a_key_have_columns(tmp_path: Path) -> None:
    header = (
        f"{SMALL},shipToName,shipToLine1,shipToLine2,shipToCity,shipToPostalCode,shipToCountry,idempotencyKey"
    )
    content = f"{header}\nc,A,p,1,Ada,Flat 2,12 St James's Square,London,SW1Y,GB,basket-1\n"
    (line,), _ = read(tmp_path / "o.csv", content.encode())
    assert isinstance(line, OrderLine)
    order = BatchOrderIn.model_validate_json(line.entry)
    assert order.idempotency_key == "basket-1"
    assert order.ship_to is not None
    assert order.ship_to.lines == ["Flat 2", "12 St James's Square"]
    assert (order.ship_to.postal_code, order.ship_to.region) == ("SW1Y", None)


@pytest.mark.parametrize(
    "quantity", ["1.5", "2,0", "2.0", "1'000", "-1", "+1", "1e3", "٣", "0x1", "two", "1000000000"]
)
def test_a_quantity_that_is_not_digits_alone_is_refused_with_line_and_column(
    tmp_path: Path, quantity: str
) -> None:
    said = wrong(tmp_path / "o.tsv", "\t".join(SMALL.split(",")) + f"\n\nc\tA\tp\t{quantity}\n")
    assert said.startswith("line 3, column quantity: ")
    assert repr(quantity) in said


@pytest.mark.parametrize(
    ("price", "currency", "amount"),
    [
        ("12.5", "EUR", 1250),
        ("12,50", "EUR", 1250),
        ("0", "EUR", 0),
        ("0.05", "EUR", 5),
        ("1200", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("1,2", "KWD", 1200),
        ("0.0001", "CLF", 1),
        ("1.234", "EUR", None),
        ("1,234.50", "EUR", None),
        ("1 234", "EUR", None),
        ("1.5", "JPY", None),
        ("1.0", "JPY", None),
        ("-1", "EUR", None),
        ("€5", "EUR", None),
        ("5.", "EUR", None),
        (".5", "EUR", None),
        ("٣", "EUR", None),
        ("5", "eur", None),
        ("5", "XXX", None),
        ("5", "XAU", None),
        ("5", "", None),
    ],
)
def test_a_price_becomes_minor_units_exactly_or_not_at_all(
    price: str, currency: str, amount: int | None
) -> None:
    if amount is None:
        with pytest.raises(ValueError, match=r"."):
            minor_units(price, currency)
    else:
        assert minor_units(price, currency) == amount


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1,c-1,Ada,p-1,1,1.234,EUR", "line 2, column unitPrice: '1.234' has more decimals than EUR"),
        ("1,c-1,Ada,,1,,", "line 2, column productId: it is empty"),
        ("1,,Ada,p-1,1,,", "line 2, column customerId: it is empty"),
        ("1,c-1,Ada,p-1,1,,\n1,c-2,,p-2,1,,", "line 3, column customerId: it differs from line 2"),
        ("1,c-1,Ada,p-1,1,,\n1,,,p-2,,,", "line 3, column quantity: it is empty"),
        ("1,c-1,Ada,p-1,1", "line 2: it has 5 cells, and the header 7"),
        ("1,c-1,Ada,p-1,1,,,,", "line 2: it has 9 cells, and the header 7"),
        ("1,c-1,Ada,p-1,x,y,EUR", "line 2, column unitPrice: 'y' is no price"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(tmp_path: Path, lines: str, said: str) -> None:
    assert said in wrong(tmp_path / "o.csv", f"{HEADER}\n{lines}\n")


def test_an_order_that_comes_again_later_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    rows = ["1,c-1,Ada,p-1,1,,", "2,c-2,Bob,p-1,1,,", "1,c-1,Ada,p-2,1,,", "3,c-3,Eve,p-1,1,,"]
    lines, _ = read(tmp_path / "o.csv", "\n".join([HEADER, *rows]).encode())
    assert [(line.number, type(line)) for line in lines] == [
        (2, OrderLine),
        (3, OrderLine),
        (4, UnreadableLine),
        (5, OrderLine),
    ]
    assert isinstance(lines[2], UnreadableLine)
    assert lines[2].reason == "line 4, column order: '1' was there before: join its lines"
    assert lines[2].text == b"1,c-1,Ada,p-2,1,,\n"


def test_a_quoted_line_end_counts_and_belongs_to_its_cell(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "o.csv", f'{SMALL}\nc,"A\nB",p,1\nc,A,p,x\n'.encode())
    assert [line.number for line in lines] == [2, 4]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("customerId,customerName,productId,quantity,colour", "the column 'colour' is not known"),
        ("customerId,customerName,productId", "the column quantity is missing"),
        ("customerId,customerName,productId,quantity,Quantity", "the column quantity is there twice"),
        ("", "is not known|is missing"),
        (None, "it is empty"),
    ],
)
def test_a_header_that_cannot_be_used_is_told_before_anything_is_sent(
    tmp_path: Path, header: str | None, said: str
) -> None:
    (tmp_path / "o.csv").write_text("" if header is None else f"{header}\nc,A,p,1\n")
    with pytest.raises(BrokenCsv, match=said):
        OrderFile(tmp_path / "o.csv")


@pytest.mark.parametrize(
    "row", ['c,"A,p,1', 'c,A"b"c",p,1\nc,"A"x,p,1', "c,A,p," + "1" * (LINE_CHARS_MAX + 1)]
)
def test_a_file_that_cannot_be_read_on_says_from_which_line(tmp_path: Path, row: str) -> None:
    """The order before is left out: further lines of it may be what cannot be read."""
    lines, file = read(tmp_path / "o.csv", f"{SMALL}\nc,A,p,1\nc,A,p,1\n{row}".encode())
    assert file.failure is not None
    assert file.failure.startswith("line ")
    assert [type(line) for line in lines][:1] == [OrderLine]


def test_an_order_with_too_many_items_is_kept_small_and_left_to_the_service_to_refuse(tmp_path: Path) -> None:
    rows = "1,c-1,Ada,p-1,1,,\n" * (3 * ITEMS_MAX)
    (line,), _ = read(tmp_path / "o.csv", f"{HEADER}\n{rows}".encode())
    assert isinstance(line, OrderLine)
    assert line.entry.count(b'"productId"') == ITEMS_MAX + 1


def test_an_import_of_csv_places_each_order_once_however_often_it_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}")
    monkeypatch.setenv("ORDERFLOW_ORDERS_URL", f"http://127.0.0.1:{service.port}")
    (tmp_path / "orders.csv").write_bytes(TEXT.encode("cp1252"))
    codes = [cli.run(["orders", "import", str(tmp_path / "orders.csv")]) for _ in range(2)]
    told = capsys.readouterr()
    service.close()
    assert codes == [0, 0]
    sums = [line for line in told.out.splitlines() if line.startswith("created ")]
    assert sums == ["created 2, replayed 0, refused 0", "created 0, replayed 2, refused 0"]
    assert "is not UTF-8, so it is read as Windows-1252" in told.err


def test_a_line_that_cannot_be_read_is_told_with_its_number_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}")
    monkeypatch.setenv("ORDERFLOW_ORDERS_URL", f"http://127.0.0.1:{service.port}")
    monkeypatch.chdir(tmp_path)
    Path("o.csv").write_text(f"{SMALL}\nc,A,p,1.5\nc,A,p,1\n")
    codes = [cli.run(["orders", "import", "o.csv", *more]) for more in ((), ("--skip-unreadable",))]
    service.close()
    wrong = "line 2, column quantity: '1.5' is no whole number: digits alone"
    told = [line.strip() for line in capsys.readouterr().err.splitlines() if "1.5" in line]
    assert (codes, told) == ([1, 1], [wrong, wrong])
