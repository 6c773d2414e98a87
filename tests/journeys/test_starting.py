"""A wrong setting is reported in one line that names it, before anything is announced; the rest works."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from processes import StartRole, ask, eventually
from tests.ports import free_port

EMBEDDED = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "0-0"}


def run(role: str, directory: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {**EMBEDDED, "DATABASE_WAIT_S": "0", "LOG_LEVEL": "ERROR", **settings}
    return subprocess.run(
        [sys.executable, "-m", "orderflow", role],
        env={**os.environ, **{f"ORDERFLOW_{name}": value for name, value in environment.items()}},
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:port/d"),
        ("DATABASE_URL", "oracle://u:s3cret@h/d"),
        ("FULFILLMENT_DATABASE_URL", "postgresql://u:s3cret@127.0.0.1/d?pasword=s3cret"),
        ("FULFILLMENT_DATABASE_URL", "sqlite:////dev/null/x.db"),
        ("DATABASE_URL", "sqlite:////proc/x.db"),
        ("CARRIER_URL", "http://u:s3cret@carrier:1/"),
        ("CARRIER_URL", "http://carrier:port/"),
        ("CARRIER_DELAY_MS", "0-9999999"),
        ("CARRIER_DELAY_MS", "9-1"),
        ("CARRIER_SEED", "9" * 70),
        ("CARRIER", "no.such.module:Class"),
        ("DATA_DIR", "/proc/nowhere"),
        ("DATA_DIR", "/dev/null"),
        ("HOST", "no such host"),
        ("BUS_URL", "kafka://u:s3cret@h"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_exit_code_2(
    tmp_path: Path, variable: str, value: str
) -> None:
    done = run("up", tmp_path, **{variable: value})
    assert (done.returncode, done.stdout) == (1 if variable == "HOST" else 2, "")
    (line,) = done.stderr.splitlines()
    assert f"ORDERFLOW_{variable}" in line
    assert "s3cret" not in line


def test_tables_of_another_application_are_told_with_the_setting(tmp_path: Path) -> None:
    for table in ("orders", "outbox"):
        file = sqlite3.connect(tmp_path / f"{table}.db")
        file.execute(f"CREATE TABLE {table} (theirs)")
        file.close()
        done = run("up", tmp_path, DATABASE_URL=f"sqlite:///{table}.db")
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("ORDERFLOW_DATABASE_URL: ")
        assert table in line


def test_two_services_with_one_file_are_told_so(tmp_path: Path) -> None:
    (tmp_path / ".orderflow").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / ".orderflow" / "orders.db")
    for file in (".orderflow/orders.db", ".orderflow/events.db", f"{tmp_path}/link.db"):
        done = run("up", tmp_path, FULFILLMENT_DATABASE_URL=f"sqlite:///{file}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "ORDERFLOW_FULFILLMENT_DATABASE_URL: " in done.stderr
        assert "used for something else" in done.stderr


def test_a_second_up_on_the_same_file_is_refused_whatever_its_data_directory(
    start: StartRole, tmp_path: Path
) -> None:
    file = f"sqlite:///{tmp_path}/shared.db"
    start("up", **EMBEDDED, DATABASE_URL=file, DATA_DIR=str(tmp_path / "one")).url()
    done = run("up", tmp_path, DATABASE_URL=file, DATA_DIR=str(tmp_path / "two"))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "another Orderflow process already uses" in line


@pytest.mark.parametrize("name", ["a?b#c", "100% sure", "ä € 𝕏", "it's"])
def test_the_data_directory_may_be_called_anything(start: StartRole, tmp_path: Path, name: str) -> None:
    role = start("up", **EMBEDDED, DATA_DIR=str(tmp_path / name))
    place(role.url())
    assert role.stop() == 0
    assert {"orders.db", "fulfillment.db", "events.db"} <= {f.name for f in (tmp_path / name).iterdir()}
    environment = {**os.environ, "ORDERFLOW_DATA_DIR": str(tmp_path / name)}
    check = [sys.executable, "-m", "orderflow", "config", "check"]
    done = subprocess.run(check, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def place(url: str) -> None:
    order = {
        "customer": {"customerId": "c-1", "name": "Ada"},
        "items": [{"productId": "p-1", "quantity": 1}],
    }
    assert ask(f"{url}/api/orders", method="POST", body=order).status == 201


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_the_host_of_two_colons_is_every_address_of_both_families(start: StartRole) -> None:
    port = free_port()
    start("up", **{**EMBEDDED, "HOST": "::", "PORT": str(port), "ENV": "dev", "AUTH": "off"})
    for host in ("127.0.0.1", "[::1]"):
        ready = f"http://{host}:{port}/health/ready"
        eventually(lambda ready=ready: ask(ready).status == 200, f"{ready} answers")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_a_data_directory_of_somebody_else_is_one_line() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        theirs = Path(directory) / "data"
        theirs.mkdir(mode=0o700)
        settings = {**EMBEDDED, "DATA_DIR": str(theirs)}
        program = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "orderflow", "up"]
        environment = {**os.environ, **{f"ORDERFLOW_{name}": value for name, value in settings.items()}}
        done = subprocess.run(
            program, env=environment, cwd=directory, capture_output=True, text=True, check=False, timeout=60
        )
    if "No module named" in done.stderr or "Permission denied: '/" in done.stderr.split("ORDERFLOW")[0]:
        pytest.skip("that user cannot read the program")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"ORDERFLOW_DATA_DIR: {theirs} cannot be used: Permission denied"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@127.0.0.1:9/d",
        "postgresql://u@127.0.0.1:9/d?password=s3cret",
        "postgresql://u:s3cret@127.0.0.1:9,localhost:9/d?sslpassword=s3cret",
    ],
)
def test_a_password_is_shown_nowhere(tmp_path: Path, url: str) -> None:
    settings = {
        "DATABASE_URL": url,
        "ORDERS_URL": "http://u:s3cret@127.0.0.1:9",
        "FULFILLMENT_URL": "http://127.0.0.1:9/?token=s3cret",
        "BUS_URL": "kafka://u:s3cret@127.0.0.1:9",
        "LOG_LEVEL": "DEBUG",
    }
    environment = {**os.environ, **{f"ORDERFLOW_{name}": value for name, value in settings.items()}}
    for arguments in (
        ["config", "show"],
        ["config", "show", "--json"],
        ["config", "check"],
        ["migrate"],
        ["up"],
        ["api"],
        ["orders", "list"],
        ["dead-letters", "list"],
        ["health"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "orderflow", *arguments],
            env={**environment, "ORDERFLOW_DATABASE_WAIT_S": "0"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "s3cret" not in done.stdout + done.stderr, arguments
        assert "Traceback" not in done.stderr, arguments
