"""A key is only ever repeated, looked up and voided at the carrier that it was first sent to, whichever
carrier is configured now."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World, dispatcher_of

from orderflow.fulfillment.carriers import Carrier
from orderflow.fulfillment.carriers.connect import open_carriers
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.claims import PARTY_AWAY_MS
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.parties import PARTY_CHARS_MAX, Party, party_of
from orderflow.fulfillment.parties.connect import close_parties
from orderflow.fulfillment.tables import dead_letters, shipments, workers
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.runtime.settings_error import SettingsError
from orderflow.settings import Settings
from orderflow.simulators.carrier_server import serving_carrier_sim

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime.now(UTC)
APPLY_THEN_503 = {"kind": "apply-then-503", "seconds": 600}


@dataclass
class TwoCarriers:
    """`old` has an order in doubt; `new` is the one that is configured now. Each keeps its own ledger."""

    world: World
    order_id: str
    old: Party[Carrier]
    new: Party[Carrier]
    old_url: str
    new_url: str

    async def live(self, url: str) -> list[str]:
        async with self.world.session.get(f"{url}/v1/ledger") as response:
            made = (await response.json())["shipments"]
        return [shipment["orderId"] for shipment in made if shipment["state"] == "live"]

    async def ledgers(self) -> tuple[list[str], list[str]]:
        return await self.live(self.old_url), await self.live(self.new_url)

    async def heal(self) -> None:
        async with self.world.session.put(f"{self.old_url}/v1/faults", json=[]) as response:
            assert response.status == 200

    @asynccontextmanager
    async def working(
        self, party: Party[Carrier], *former: Party[Carrier], name: str = "w", **options: Any
    ) -> AsyncGenerator[FulfillmentWorker]:
        async with self.world.working(
            party.adapter, party=party.name, former=former, name=name, **options
        ) as worker:
            yield worker

    def make_due(self, *, ago_ms: int = 0) -> None:
        due_at_ms = int(datetime.now(UTC).timestamp() * 1000) - ago_ms
        self.world.execute(sa.update(shipments).values(due_at_ms=due_at_ms))

    async def attention(self) -> dict[str, str] | None:
        return (await self.world.order(self.order_id))["attention"]

    async def until_parked(self) -> None:
        async def asks() -> bool:
            return await self.attention() is not None

        await self.world.until(asks, "the order asks for a person")
        assert self.world.states() == {self.order_id: "parked"}


async def briefly(seconds: float) -> None:
    await asyncio.sleep(seconds / 50)


@asynccontextmanager
async def in_doubt_at_the_old(world: World) -> AsyncGenerator[TwoCarriers]:
    """An order in doubt: the old carrier has made the shipment, but answered 503."""
    async with (
        world.running(),
        serving_carrier_sim(
            host="127.0.0.1",
            port=0,
            delay_ms=(0, 0),
            failure_rate=0,
            error_rate=0,
            seed=2,
            ledger=world.directory / "new.db",
        ) as new_url,
    ):
        old, new = (party_of("http", HttpCarrier(url)) for url in (world.carrier_url, new_url))
        async with world.session.put(f"{world.carrier_url}/v1/faults", json=[APPLY_THEN_503]) as response:
            assert response.status == 200
        (order_id,) = await world.place()
        two = TwoCarriers(world, order_id, old, new, world.carrier_url, new_url)
        async with two.working(old, sleep=briefly):
            await world.until(lambda: world.rows() and world.rows()[0]["waits"] > 0, "it is in doubt")
        assert await two.ledgers() == ([order_id], [])
        try:
            yield two
        finally:
            for party in (old, new):
                await party.adapter.close()


def test_what_is_in_doubt_at_a_former_carrier_is_concluded_there_and_fresh_orders_go_to_the_new_one(
    world: World,
) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            (fresh,) = await world.place()
            two.make_due()
            await two.heal()
            async with two.working(two.new, two.old):
                await world.until_closed([two.order_id, fresh])
            assert await two.ledgers() == ([two.order_id], [fresh])
            parties = {row["order_id"]: row["party"] for row in world.rows()}
            assert parties == {two.order_id: two.old.name, fresh: two.new.name}

    asyncio.run(scenario())


def test_what_is_in_doubt_at_a_carrier_that_nobody_has_any_more_is_for_a_person_after_a_minute(
    world: World,
) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            two.make_due(ago_ms=PARTY_AWAY_MS - 20_000)
            async with two.working(two.new):
                (fresh,) = await world.place()
                await world.until_closed([fresh])
                assert world.states()[two.order_id] == "ready", "a worker that has it may be starting"
                world.execute(sa.delete(shipments).where(shipments.c.order_id == fresh))
                two.make_due(ago_ms=PARTY_AWAY_MS + 1_000)
                await two.until_parked()
            attention = await two.attention()
            assert attention is not None
            assert attention["kind"] == "carrier-changed"
            assert two.old_url in attention["reason"]
            assert "ORDERFLOW_FORMER_CARRIERS" in attention["reason"]
            (letter,) = world.rows(dead_letters)
            assert (letter["kind"], letter["order_id"]) == ("carrier-changed", two.order_id)
            assert await two.ledgers() == ([two.order_id], [fresh])

    asyncio.run(scenario())


def test_a_worker_leaves_what_it_cannot_ask_about_to_a_live_one_that_can(world: World) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two, world.stepping(
            two.old.adapter,
            party=two.old.name,
            name="has-the-old",
            consumer=world.log.consumer("order-events", "another"),
        ) as live:  # fmt: skip
            two.make_due(ago_ms=10 * PARTY_AWAY_MS)
            async with two.working(two.new, name="has-the-new"):
                (fresh,) = await world.place()
                await world.until_closed([fresh])
                await live.lease.run_once()
                await asyncio.sleep(1.0)
                assert world.states()[two.order_id] == "ready"
                await two.heal()
                await live.recovery.run_once()
                await dispatcher_of(live).run_once()
                await world.until(lambda: world.states()[two.order_id] == "shipped", "it is concluded")
            assert await two.ledgers() == ([two.order_id], [fresh])

    asyncio.run(scenario())


def test_an_outcome_that_is_recorded_already_is_told_by_any_worker(world: World) -> None:
    async def scenario() -> None:
        async with world.running():
            (order_id,) = await world.place()
            async with world.stepping(
                SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0), party="old"
            ) as worker:

                async def received() -> bool:
                    await asyncio.to_thread(worker.inbox.run_once)
                    return bool(world.rows())

                await world.until(received, "it is received")
                await world.until(worker.sender.run_once, "Processing is acknowledged")
                await dispatcher_of(worker).run_once()
                await world.until(lambda: world.states() == {order_id: "shipped"}, "it is shipped")
            new = SimulatedCarrier(seed=2, delay_ms=(0, 0), failure_rate=0, error_rate=0)
            async with world.working(new, party="new"):
                await world.until_closed([order_id])
            assert (await world.order(order_id))["status"] == "Shipped"

    asyncio.run(scenario())


async def parked(two: TwoCarriers) -> str:
    """The dead letter of the order in doubt; since then, only the new carrier's worker has seen the order."""
    two.make_due(ago_ms=PARTY_AWAY_MS + 1_000)
    async with two.working(two.new):
        await two.until_parked()
    (letter,) = two.world.rows(dead_letters)
    return letter["id"]


