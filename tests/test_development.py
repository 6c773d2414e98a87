"""What a developer runs: services under random names that are no options, and skips in few lines."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
    assert reason == "no PostgreSQL: run `make services`; `make test` then finds it by itself"
    assert len(done.stdout.splitlines()) < 8
