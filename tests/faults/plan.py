"""The plan of what is attacked when. It is drawn from the seed alone, so the same seed replays it."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

WARM_UP_S = 6.0
ALONE_GAP_S = 15.0
ALONE_GAPS_S = {"kill:kafka": 30.0, "away:fulfillment": 30.0}
MIXED_PAUSE_S = 3.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault; its details are drawn from `seed`."""

    at_s: float
    kind: str
    alone: bool
    seed: str


def make_plan(
    seed: int, kinds: Collection[str], singles: Sequence[str], *, seconds: float, times: int, alone: int
) -> list[Planned]:
    """First each of `singles` is injected alone, `alone` times. Then comes a mixture of faults, at least one
    every 3 s. It is as dense as needed for every kind to have come `times` times by `seconds`."""
    draw = random.Random(f"{seed}/plan")
    first = [kind for kind in singles if kind in kinds for _ in range(alone)]
    draw.shuffle(first)
    planned: list[Planned] = []
    start_s = WARM_UP_S
    for index, kind in enumerate(first):
        planned.append(Planned(start_s, kind, alone=True, seed=f"{seed}/alone/{index}"))
        start_s += ALONE_GAPS_S.get(kind, ALONE_GAP_S)
    mixed = [kind for kind in sorted(kinds) for _ in range(max(0, times - first.count(kind)))]
    room = int((seconds - start_s) / MIXED_PAUSE_S)
    mixed += [draw.choice(sorted(kinds)) for _ in range(room - len(mixed))]
    draw.shuffle(mixed)
    pause_s = max(0.5, (seconds - start_s) / max(1, len(mixed)))
    planned += [
        Planned(start_s + (index + draw.random()) * pause_s, kind, alone=False, seed=f"{seed}/mixed/{index}")
        for index, kind in enumerate(mixed)
    ]
    return planned
