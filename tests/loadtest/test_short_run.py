"""The short form of `make loadtest`: k6 places orders while workers come, crash and come back, and every
order ends once. How fast it is does not matter here."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from loadtest import k6
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--only", "steady", "--seconds", "15", "--rate", "30", "--p95-ms", "0", "--drain-s", "120")


@pytest.mark.timeout(400)
def test_orders_that_come_while_workers_join_crash_and_return_each_end_once(
    postgres_url: str, kafka_url: str, tmp_path: Path
) -> None:
    if k6.program() is None:
        missing("k6", "`make .venv/.k6` builds it, with Go")
    command = [sys.executable, "-m", "loadtest", *SHORT, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = {what: holds for what, _, holds in json.loads((tmp_path / "verdicts.json").read_text())}
    assert all(verdicts.values())
    assert {"each order has ended", "each order answered with 201 is stored"} < verdicts.keys()
    assert sum(what.endswith("all partitions are read again") for what in verdicts) == 4
    report = (tmp_path / "report.md").read_text()
    for chart in tmp_path.glob("load-*.svg"):
        assert f"({chart.name})" in report
        ET.fromstring(chart.read_text())  # noqa: S314 - our own
    assert len(list(tmp_path.glob("load-*.svg"))) == 7
