"""A real Prometheus with the rules of deploy/observability, which scrapes the roles of a test."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from processes import ask, eventually
from tests.ports import free_port

RULES = Path(__file__).parents[2] / "deploy" / "observability" / "rules.py"
SCRAPE_S = 2
"""A scrape may take as long, too. A role without its database answers after 1 s."""
POLL_S = 0.25
SCRAPED_S_MAX = 240.0
ALERT_S_MAX = 240.0


class Alert(NamedTuple):
    """An alert that fires. `of` is the job, part or kind that it names; empty if it names none."""

    name: str
    of: str = ""


class Server:
    """One process of Prometheus, with `prometheus.yaml` of the directory and these options besides. It speaks
    TLS if there is something to trust it by."""

    def __init__(
        self, binary: str, directory: Path, *options: str, trusted: ssl.SSLContext | None = None
    ) -> None:
        address = f"127.0.0.1:{free_port()}"
        self._url = f"{'https' if trusted else 'http'}://{address}"
        self._trusted = trusted
        self._output = directory / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={directory / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address={address}",
                    *options,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def ask(self, path: str) -> Any:
        """The data of an answer of its HTTP API."""
        answer = ask(f"{self._url}/api/v1/{path}", trusted=self._trusted)
        assert answer.status == 200, answer.body
        return answer.body["data"]

    def until_all_are_scraped(self) -> None:
        def all_up() -> bool:
            assert self._process.poll() is None, self._output.read_text()
            if ask(f"{self._url}/-/ready", trusted=self._trusted).status != 200:
                return False
            targets = self.ask("targets")["activeTargets"]
            return bool(targets) and all(target["health"] == "up" for target in targets)

        eventually(all_up, "Prometheus scrapes every role", SCRAPED_S_MAX)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class Prometheus(Server):
    """`roles` are the ports of what is scraped, by job without `orderflow-`. Every time span of the rules is
    multiplied by `scale`."""

    def __init__(self, binary: str, directory: Path, roles: Mapping[str, int], scale: float) -> None:
        jobs = [
            {"job_name": f"orderflow-{role}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for role, port in roles.items()
        ]
        scraped = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"}
        config = {"global": scraped, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
        directory.mkdir()
        write_rules(directory, scale)
        (directory / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML
        super().__init__(binary, directory)

    def firing(self) -> frozenset[Alert]:
        alerts = self.ask("alerts")["alerts"]
        return frozenset(
            Alert(
                labels["alertname"], next((labels[of] for of in ("kind", "part", "job") if of in labels), "")
            )
            for labels in (alert["labels"] for alert in alerts if alert["state"] == "firing")
        )

    def until(
        self, is_done: Callable[[frozenset[Alert], frozenset[Alert]], bool], what: str
    ) -> frozenset[Alert]:
        """Wait until `is_done` with the alerts that fire now, and with all that have fired in this wait.
        Returns the latter."""
        seen: frozenset[Alert] = frozenset()
        deadline = time.monotonic() + ALERT_S_MAX
        while time.monotonic() < deadline:
            now = self.firing()
            seen |= now
            if is_done(now, seen):
                return seen
            time.sleep(POLL_S)
        raise AssertionError(f"not within {ALERT_S_MAX:g} s: {what}; what fired: {sorted(seen)}")


def write_rules(directory: Path, scale: float) -> None:
    """Write `rules.yaml`, whose time spans are multiplied by this."""
    command = [sys.executable, RULES, "--scale", str(scale)]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    (directory / "rules.yaml").write_text(made.stdout)
