"""Processes of the product: they are started, stopped and killed, and started again when they end, as by a
container's restart policy."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.history import Death

RESTART_PAUSE_S = 0.2
RESTART_S_MAX = 20.0
DRAIN_S_MAX = 17.0
TAIL_LINES = 6
ANNOUNCEMENTS = (b"http://127.0.0.1:", b"Relay: running")
LINE_BYTES_MAX = 4 * 1024 * 1024
ENDS_WITH_THE_RUN = ("setpriv", "--pdeathsig", "KILL", "--")
"""Ensures that no role outlives the run, however the run ends."""
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Role:
    """One process of `python -m orderflow`. `deaths` gets the ends of it that no injected fault explains."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        deaths: list[Death],
    ) -> None:
        self.name = name
        self.faulted = asyncio.Lock()
        """Held by the one fault that works on this role."""
        self._arguments = arguments
        self._environment = dict(environment)
        self._directory = directory
        self._deaths = deaths
        self._process: asyncio.subprocess.Process | None = None
        self._expected: set[int] = set()
        self._began = asyncio.Event()
        self._announced = False
        self._keep = True
        self._killed: int | None = None
        self._armed: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    def start(self) -> None:
        self._keep = True
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Start the process again whenever it ends, for as long as it is wanted."""
        while self._keep:
            environment = {**_clean_environment(), **self._environment}
            if self._armed is not None:
                environment["ORDERFLOW_TEST_CRASH_POINT"] = self._armed
            self._armed = None
            self._announced = False
            self._process = process = await asyncio.create_subprocess_exec(
                *(*ENDS_WITH_THE_RUN, sys.executable, "-m", "orderflow", *self._arguments),
                env=environment,
                cwd=self._directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                limit=LINE_BYTES_MAX,
            )
            self._began.set()
            if "ORDERFLOW_TEST_CRASH_POINT" in environment:
                self._expected.add(process.pid)
            await self._copy_output(process)
            code = await process.wait()
            if process.pid not in self._expected:
                self._deaths.append(Death(self.name, code, " | ".join(self._tail)))
            self._expected.discard(process.pid)
            await asyncio.sleep(RESTART_PAUSE_S)

    async def _copy_output(self, process: asyncio.subprocess.Process) -> None:
        """Output goes through a pipe, so that a full disk hits what the process stores and not what it
        logs."""
        if process.stdout is None:
            return
        self._tail.clear()
        with (self._directory / f"{self.name}.log").open("ab") as file:
            while line := await process.stdout.readline():
                self._announced = self._announced or any(text in line for text in ANNOUNCEMENTS)
                self._tail.append(line.decode(errors="replace").strip()[:400])
                file.write(line)

    async def until_running(self) -> None:
        """Wait until the process runs: another fault may have ended it. Raises TimeoutError."""
        async with asyncio.timeout(RESTART_S_MAX):
            while self.pid is None:  # noqa: ASYNC110 (there is no event for a process that runs already)
                await asyncio.sleep(0.05)

    async def until_announced(self) -> None:
        """Wait until the process logs that it runs. Raises TimeoutError."""
        async with asyncio.timeout(RESTART_S_MAX):
            while self.pid is None or not self._announced:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> bool:
        """Send the signal; False if there was no process."""
        pid = self.pid
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def kill(self) -> bool:
        if self.pid is not None:
            self._expected.add(self.pid)
            self._killed = self.pid
        return self.send(signal.SIGKILL)

    async def until_ended(self, seconds_max: float) -> bool:
        """Wait until the process that runs now has ended; False if it has not in time."""
        process = self._process
        if process is None:
            return True
        try:
            async with asyncio.timeout(seconds_max):  # wait_for of Python 3.11 may swallow a cancellation
                await process.wait()
        except TimeoutError:
            return False
        return True

    def reconfigure(self, settings: Mapping[str, str]) -> None:
        """From its next start, the process has these settings."""
        self._environment |= settings

    async def restart(self, *, armed: str | None = None) -> None:
        """Drain and start again, with a crash point if `armed`. If draining takes too long, it is a death."""
        await self._end()
        self._armed = armed
        self._began.clear()
        await self._began.wait()

    async def stop(self) -> None:
        """Drain, and do not start again."""
        self._keep = False
        while self._task is not None and not self._task.done():
            await self._end()
            await asyncio.wait([self._task], timeout=0.5)

    async def take_down(self) -> None:
        """Kill, and do not start again before `start`."""
        self._keep = False
        while self._task is not None and not self._task.done():
            self.kill()
            await asyncio.wait([self._task], timeout=0.1)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._expected.add(process.pid)
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        if not await self.until_ended(DRAIN_S_MAX):
            self._deaths.append(Death(self.name, 0, f"SIGTERM was not obeyed in {DRAIN_S_MAX:.0f} s"))
            self.send(signal.SIGKILL)
            await process.wait()
            return
        code = await process.wait()
        # Another fault may have killed the process while it drained. And until it logs that it runs, it has
        # nothing to drain, so the signal may simply end it.
        killed = code == -signal.SIGKILL and self._killed == process.pid
        if code != 0 and not killed and not (code == -signal.SIGTERM and not self._announced):
            self._deaths.append(Death(self.name, code, f"drain: {' | '.join(self._tail)}"))

    def limit_file_size(self, bytes_max: int | None) -> None:
        """From now on no file grows beyond this, which is like a full disk. None lifts the limit."""
        if self.pid is not None:
            limit_file_size(self.pid, bytes_max)

    def rss_mib(self) -> float:
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_MIB
        except (OSError, IndexError, ValueError):
            return 0.0


def limit_file_size(pid: int, bytes_max: int | None) -> None:
    """Change only the soft limit, as the user of that process: neither lowering nor raising it again needs a
    privilege."""
    soft = "unlimited" if bytes_max is None else str(bytes_max)
    with contextlib.suppress(FileNotFoundError, subprocess.CalledProcessError):
        owner = Path(f"/proc/{pid}").stat().st_uid
        command = ["prlimit", "--pid", str(pid), f"--fsize={soft}:"]
        other = owner if owner != os.geteuid() else None
        subprocess.run(command, user=other, check=True, capture_output=True)


def _clean_environment() -> dict[str, str]:
    """The environment without the settings of whoever runs the tests: these must not reach the product."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
