"""A real Prometheus as compose.observability.yaml has it, which scrapes the roles of a test."""

import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from processes import ask, eventually
from tests.ports import free_port

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
RULES_SCALE = 0.1
"""Every time span of the rules is multiplied by this."""


class DeployedPrometheus:
    """One process with the files of the deployment: it speaks TLS, and scrapes by HTTPS and with a key.
    `secrets` are those of compose.observability.yaml, `ports` those of the roles on this machine."""

    def __init__(self, binary: str, directory: Path, secrets: Path, ports: Mapping[str, int]) -> None:
        port = free_port()
        self._url = f"https://127.0.0.1:{port}"
        self._trusted = ssl.create_default_context(cafile=secrets / "prometheus" / "ca.pem")
        directory.mkdir()
        _write_files(directory, secrets / "prometheus", ports)
        self._output = directory / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={directory / 'prometheus.yaml'}",
                    f"--web.config.file={directory / 'web.yaml'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    "--enable-feature=exemplar-storage",
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

        eventually(all_up, "Prometheus scrapes every role", 120)

    def drawn(self, query: str, since: float) -> list[list[float]]:
        """The values of each series that a panel would draw, from Unix time `since` until now."""
        asked = {"query": query, "start": since, "end": time.time(), "step": 1}
        found = self.ask(f"query_range?{urllib.parse.urlencode(asked)}")["result"]
        return [[float(value) for _, value in series["values"]] for series in found]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _write_files(directory: Path, secrets: Path, ports: Mapping[str, int]) -> None:
    for name in ("prometheus.yaml", "web.yaml"):
        text = (OBSERVABILITY / "prometheus" / name).read_text()
        (directory / name).write_text(text.replace("/run/secrets", str(secrets)))
    configuration = yaml.safe_load((directory / "prometheus.yaml").read_text())
    configuration["global"] = {"scrape_interval": "5s", "scrape_timeout": "5s"}
    for job in configuration["scrape_configs"]:
        del job["dns_sd_configs"]
        port = ports[job["job_name"].removeprefix("orderflow-")]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    rules = [sys.executable, OBSERVABILITY / "rules.py", "--scale", str(RULES_SCALE)]
    made = subprocess.run(rules, capture_output=True, text=True, check=True)
    (directory / "rules.yaml").write_text(made.stdout)
