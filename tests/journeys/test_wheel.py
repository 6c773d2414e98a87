"""The wheel has everything: installed into a new environment, it runs where there is no checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from processes import Role
from tests.ports import free_ports

from orderflow.client import Client

ROOT = Path(__file__).parents[2]
BUILT = {"__pycache__", ".pyc", ".egg-info"}


def build(checkout: Path, directory: Path, **options: Any) -> Path:
    program = [sys.executable, str(checkout / "deploy" / "release.py"), "wheel", str(directory)]
    subprocess.run(program, check=True, timeout=110, **options)
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel, which finds its dependencies where the tests have them."""
    directory = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True, timeout=60)
    python = str(directory / "bin" / "python")
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", *options, str(wheel)],
        check=True,
        timeout=110,
    )
    (packages,) = directory.glob("lib/python*/site-packages")
    # Its own .pth files, one of which leads to the checkout, are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory


@pytest.fixture
def up(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a running `orderflow up` from the wheel."""
    orders, fulfillment = free_ports(2)
    role = Role(
        tmp_path,
        "up",
        environment={
            "ORDERFLOW_DATA_DIR": str(tmp_path / "data"),
            "ORDERFLOW_PORT": str(orders),
            "ORDERFLOW_FULFILLMENT_PORT": str(fulfillment),
            "ORDERFLOW_CARRIER_DELAY_MS": "0-0",
            "ORDERFLOW_CARRIER_FAILURE_RATE": "0",
        },
        program=(str(installed / "bin" / "orderflow"),),
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


def test_another_checkout_makes_the_same_bytes(tmp_path: Path) -> None:
    """It has been built in before, at other times, and its files have other modes."""
    same_time = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    one = build(ROOT, tmp_path / "one", env=same_time)
    other = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "deploy"):
        shutil.copytree(ROOT / name, other / name, ignore=ignored, copy_function=shutil.copyfile)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, other / name)
        (other / name).chmod(0o600)
    (other / "build" / "lib" / "orderflow").mkdir(parents=True)
    (other / "build" / "lib" / "orderflow" / "stale.py").touch()
    two = build(other, tmp_path / "two", env=same_time, umask=0o077)
    assert one.name == two.name
    assert sha256(one.read_bytes()).hexdigest() == sha256(two.read_bytes()).hexdigest()


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [installed / "bin" / "python", "-c", "import orderflow; print(orderflow.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert Path(told.stdout.strip()).is_relative_to(installed)


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
