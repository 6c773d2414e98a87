"""The PostgreSQL and Kafka of one run: started by `deploy/services`, attacked, and removed when it ends."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.faults import Fault, NotInjected
from tests.faults.roles import limit_file_size

SERVICES = Path(__file__).resolve().parents[2] / "deploy" / "services" / "services.py"
DISK_FULL_BYTES = 1024 * 1024
ENDS_S_MAX = 60.0
DISK_FULL_S = 4.0
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A broker that shares few cores with everything else starts faster without its second compiler."""


class Services:
    """PostgreSQL and Kafka, in a directory of their own. A run may start only one of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.postgres = Server("postgres", self._postgres_pids, self.start)
        self.kafka = Server("kafka", self._kafka_pids, self.start)
        self._cleaner: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> dict[str, str]:
        """Start those of the servers that do not run: the named ones, or both. Returns the settings that the
        roles need. Raises RuntimeError."""
        if self._cleaner is None:
            self._cleaner = await self._clean_up_at_the_end()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SERVICES), "start", *arguments, "--directory", str(self.directory)),
            env={**os.environ, "JAVA_TOOL_OPTIONS": QUICK_JVM},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"services.py start: {errors.decode()[-2000:]}")
        lines = [line.removeprefix("export ").split("=", 1) for line in output.decode().splitlines()]
        return {name: value.strip("'") for name, value in lines}

    async def clean(self) -> None:
        """Stop what was started and remove its data. Raises RuntimeError."""
        cleaner = self._cleaner
        if cleaner is None or cleaner.stdin is None:
            return
        cleaner.stdin.close()
        if await cleaner.wait() != 0:
            raise RuntimeError("the servers of the run could not be removed")

    async def _clean_up_at_the_end(self) -> asyncio.subprocess.Process:
        """Start a process that waits for the end of its input and then removes both servers. The input ends
        with the run, even if the run is killed."""
        clean = (sys.executable, str(SERVICES), "clean", "--directory", str(self.directory))
        return await asyncio.create_subprocess_exec(
            *("sh", "-c", 'cat; exec "$@"', "sh", *clean),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    def _postgres_pids(self) -> list[int]:
        """The postmaster, then its children."""
        try:
            first = int((self._postgres_home() / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return []
        if not Path(f"/proc/{first}").exists():
            return []
        return [first, *(pid for pid in _process_ids() if _parent_of(pid) == first)]

    def _postgres_home(self) -> Path:
        """The place that services.py chose: its directory, or one that the user who runs PostgreSQL can
        reach."""
        choices = json.loads((self.directory / "choices.json").read_text())
        return self.directory / choices["postgres_home"]

    def _kafka_pids(self) -> list[int]:
        wanted = str(self.directory / "kafka" / "server.properties")
        return [pid for pid in _process_ids() if _arguments_of(pid)[-2:] == ["kafka.Kafka", wanted]]


class Server:
    """PostgreSQL or Kafka. `find` gives its process ids, of which `kill` hits the first. `start` starts the
    server again and returns when it answers."""

    def __init__(
        self, name: str, find: Callable[[], list[int]], start: Callable[[str], Awaitable[object]]
    ) -> None:
        self.faulted = asyncio.Lock()
        """Held by the one fault that works on this server."""
        self._name = name
        self._find = find
        self._start = start

    def kill(self, number: signal.Signals) -> Fault:
        """End it at once and start it again; for PostgreSQL SIGQUIT is the immediate shutdown."""

        async def inject(_draw: random.Random) -> str:
            async with self.faulted:
                self._signal(number, only_first=True)
                await self._start(self._name)
            return self._name

        return inject

    def restart(self) -> Fault:
        """As for an upgrade or a new setting: PostgreSQL cuts its sessions, ends and is started again."""

        async def inject(_draw: random.Random) -> str:
            async with self.faulted:
                self._signal(signal.SIGINT, only_first=True)
                async with asyncio.timeout(ENDS_S_MAX):
                    while self._find():  # noqa: ASYNC110 - another program ends
                        await asyncio.sleep(0.05)
                await self._start(self._name)
            return self._name

        return inject

    def away(self, seconds: tuple[float, float]) -> Fault:
        """Kill it, and let it stay down for a while: longer than anybody asks for the outcome of a COMMIT in
        doubt."""

        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*seconds)
            async with self.faulted:
                self._signal(signal.SIGKILL, only_first=True)
                await asyncio.sleep(duration_s)
                await self._start(self._name)
            return f"for {duration_s:.1f} s"

        return inject

    def stop(self, seconds: tuple[float, float]) -> Fault:
        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*seconds)
            async with self.faulted:
                self._signal(signal.SIGSTOP)
                try:
                    await asyncio.sleep(duration_s)
                finally:
                    with contextlib.suppress(NotInjected):
                        self._signal(signal.SIGCONT)
            return f"for {duration_s:.1f} s"

        return inject

    def disk_full(self) -> Fault:
        """Set a quota on the size of its files for a while. If the server gives up, it is started again."""

        async def inject(_draw: random.Random) -> str:
            async with self.faulted:
                for pid in self._find():
                    limit_file_size(pid, DISK_FULL_BYTES)
                await asyncio.sleep(DISK_FULL_S)
                survived = bool(self._find())
                for _ in range(2):  # processes that were forked meanwhile inherited the limit
                    for pid in self._find():
                        limit_file_size(pid, None)
                await self._start(self._name)
            return f"for {DISK_FULL_S:.0f} s, {'survived' if survived else 'gave up'}"

        return inject

    def _signal(self, number: signal.Signals, *, only_first: bool = False) -> None:
        pids = self._find()
        if not pids:
            raise NotInjected(f"{self._name} was not running")
        for pid in pids[:1] if only_first else pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
