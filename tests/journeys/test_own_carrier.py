"""A carrier written by somebody else, named in ORDERFLOW_CARRIER: it ships, or one line says why it
cannot."""

import json
import os
from pathlib import Path

import pytest
from conftest import StartRole
from processes import all_orders, ask, eventually, order

EXAMPLES = Path(__file__).parents[2] / "examples"

BROKEN = """
raise_at_import = {at_import}
if raise_at_import:
    raise OSError("no such printer,\\nask the caretaker")

class NeedsArguments:
    def __init__(self, url): pass

class CannotStart:
    def __init__(self):
        raise RuntimeError("PRINTER_URL is not set:\\nexport it")

class HalfACarrier:
    async def create_shipment(self, request): ...
    async def close(self): ...
"""


pytestmark = pytest.mark.usefixtures("modules")


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that the roles import from, as the examples are."""
    directory = tmp_path / "modules"
    directory.mkdir()
    (directory / "broken.py").write_text(BROKEN.format(at_import=False))
    (directory / "broken_at_import.py").write_text(BROKEN.format(at_import=True))
    (directory / "no_python.py").write_text("class Carrier(:\n")
    search = [str(EXAMPLES), str(directory), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(search))


def test_orders_ship_by_the_example_carrier_and_its_rejection_fails_an_order(
    start: StartRole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slips = tmp_path / "slips"
    monkeypatch.setenv("PICK_SLIPS_DIR", str(slips))
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": "0", "FULFILLMENT_PORT": "0"}
    url = start("up", CARRIER="own_carrier:PickSlips", **settings).url()
    placed = [ask(f"{url}/api/orders", method="POST", body=order(n)).body["orderId"] for n in range(3)]
    too_many = order(4)
    too_many["items"][0]["quantity"] = 1_001
    rejected = ask(f"{url}/api/orders", method="POST", body=too_many).body["orderId"]

    def ended() -> bool:
        return {o["status"] for o in all_orders(url)} <= {"Shipped", "Failed"}

    eventually(ended, "all orders end")
    orders = {o["orderId"]: o for o in all_orders(url)}
    written = [json.loads(slip.read_text()) for slip in slips.glob("*.json")]
    assert {slip["orderId"] for slip in written} == set(placed)
    assert len(written) == 3
    for slip in written:
        shipped = orders[slip["orderId"]]
        assert shipped["status"] == "Shipped"
        assert shipped["fulfillment"]["carrier"] == "Own warehouse"
        assert shipped["fulfillment"]["trackingNumber"] == f"SLIP-{slip['slipId'].upper()}"
    assert orders[rejected]["status"] == "Failed"
    assert orders[rejected]["fulfillment"]["errorMessage"] == "We pack at most 1,000 of a kind."


@pytest.mark.parametrize(
    ("carrier", "words"),
    [
        ("no_such_module:Carrier", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_carrier:NoSuchClass", "AttributeError: module 'own_carrier' has no attribute 'NoSuchClass'"),
        ("own_carrier:", "AttributeError"),
        (":PickSlips", "ValueError: Empty module name"),
        ("broken:CannotStart", "RuntimeError: PRINTER_URL is not set: export it"),
        ("broken:NeedsArguments", "TypeError: NeedsArguments.__init__() missing 1 required"),
        ("broken:HalfACarrier", "which is no carrier: it has no find_shipments and no void_shipment"),
        ("json:dumps", "TypeError"),
        ("broken_at_import:CannotStart", "OSError: no such printer, ask the caretaker"),
        ("no_python:Carrier", "SyntaxError"),
    ],
)
def test_a_carrier_that_cannot_be_made_is_one_clear_line(
    start: StartRole, tmp_path: Path, carrier: str, words: str
) -> None:
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": "0", "FULFILLMENT_PORT": "0"}
    role = start("up", CARRIER=carrier, **settings)
    assert role.process.wait(timeout=60) == 2
    (line,) = [line for line in role.output.splitlines() if "ORDERFLOW_CARRIER" in line]
    assert f"ORDERFLOW_CARRIER names {carrier}" in line
    assert words in line
    assert "Traceback" not in role.output
