"""Runs the checks of a port against an adapter, for our own and for everybody else's.

A check is a coroutine function whose name is the guarantee; it raises if the adapter breaks it.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from orderflow.fulfillment.parties import Adapter

CHECK_S_MAX = 120.0
CONCURRENT = 20


class NotConformant(Exception):
    """The adapter breaks a guarantee of the port."""


A = TypeVar("A", bound=Adapter)


def require(holds: bool, otherwise: str) -> None:
    """Raises NotConformant, which says what is true instead."""
    if not holds:
        raise NotConformant(otherwise)


async def words_of(call: Awaitable[object], expected: type[Exception]) -> str:
    """What the call that must fail with `expected` says. Raises NotConformant for every other outcome."""
    try:
        answered = await call
    except expected as error:
        return str(error)
    except Exception as error:
        raised = type(error).__name__
        raise NotConformant(f"raised as {raised}, not as {expected.__name__}: {error}") from error
    raise NotConformant(f"not raised as {expected.__name__}: the answer was {answered}")


async def wrong_with(check: Awaitable[None], tidy_up: Callable[[], Awaitable[None]]) -> str | None:
    """What the check found wrong, or None. Takes at most 120 s."""
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            try:
                await check
            finally:
                await tidy_up()
    except TimeoutError:
        return f"not done within {CHECK_S_MAX:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@dataclass(frozen=True)
class Suite(Generic[A]):
    """The checks of one port, as a command. `hopeless` makes one more check of what the party turns down for
    good, which only the caller can know; `what` is that, such as `a rejection`."""

    module: str
    file: str
    what: str
    checks: Sequence[Callable[[A], Awaitable[None]]]
    hopeless: Callable[[Mapping[str, object]], Callable[[A], Awaitable[None]]]
    run: Callable[[A, Callable[[A], Awaitable[None]]], Awaitable[str | None]]

    def main(self, arguments: Sequence[str]) -> int:
        """Run the checks against the adapter that the first argument names. The exit code is 0 when all
        pass, 1 when one fails, 2 for wrong use."""
        module, separator, name = arguments[0].partition(":") if arguments else ("", "", "")
        if not separator or len(arguments) > 2:
            return _wrong_use(f"usage: python -m {self.module} package.module:Class [{self.file}]")
        checks = list(self.checks)
        if len(arguments) == 2:
            try:
                hopeless: Any = json.loads(Path(arguments[1]).read_bytes())
                checks.append(self.hopeless(dict(hopeless)))
            except (OSError, ValueError, TypeError) as error:
                return _wrong_use(f"{arguments[1]} is no {self.file}: {error}")
        else:
            sys.stdout.write(
                f"skip  how {self.what} is raised: name a file with an order that leads to one\n"
            )

        async def within() -> int:
            return await self._run_all(getattr(importlib.import_module(module), name)(), checks)

        return asyncio.run(within())

    async def _run_all(self, adapter: A, checks: Sequence[Callable[[A], Awaitable[None]]]) -> int:
        failures = 0
        try:
            for check in checks:
                wrong = await self.run(adapter, check)
                failures += wrong is not None
                sentence = getattr(check, "__name__", "check").replace("_", " ")
                sys.stdout.write(
                    f"{'FAIL' if wrong else 'ok  '}  {sentence}{f': {wrong}' if wrong else ''}\n"
                )
        finally:
            await adapter.close()
        return 1 if failures else 0


def _wrong_use(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 2
