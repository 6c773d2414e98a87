"""What both parts need of this machine: its processes, its free ports, and programs run to their end."""

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0


class Failed(Exception):
    """Something a person must do first; the text says what."""


def say(text: str) -> None:
    """Progress goes to standard error: standard output is for the lines to export."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_private(path: Path, text: str) -> None:
    """Write a file that holds a password: no one else can read it at any moment."""
    path.touch(mode=0o600)
    path.write_text(text)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on.

    They lie below the range that outgoing connections use: in there, a client that reconnects to a stopped
    part could itself be given that part's port.
    """
    candidates = random.sample(range(15_000, 30_000), 1_000)
    found = [port for port in candidates if port_is_free(port)][:count]
    if len(found) < count:
        raise Failed("no free ports between 15000 and 30000")
    return found


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def require_free(name: str, *ports: int) -> None:
    for port in ports:
        if not port_is_free(port):
            raise Failed(
                f"port {port} of {name} is taken by another program: stop that one, "
                "or let `make services-clean` remove the data and draw new ports"
            )


def wait_for(what: str, condition: Callable[[], bool], seconds_max: float, log: Path | None = None) -> None:
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds_max:.0f} s" + (f"; see {log}" if log else ""))
        time.sleep(0.1)


def process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def arguments_of(process_id: int) -> list[str]:
    """The command line; empty when the process has ended, reaped or not."""
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def end(name: str, find: Callable[[], int | None], with_signal: signal.Signals) -> None:
    """Signal the process and wait until it has ended; after `STOP_SECONDS_MAX` it is killed."""
    process_id = find()
    if process_id is None:
        return
    say(f"Stopping {name}")
    for chosen in (with_signal, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, chosen)
        with contextlib.suppress(Failed):
            wait_for(f"{name} ends", lambda: find() != process_id, STOP_SECONDS_MAX)
            return
    raise Failed(f"{name} (process {process_id}) does not end")


def output_of(
    command: Sequence[str],
    *,
    environment: dict[str, str] | None = None,
    directory: Path | None = None,
    user: pwd.struct_passwd | None = None,
) -> str:
    """Run to the end, as `user` where given, and return standard output.

    Raises Failed with what it printed when its exit code is not 0, or when there is no such program.
    """
    other = user if user and user.pw_uid != os.geteuid() else None
    try:
        done = subprocess.run(  # noqa: S603 (the commands are written in this folder)
            command,
            env=environment,
            cwd=directory,
            user=other.pw_uid if other else None,
            group=other.pw_gid if other else None,
            extra_groups=[] if other else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failed(f"{command[0]} is missing") from error
    if done.returncode:
        raise Failed(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
