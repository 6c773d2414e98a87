"""How a process ends."""

import subprocess
import sys

SCRIPT = """
import sys, threading, time
from orderflow.__main__ import main

class Last:
    def __del__(self):
        print("finalized", flush=True)

last = Last()
if {daemon}:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
sys.argv = ["orderflow", {argument!r}]
main()
"""


def ended(argument: str, *, daemon: bool) -> tuple[int, bool]:
    """The exit code, and whether the interpreter was finalized."""
    script = SCRIPT.format(daemon=daemon, argument=argument)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    return done.returncode, "finalized" in done.stdout


def test_a_thread_that_may_still_call_python_does_not_meet_a_finalized_interpreter() -> None:
    assert ended("version", daemon=True) == (0, False)
    assert ended("no-such-command", daemon=True) == (2, False)


def test_without_such_a_thread_the_interpreter_is_finalized() -> None:
    assert ended("version", daemon=False) == (0, True)
