"""A Kafka broker for one test alone, for what must not happen to the broker that all tests share."""

import json
import shutil
import subprocess
import sys
import uuid
from base64 import b32encode
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "deploy" / "services" / "services.py"


class OwnBroker:
    """A broker, which is not running at first. `settings` are lines of `server.properties`."""

    def __init__(self, directory: Path, *settings: str) -> None:
        self._directory = directory
        self._settings = [argument for line in settings for argument in ("--kafka-setting", line)]

    @property
    def _choices(self) -> Path:
        return self._directory / "choices.json"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{json.loads(self._choices.read_text())['kafka_port']}"

    def start(self) -> None:
        self._run("start", "kafka", *self._settings)

    def kill(self) -> None:
        self._run("kill", "kafka")

    def lose_disks(self) -> None:
        """Delete its data while it does not run: the next start makes an empty cluster with another id at the
        same address."""
        shutil.rmtree(self._directory / "kafka" / "data")
        chosen = json.loads(self._choices.read_text())
        chosen["kafka_cluster_id"] = b32encode(uuid.uuid4().bytes).decode()[:22]
        self._choices.write_text(json.dumps(chosen))

    def close(self) -> None:
        self._run("clean")

    def _run(self, action: str, *arguments: str) -> None:
        command = [sys.executable, str(SERVICES), action, *arguments, "--directory", str(self._directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