def test_a_discard_voids_at_the_carrier_that_was_called_and_nowhere_else(world: World) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            letter = await parked(two)
            await two.heal()
            async with two.working(two.new) as worker:
                result, why = await worker.discarder.discard(
                    letter, actor="ada", correlation_id="c-1", reason="gone"
                )
                assert result is Discarded.NO_VOID
                assert two.old_url in why
                assert world.rows(dead_letters)[0]["state"] == "open"
            async with two.working(two.new, two.old) as worker:
                result, _ = await worker.discarder.discard(
                    letter, actor="ada", correlation_id="c-1", reason="gone"
                )
                assert result is Discarded.DONE
                await world.until_closed([two.order_id])
            assert await two.ledgers() == ([], [])
            assert (await world.order(two.order_id))["status"] == "Failed"

    asyncio.run(scenario())


def test_a_redrive_fails_at_once_until_a_worker_has_the_former_carrier(world: World) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            letter = await parked(two)
            await two.heal()
            async with two.working(two.new) as worker:
                await world.until(lambda: worker.lease.owner.epoch, "the worker is live")
                result, why = await worker.writer.submit_one(redrive.redrive, Redrive(letter, "ada", NOW))
                assert result is Redriven.FAILED
                assert two.old_url in why
                assert world.states() == {two.order_id: "parked"}
            async with two.working(two.new, two.old) as worker:
                result, _ = await worker.writer.submit_one(redrive.redrive, Redrive(letter, "ada", NOW))
                assert result is Redriven.BACK
                await world.until_closed([two.order_id])
            assert await two.ledgers() == ([two.order_id], [])
            assert await two.attention() is None

    asyncio.run(scenario())


