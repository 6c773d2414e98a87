"""Chance that cannot be forgotten: pure functions of a seed and of names, the same after every restart."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

RETRY_AFTER_S = 1
_HASH_KEY_BYTES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """What happens to the calls of a simulated party, by a keyed hash.

    `error_rate`: share of calls that fail transiently, 0 to 1. Raises ValueError outside these bounds, and
    for a seed of more than 64 digits.
    """

    seed: int
    error_rate: float

    def __post_init__(self) -> None:
        require_share("error_rate", self.error_rate)
        if len(str(self.seed)) > _HASH_KEY_BYTES_MAX:
            raise ValueError(f"seed must have at most {_HASH_KEY_BYTES_MAX} digits")

    def transient_status(self, name: str, call_number: int) -> Literal[429, 503] | None:
        """The HTTP status that a call fails with, each of the two in half of the cases; None if it
        succeeds."""
        share = self.share("error", name, str(call_number))
        if share >= self.error_rate:
            return None
        return 429 if share < self.error_rate / 2 else 503

    def share(self, purpose: str, *names: str) -> float:
        """A number from 0 to 1, another one for each purpose, of at most 16 characters."""
        return int.from_bytes(self.digest(purpose, *names)[:8], "big") / 2**64

    def digest(self, purpose: str, *names: str) -> bytes:
        return blake2b(
            "\x00".join(names).encode(), digest_size=16, key=str(self.seed).encode(), person=purpose.encode()
        ).digest()


def require_share(name: str, share: float) -> None:
    """Raises ValueError unless the share is within 0 to 1."""
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be within 0 to 1")
