"""The wheel has everything: it runs where there is no checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from processes import Role
from tests.ports import free_ports

from orderflow.client import Client

ROOT = Path(__file__).parents[2]
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE")
BUILT = {"__pycache__", ".pyc", ".egg-info"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built of the sources alone: a folder `build` of an earlier one would get into it."""
    directory = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(source, directory)
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q", "-w", str(directory)]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(directory)],
        check=True,
        timeout=110,
        cwd=directory,
    )
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what is in the wheel and nothing else."""
    directory = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    return directory


@pytest.fixture
def up(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a running `orderflow up` from the wheel."""
    orders, fulfillment = free_ports(2)
    role = Role(
        tmp_path,
        "up",
        environment={
            "PYTHONPATH": str(installed),
            "PYTHONSAFEPATH": "1",
            "ORDERFLOW_DATA_DIR": str(tmp_path / "data"),
            "ORDERFLOW_PORT": str(orders),
            "ORDERFLOW_FULFILLMENT_PORT": str(fulfillment),
            "ORDERFLOW_CARRIER_DELAY_MS": "0-0",
            "ORDERFLOW_CARRIER_FAILURE_RATE": "0",
        },
    )
    try:
        yield role.url()
    finally:
        role.end()


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    source = ROOT / "src"
    wanted = {
        str(file.relative_to(source))
        for file in (source / "orderflow").rglob("*")
        if file.is_file() and not any(part in str(file) for part in BUILT)
    }
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if name.startswith("orderflow/")}
    assert wanted - there == set()
    assert there - wanted == set()


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import orderflow; print(orderflow.__file__)"],
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert Path(told.stdout.strip()) == installed / "orderflow" / "__init__.py"


def test_an_order_is_shipped_and_every_page_is_there(up: str) -> None:
    with Client(up) as client:
        order = client.place(
            {"customer": {"customerId": "c", "name": "Ada"}, "items": [{"productId": "p", "quantity": 1}]}
        )
        assert client.wait_for(order.order_id, timeout_s=60.0).status == "Shipped"
    connection = HTTPConnection(up.removeprefix("http://"), timeout=30)
    for path in (
        *("/", "/console/static/console.css", "/console/static/console.js", "/console/static/htmx.min.js"),
        *("/docs", "/docs/swagger-ui-bundle.js", "/asyncapi", "/asyncapi/page.css", "/openapi.json"),
    ):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, path
        assert answer.read(), path
    connection.close()
