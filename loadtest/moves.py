"""Workers that join, crash and come back while orders arrive, one move after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.processes import BenchError
from bench.servers import PARTITIONS

from loadtest.stage import Shop
from loadtest.watch import Sample

SETTLED_S_MAX = 90.0


@dataclass(slots=True)
class Move:
    """`share`: after which part of the phase it is due. `began` and `settled` are Unix times; it has settled
    once every running worker reads partitions and, together, they read all of them."""

    what: str
    share: float
    make: Callable[[], None]
    began: float | None = None
    settled: float | None = None
    partitions: dict[str, int] = field(default_factory=dict[str, int])


def moves(shop: Shop) -> list[Move]:
    """From one worker to three, a crash, the return of what crashed, and a restart as a release makes it."""
    _, second, third = shop.workers

    def join() -> None:
        for worker in (second, third):
            shop.start(worker)

    def restart() -> None:
        shop.stop(second)
        shop.start(second)

    return [
        Move("two more workers start", 0.1, join),
        Move("a worker is killed (SIGKILL)", 0.4, lambda: shop.kill(third)),
        Move("it is started again", 0.6, lambda: shop.start(third)),
        Move("another is restarted (SIGTERM)", 0.8, restart),
    ]


@dataclass(slots=True)
class Schedule:
    """Makes each move when it is due and the one before it has settled."""

    shop: Shop
    moves: Sequence[Move]
    began: float
    seconds: float

    @property
    def done(self) -> bool:
        return all(move.settled is not None for move in self.moves)

    def turn(self, sample: Sample) -> None:
        """Look at where the partitions are; begin the next move if it is its time. Raises BenchError if one
        does not settle in time."""
        move = next((move for move in self.moves if move.settled is None), None)
        if move is None:
            return
        if move.began is None:
            if sample.at >= self.began + move.share * self.seconds:
                move.began = sample.at
                move.make()
        elif self._all_read(sample):
            move.settled, move.partitions = sample.at, dict(sample.partitions)
        elif sample.at > move.began + SETTLED_S_MAX:
            raise BenchError(f"not settled after {SETTLED_S_MAX:g} s: {move.what}: {dict(sample.partitions)}")

    def _all_read(self, sample: Sample) -> bool:
        held = [sample.partitions.get(worker.name, 0) for worker in self.shop.running]
        return all(held) and sum(held) == PARTITIONS
