"""Starts processes, measures what they and the servers cost, and makes sure that they end."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_SECONDS_MAX = 20.0
START_SECONDS_MAX = 60.0

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """The run cannot go on; the text says why and what to do."""


def end_on_sigterm() -> None:
    """From now on SIGTERM ends this program as an exception does, so that it ends what it has started."""
    signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def die_with_parent() -> None:
    """Runs in a new child: the kernel will kill it when the benchmark ends, however that ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Processes:
    """All processes that one measurement starts. Leaving the block stops them with SIGTERM, and with SIGKILL
    those that take longer than 20 s."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for process in self._running:
                process.terminate()
            deadline = time.monotonic() + STOP_SECONDS_MAX
            for process in self._running:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what is left of its group
                process.wait()

    def start(
        self,
        command: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own; its output goes to `name`.log of this run."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**_plain_environment(), **(env or {})},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._running.append(process)
        return process

    def stop(self, pid: int) -> None:
        """End one of them."""
        process = next(process for process in self._running if process.pid == pid)
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
        self._running.remove(process)

    def kill(self, pid: int) -> None:
        """End one of them at once, as a crash does."""
        process = next(process for process in self._running if process.pid == pid)
        process.kill()
        process.wait(STOP_SECONDS_MAX)
        self._running.remove(process)

    def check(self) -> None:
        """Raises BenchError when one of them has ended."""
        if any(process.poll() is not None for process in self._running):
            raise BenchError(f"a process ended by itself: see the logs in {self._logs}")

    def wait_until_ready(self, url: str) -> None:
        """Wait until the URL answers 200. Raises BenchError if a process ends first or it takes too long."""

        def answers() -> bool:
            self.check()
            try:
                with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own http URL
                    return bool(answer.status == 200)
            except (URLError, OSError):
                return False

        wait_for(answers, START_SECONDS_MAX, f"{url} to answer")


def _plain_environment() -> dict[str, str]:
    """Our environment without Orderflow's settings: each measurement names all that it needs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}


def wait_for(condition: Callable[[], bool], seconds_max: float, what: str, *, pause_s: float = 0.05) -> None:
    """Raises BenchError when the condition is not met in time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds_max:g} s for {what}")
        time.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    cpu_s: float


def _all_processes() -> dict[int, _Stat]:
    """The processes with their CPU seconds, which include those of children they have reaped (proc(5),
    stat)."""
    found: dict[int, _Stat] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            ticks = sum(int(field) for field in fields[11:15])
            found[int(directory.name)] = _Stat(int(fields[1]), ticks / TICKS_PER_S)
    return found


def _tree(roots: Sequence[int], processes: Mapping[int, _Stat]) -> set[int]:
    tree = {pid for pid in roots if pid in processes}
    while more := {pid for pid, stat in processes.items() if stat.parent in tree} - tree:
        tree |= more
    return tree


def cpu_by_process(roots: Sequence[int]) -> dict[int, float]:
    """The CPU seconds of each process in the trees."""
    processes = _all_processes()
    return {pid: processes[pid].cpu_s for pid in _tree(roots, processes)}


def peak_rss_mb(root: int) -> float:
    """The largest peak resident size of one process in the tree, in MB of 10^6 bytes."""
    peaks = [0.0]
    for pid in _tree([root], _all_processes()):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        peaks += [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")]
    return max(peaks)


def _machine_busy_s() -> float:
    """CPU seconds that the machine was not idle since boot, without what a hypervisor took."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = (
        int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / TICKS_PER_S


class Meter:
    """CPU of named parts, of the load generator and of everything else, over a time."""

    def __init__(self, parts: Mapping[str, Sequence[int]]) -> None:
        self._parts = parts
        self._before = self._read()
        self._began = time.monotonic()

    def _read(self) -> dict[str, float]:
        processes = _all_processes()
        cpu = {
            name: sum(processes[pid].cpu_s for pid in _tree(roots, processes))
            for name, roots in self._parts.items()
        }
        own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu["load"] = sum(usage.ru_utime + usage.ru_stime for usage in own)
        return {**cpu, "machine": _machine_busy_s()}

    def read(self) -> dict[str, float]:
        """CPU seconds per part since the meter was made, and `others`, the share of the machine's CPUs that
        none of the parts used. Load generators count once they are reaped, not while they run."""
        now = self._read()
        spent = {name: now[name] - self._before[name] for name in now}
        machine = spent.pop("machine")
        capacity = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return {**spent, "others": max(0.0, (machine - sum(spent.values())) / capacity)}


def run(command: Sequence[str], *, seconds_max: float, **options: Any) -> str:
    """Run a program to its end and return its standard output. Raises BenchError."""
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            preexec_fn=die_with_parent,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{Path(command[0]).name} did not end within {seconds_max:g} s") from None
    except (subprocess.CalledProcessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise BenchError(f"{Path(command[0]).name} failed: {said.strip().splitlines()[-1][-500:]}") from None
    return str(done.stdout)
