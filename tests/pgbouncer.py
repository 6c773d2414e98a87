"""A real PgBouncer in transaction mode, in front of a real PostgreSQL."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.ports import free_port

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
STARTS_S_MAX = 20.0
RUNS_AS = "nobody"
"""The user for PgBouncer if tests run as root, because it refuses to run as root."""


class PgBouncer:
    """A pooler for every database of the server of `url`, until closed.

    `ignores_options`: start-up parameters are ignored, not refused. `settings`: lines of its configuration.
    """

    def __init__(
        self, url: str, *, port: int | None = None, ignores_options: bool = False, settings: str = ""
    ) -> None:
        # This is not in pytest's directory, which the user that PgBouncer runs as could not reach.
        self._directory = Path(tempfile.mkdtemp(prefix="orderflow-pgbouncer-"))
        self._url = urlsplit(url)
        self.port = port or free_port()
        self._configure(ignores_options, settings)
        self.start()

    def url(self, database_url: str) -> str:
        """The same database, reached through the pooler."""
        parts = urlsplit(database_url)
        return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}").geturl()

    def start(self) -> None:
        if BINARY is None:
            raise RuntimeError("no PgBouncer: install Debian's package pgbouncer")
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                # PgBouncer ends with the process that started it, even if that is killed.
                ["setpriv", "--pdeathsig", "KILL", BINARY, str(self._directory / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=RUNS_AS if os.geteuid() == 0 else None,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_S_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self.process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self._directory)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def log_file(self) -> Path:
        return self._directory / "output.log"

    def _configure(self, ignores_options: bool, settings: str) -> None:
        url = self._url
        user, password = unquote(url.username or ""), unquote(url.password or "")
        users = self._directory / "users.txt"
        users.write_text(f'"{user}" "{password}"\n')
        ignored = "extra_float_digits" + (",options" if ignores_options else "")
        (self._directory / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={url.hostname} port={url.port or 5432}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 8
max_client_conn = 500
server_login_retry = 1
query_wait_timeout = 5
ignore_startup_parameters = {ignored}
{settings}
"""
        )
        self._directory.chmod(0o755)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(RUNS_AS).pw_uid
            for file in (users, self._directory / "pgbouncer.ini"):
                os.chown(file, owner, -1)
        users.chmod(0o600)
