"""Circuit breaker (Nygard, "Release It!"): a part that is down is asked by one probe, not by everybody.

    closed ── 5 failures in a row ──▶ open ── 0.5 s ──▶ half-open: one probe ──▶ closed | open

It stays open for longer if the part has asked for that. It is used from one event loop, so it needs no lock.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog

from orderflow.runtime.health import Degraded

log = structlog.get_logger()

FAILURES_MAX = 5
OPEN_S = 0.5
"""Short and constant: the first probe that succeeds lets fresh work through, whatever failed before it."""


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """Permission for one call, to be given back with the call's outcome."""

    is_probe: bool


_ORDINARY = Permit(is_probe=False)


class CircuitBreaker:
    """One part's circuit. Decisions use `monotonic`, in seconds; `clock` is wall time, for people.

    Only the probe's outcome changes a circuit that is not closed: calls that began before it opened say
    nothing about the part as it is now.
    """

    def __init__(self, part: str, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._part = part
        self._clock = clock
        self._monotonic = monotonic
        self._circuit = Circuit.CLOSED
        self._failures = 0
        self._probe_at_s = 0.0
        self._probe: Permit | None = None
        self._trouble: Degraded | None = None

    @property
    def circuit(self) -> Circuit:
        return self._circuit

    @property
    def trouble(self) -> Degraded | None:
        """Why the circuit is not closed, and since when."""
        return self._trouble

    @property
    def wait_s(self) -> float:
        """Seconds during which no permit will be given, unless an outcome comes first; 0 if one is
        available."""
        if self._circuit is Circuit.OPEN:
            return max(0.0, self._probe_at_s - self._monotonic())
        return 0.0 if self._circuit is Circuit.CLOSED else OPEN_S

    def permit(self) -> Permit | None:
        """Permission for one call, or None: the call must wait, and does not count as failed."""
        if self._circuit is Circuit.CLOSED:
            return _ORDINARY
        if self._circuit is Circuit.HALF_OPEN or self._monotonic() < self._probe_at_s:
            return None
        self._probe = Permit(is_probe=True)
        self._change(Circuit.HALF_OPEN)
        return self._probe

    def succeeded(self, permit: Permit) -> None:
        """The part answered, whatever it said."""
        if permit is self._probe:
            self._probe = None
            self._trouble = None
            self._change(Circuit.CLOSED, seen=True)
        if self._circuit is Circuit.CLOSED:
            self._failures = 0

    def failed(self, permit: Permit, reason: str, *, retry_after_s: float = 0.0) -> None:
        """The part gave no answer that can be relied on. If the circuit opens, no probe is sent before
        `retry_after_s`."""
        if permit is self._probe:
            self._open(reason, retry_after_s)
        elif self._circuit is Circuit.CLOSED:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._open(reason, retry_after_s)

    def abandoned(self, permit: Permit) -> None:
        """The call was never made, or its outcome will not be known. If it was the probe, another may go at
        once."""
        if permit is self._probe:
            self._probe = None
            self._probe_at_s = self._monotonic()
            self._change(Circuit.OPEN)

    def _open(self, reason: str, retry_after_s: float) -> None:
        self._probe = None
        self._probe_at_s = self._monotonic() + max(OPEN_S, retry_after_s)
        since = self._trouble.since if self._trouble else self._clock()
        first = self._trouble is None
        self._trouble = Degraded(self._part, reason[:1000], since)
        self._change(Circuit.OPEN, seen=first)

    def _change(self, circuit: Circuit, *, seen: bool = False) -> None:
        """`seen`: people must see this change. Two probes a second would fill the log in a long outage."""
        self._circuit = circuit
        level = logging.DEBUG
        if seen:
            level = logging.INFO if circuit is Circuit.CLOSED else logging.WARNING
        reason = self._trouble.reason if self._trouble else None
        log.log(level, "circuit.changed", part=self._part, circuit=circuit.value, reason=reason)
