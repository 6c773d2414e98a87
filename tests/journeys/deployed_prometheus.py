"""A real Prometheus as compose.observability.yaml has it, which scrapes the roles of a test."""

import ssl
import time
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import yaml
from prometheus import Server, write_rules

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
RULES_SCALE = 0.1
"""Every time span of the rules is multiplied by this."""


class DeployedPrometheus(Server):
    """It has the files of the deployment: it speaks TLS, and scrapes by HTTPS and with a key. `secrets` are
    those of compose.observability.yaml, `ports` those of the roles on this machine."""

    def __init__(self, binary: str, directory: Path, secrets: Path, ports: Mapping[str, int]) -> None:
        directory.mkdir()
        _write_files(directory, secrets / "prometheus", ports)
        super().__init__(
            binary,
            directory,
            f"--web.config.file={directory / 'web.yaml'}",
            "--enable-feature=exemplar-storage",
            trusted=ssl.create_default_context(cafile=secrets / "prometheus" / "ca.pem"),
        )

    def drawn(self, query: str, since: float) -> list[list[float]]:
        """The values of each series that a panel would draw, from Unix time `since` until now."""
        asked = {"query": query, "start": since, "end": time.time(), "step": 1}
        found = self.ask(f"query_range?{urllib.parse.urlencode(asked)}")["result"]
        return [[float(value) for _, value in series["values"]] for series in found]


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
    write_rules(directory, RULES_SCALE)
