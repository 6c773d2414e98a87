"""Recovery and due retries: takes shipments that are free and due, and lets them go on.

Fresh shipments come straight from the inbox while there is room, so normally nothing waits for this loop.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from orderflow.contracts.order_events import EVENT_BYTES_MAX
from orderflow.database.group_commit import GroupCommit, OutcomeUnknown
from orderflow.fulfillment.capacity import Capacity
from orderflow.fulfillment.claims import (
    CLAIM_BYTES_MAX,
    ClaimDue,
    NameParty,
    Recall,
    claim_due,
    name_party,
    recall,
)
from orderflow.fulfillment.decisions import after_claim
from orderflow.fulfillment.flow import Flow
from orderflow.fulfillment.lease import Lease
from orderflow.fulfillment.model import Park, Shipment, TurnBack, Wait
from orderflow.fulfillment.recorder import Recorder
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

CLAIM_ROWS_MAX = 1_000
PAUSE_S = 0.5
BACKLOG_PAUSE_S = 0.05
RECALL_PERIOD_S = 10.0
LOOP = "recovery"


class Recovery:
    """Claims for the worker that holds `lease`. `carrier` is the party that ships fresh orders."""

    def __init__(
        self,
        writer: GroupCommit,
        lease: Lease,
        capacity: Capacity,
        recorder: Recorder,
        health: Health,
        *,
        carrier: str,
        flow: Flow,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._lease = lease
        self._capacity = capacity
        self._recorder = recorder
        self._health = health
        self._carrier = carrier
        self._flow = flow
        self._nameless_seen_to = False
        self._is_behind = False
        self._monotonic = monotonic
        self._recall_at_s = monotonic()
        self.loop = TaskLoop(LOOP, self.run_once, health=health, pause_s=self._pause_s)

    async def _recall(self) -> None:
        """Recall shipments, every 10 s only: the database's clock seldom goes back."""
        if self._monotonic() < self._recall_at_s:
            return
        self._recall_at_s = self._monotonic() + RECALL_PERIOD_S
        if recalled := await self._writer.submit_one(recall, Recall()):
            log.warning("shipments.recalled", shipments=recalled)

    def _pause_s(self) -> float:
        return BACKLOG_PAUSE_S if self._is_behind else PAUSE_S

    async def run_once(self) -> int:
        """Take as many shipments as there is room for; at most half of the room goes to those that have
        failed before. Returns the number taken."""
        owner = self._lease.owner
        reserved = self._capacity.reserve(CLAIM_ROWS_MAX) if owner.epoch > 0 else 0
        if reserved == 0:
            return 0
        retried_max = min(reserved // 2, self._capacity.retried_room)
        claimed: list[Shipment] | None = []
        try:
            await self._name_party()
            await self._recall()
            claim = ClaimDue(owner, reserved, retried_max, self._flow.dispatchers.parties)
            claimed = await self._writer.submit_one(claim_due, claim)
        except OutcomeUnknown:
            claimed = None
        except TRANSIENT as error:
            self._health.trouble("database", str(error) or type(error).__name__)
        finally:
            taken = self._capacity.take(claimed or [], reserved=reserved)
        if claimed is None:
            # Some rows may name this worker without being in its memory: a new epoch frees them.
            await self._lease.renounce(loop=LOOP)
            return 0
        retried = sum(shipment.waits > 0 for shipment in claimed)
        claimed_bytes = sum(len(shipment.request) for shipment in claimed)
        is_cut = claimed_bytes > CLAIM_BYTES_MAX - EVENT_BYTES_MAX
        self._capacity.backlog = len(claimed) == reserved or is_cut
        self._is_behind = self._capacity.backlog or retried == retried_max > 0
        await self._route(taken)
        return len(taken)

    async def _name_party(self) -> None:
        """Once per start: name the party of the intents that an older release has left."""
        if not self._nameless_seen_to:
            await self._writer.submit_one(name_party, NameParty(self._carrier))
            self._nameless_seen_to = True

    async def _route(self, taken: Sequence[Shipment]) -> None:
        decided: list[tuple[Shipment, TurnBack | Wait | Park]] = []
        going_on: list[Shipment] = []
        for shipment in taken:
            if (decision := after_claim(shipment, self._flow.dispatchers.parties)) is None:
                going_on.append(shipment)
            else:
                decided.append((shipment, decision))
        self._flow.go_on(going_on)
        if decided:
            written = await self._recorder.record(decided, loop=LOOP)
            self._flow.go_on([shipment for shipment in written if shipment is not None])