def test_a_look_up_asks_the_carrier_that_was_called(world: World) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            two.make_due()
            async with two.working(two.new, two.old, key_lifetime=timedelta(0)):
                await world.until_closed([two.order_id])
            assert await two.ledgers() == ([two.order_id], [])
            assert (await world.order(two.order_id))["status"] == "Shipped"

    asyncio.run(scenario())


@pytest.mark.parametrize("is_parked", [False, True])
def test_intents_from_before_parties_were_stored_are_the_carriers_that_is_configured_at_the_upgrade(
    world: World, is_parked: bool
) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            if is_parked:
                await parked(two)
            world.execute(sa.update(shipments).values(party=None))
            world.put_shipment(
                "01890000-0000-7000-8000-000000000001", intent_at=NOW
            )  # closed, so it is left alone
            async with two.working(two.old):

                def named() -> bool:
                    return {row["party"] for row in world.rows()} == {two.old.name, None}

                await world.until(named, "the party is known")

    asyncio.run(scenario())


def test_a_worker_of_an_older_release_that_is_live_claims_nothing_about_carriers(world: World) -> None:
    async def scenario() -> None:
        async with in_doubt_at_the_old(world) as two:
            now_ms = int(datetime.now(UTC).timestamp() * 1000)
            older = {"worker_id": "older", "epoch": 1, "lease_until_ms": now_ms + 5_000, "parties": None}
            world.execute(sa.insert(workers).values(older))
            await parked(two)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://carrier", "http://carrier"),
        ("http://carrier/", "http://carrier"),
        ("HTTP://Carrier:80//", "http://carrier"),
        ("https://carrier:443/v2/", "https://carrier/v2"),
        ("https://carrier:8443", "https://carrier:8443"),
        ("http://[::1]:8090/", "http://[::1]:8090"),
    ],
)
def test_an_address_has_one_spelling(url: str, same: str) -> None:
    assert HttpCarrier(url).identity == same


def test_the_api_key_is_no_part_of_the_party() -> None:
    assert "s3cret" not in party_of("http", HttpCarrier("http://carrier", api_key="s3cret")).name


def test_a_simulated_carrier_of_another_seed_is_another_party() -> None:
    names = {
        party_of("simulated", SimulatedCarrier(seed=n, delay_ms=(0, 0), failure_rate=0, error_rate=0)).name
        for n in (1, 2)
    }
    assert len(names) == 2


class Account:
    """An adapter written by somebody else, for several accounts."""

    def __init__(self, identity: Any) -> None:
        self.identity = identity


def test_an_own_carrier_is_known_by_its_class_and_by_what_it_says_of_itself() -> None:
    account: Any = Account("account 7")
    nobody: Any = object()
    assert party_of("own:Account", account).name == "own:Account account 7"
    assert party_of("own:Plain", nobody).name == "own:Plain"


@pytest.mark.parametrize("identity", [7, "two\nlines", "x" * PARTY_CHARS_MAX])
def test_an_identity_that_cannot_be_stored_is_refused(identity: object) -> None:
    account: Any = Account(identity)
    with pytest.raises(ValueError, match="identity must"):
        party_of("own:Account", account)


def opened(**settings: Any) -> tuple[str, list[str]]:
    async def scenario() -> tuple[str, list[str]]:
        carriers = open_carriers(Settings(**settings))
        await close_parties(carriers)
        return carriers.current.name, [party.name for party in carriers.former]

    return asyncio.run(scenario())


def test_former_carriers_are_named_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    former = "http://old/, https://older/v1 simulated:7 own_carrier:PickSlips http://new http://old"
    assert opened(carrier="http", carrier_url="http://new/", former_carriers=former) == (
        "http http://new",
        ["http http://old", "http https://older/v1", "simulated seed 7", "own_carrier:PickSlips"],
    )


@pytest.mark.parametrize(
    "former", ["old", "http:", "simulated:x", "http://u:secret@old", ":Class", "http://old?a"]
)
def test_a_former_carrier_that_cannot_be_made_is_a_setting_that_is_wrong(former: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=r"(?i)former_carriers") as refused:
        opened(former_carriers=former)
    assert "secret" not in str(refused.value)
