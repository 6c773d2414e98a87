"""Real PostgreSQL and real Kafka for development and tests, as plain processes of this machine.

    services.py start [postgres] [kafka]   start what does not run, wait until it answers, print the exports
    services.py stop  [postgres] [kafka]   stop; data and ports stay
    services.py kill  [postgres] [kafka]   SIGKILL, as a crash would; the next start recovers the data
    services.py clean                      stop and remove the data
    services.py env                        print the exports of the parts that answer now

Everything lies in `.services/` of the checkout; `.services/env` holds the lines to export. Ports and password
are drawn once and kept, so that clients outlive a restart. No pid file of ours can go stale: a running part
is known by its command line, which names its own directory. Linux and the standard library only.
Exit codes: 0 done, 1 failed, 2 wrong use.
"""

import argparse
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import signal
import stat
import sys
import uuid
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path

from broker import Kafka
from machine import Failed, free_ports, say, write_private
from postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / ".services"
CHOICES = SERVICES / "choices.json"
ENV = SERVICES / "env"

Part = Postgres | Kafka


@dataclass(frozen=True)
class Choices:
    """What is drawn at the first start and kept until `clean`."""

    postgres_home: str
    postgres_port: int
    postgres_password: str
    kafka_port: int
    kafka_controller_port: int
    kafka_cluster_id: str


def choices() -> Choices:
    if CHOICES.exists():
        return Choices(**json.loads(CHOICES.read_text()))
    postgres_port, kafka_port, kafka_controller_port = free_ports(3)
    drawn = Choices(
        postgres_home=str(home_of_postgres()),
        postgres_port=postgres_port,
        postgres_password=secrets.token_urlsafe(18),
        kafka_port=kafka_port,
        kafka_controller_port=kafka_controller_port,
        kafka_cluster_id=urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
    )
    write_private(CHOICES, json.dumps(asdict(drawn), indent=2) + "\n")
    return drawn


def home_of_postgres() -> Path:
    """In `.services`, relative, so that the checkout may move with it.

    As root PostgreSQL runs as another user; where that one cannot reach the checkout, its home is below
    `/var/lib`, which unlike `/tmp` outlives a reboot.
    """
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in SERVICES.parents)
    if os.geteuid() != 0 or reachable:
        return Path("postgres")
    digest = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return Path("/var/lib/orderflow-services") / f"{ROOT.name}-{digest}"


def parts_of(chosen: Choices) -> dict[str, Part]:
    postgres = Postgres(SERVICES / chosen.postgres_home, chosen.postgres_port, chosen.postgres_password)
    ports = (chosen.kafka_port, chosen.kafka_controller_port)
    kafka = Kafka(SERVICES / "kafka", SERVICES / "kafka-libs", *ports, chosen.kafka_cluster_id)
    return {"postgres": postgres, "kafka": kafka}


def start(parts: list[Part]) -> None:
    """Start all, or none when something is not installed."""
    if missing := [line for part in parts for line in part.missing()]:
        raise Failed("\n".join(missing))
    for part in parts:
        part.start()


def write_exports(parts: list[Part]) -> str:
    """The lines for the parts that answer, as `.services/env` now holds them."""
    pairs = {name: value for part in parts if part.answers() for name, value in part.exports().items()}
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in pairs.items())
    write_private(ENV, lines)
    return lines


def act(action: str, names: list[str]) -> None:
    if action != "start" and not CHOICES.exists():
        return  # nothing was ever started
    parts = parts_of(choices())
    wanted = [part for name, part in parts.items() if not names or name in names]
    if action == "start":
        start(wanted)
    elif action != "env":
        for part in wanted:
            part.stop(signal.SIGKILL if action == "kill" else signal.SIGTERM)
    if action == "clean":
        for part in wanted:
            part.remove()
        ENV.unlink(missing_ok=True)
        CHOICES.unlink()
        return
    lines = write_exports(list(parts.values()))
    if action in {"start", "env"}:
        sys.stdout.write(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Real PostgreSQL and Kafka for development and tests.")
    parser.add_argument("action", choices=["start", "stop", "kill", "clean", "env"])
    parser.add_argument("parts", nargs="*", metavar="postgres|kafka", help="both when none is named")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {"postgres", "kafka"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if arguments.action in {"clean", "env"} and arguments.parts:
        parser.error(f"{arguments.action} is about both parts")
    os.umask(0o022)  # the user that runs PostgreSQL passes through what is made here
    SERVICES.mkdir(exist_ok=True)
    with (SERVICES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            act(arguments.action, arguments.parts)
        except Failed as failure:
            say(str(failure))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
