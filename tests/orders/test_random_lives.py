"""Random lives of orders: clients and whoever ships them send whatever they like, and the service does what a
simple model says, even if answers to COMMIT are lost."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.lost_answers import LostAnswers
from tests.orders.conftest import Answer, Service

EXAMPLES = 25
STEPS = 25

# By hand from the design: what each request makes of an order in each status. What is not here is refused.
MOVES = {
    "hold": {"Created": "OnHold", "OnHold": "OnHold"},
    "release": {"OnHold": "Created", "Created": "Created"},
    "cancel": {
        "Created": "Cancelled",
        "OnHold": "Cancelled",
        "Processing": "Cancelling",
        "Cancelling": "Cancelling",
        "Cancelled": "Cancelled",
    },
    "Processing": {"Created": "Processing", "Processing": "Processing"},
    "Shipped": {"Processing": "Shipped", "Cancelling": "Shipped", "Shipped": "Shipped"},
    "Failed": {"Processing": "Failed", "Cancelling": "Failed", "Failed": "Failed"},
    "Cancelled": {
        "Created": "Cancelled",
        "OnHold": "Cancelled",
        "Cancelling": "Cancelled",
        "Cancelled": "Cancelled",
    },
}
EVENTS = {
    ("Created", "Cancelled"): "OrderCancelled",
    ("OnHold", "Cancelled"): "OrderCancelled",
    ("OnHold", "Created"): "OrderReleased",
    ("Processing", "Cancelling"): "OrderCancellationRequested",
}
ACTIONS = ("cancel", "hold", "release")


class Request(NamedTuple):
    """An action or the status of a PATCH, and the version that `If-Match` names."""

    wanted: str
    version: int | None = None

    @property
    def is_action(self) -> bool:
        return self.wanted in ACTIONS


@dataclass(frozen=True)
class Model:
    """An order as it should be."""

    status: str = "Created"
    version: int = 1
    changes: tuple[tuple[int, str], ...] = ((1, "Created"),)
    events: tuple[tuple[int, str], ...] = ((1, "OrderCreated"),)

    def after(self, request: Request) -> tuple[int, "Model"]:
        """The status of the answer, and the order after the request."""
        done = 200 if request.is_action else 204
        status = MOVES[request.wanted].get(self.status)
        if status == self.status:
            return done, self
        if request.version not in (None, self.version):
            return 412, self
        if status is None:
            return 409, self
        version = self.version + 1
        event = EVENTS.get((self.status, status))
        events = (*self.events, (version, event)) if event else self.events
        return done, replace(
            self, status=status, version=version, changes=(*self.changes, (version, status)), events=events
        )


@dataclass
class Order:
    order_id: str
    model: Model = field(default_factory=Model)
    seen: dict[str, int] = field(default_factory=dict[str, int])
    """The version that each client saw last."""


requests = st.sampled_from(sorted(MOVES))
reports = requests.filter(lambda name: name not in ACTIONS)
clients = st.sampled_from(["shop", "desk"])
losses = st.sampled_from([None, None, True, False])
"""Whether the answer to the next COMMIT is lost, and if so, whether it was committed."""


class Lives(RuleBasedStateMachine):
    """One service serves every example; each example has orders of its own."""

    orders: Bundle[Order] = Bundle("orders")

    def __init__(self, service: Service, losing: dict[bool, LostAnswers]) -> None:
        super().__init__()
        self._service = service
        self._losing = losing
        self._placed: list[Order] = []

    @initialize(target=orders)
    def first(self) -> Order:
        return self._place()

    @rule(target=orders)
    def create(self) -> Order:
        return self._place()

    def _place(self) -> Order:
        order = Order(self._service.placed()["orderId"])
        self._placed.append(order)
        return order

    @rule(order=orders, wanted=requests, client=clients, conditional=st.booleans(), lost=losses)
    def send(self, order: Order, wanted: str, client: str, conditional: bool, lost: bool | None) -> None:
        self._lose(lost)
        request = Request(wanted, order.seen.get(client, 1) if conditional else None)
        status, order.model = order.model.after(request)
        answer = self._send(order, request)
        assert answer.status == status
        self._matches(answer, request, order.model)

    @rule(order=orders, wanted=st.lists(requests, min_size=2, max_size=3), lost=losses)
    def race(self, order: Order, wanted: Sequence[str], lost: bool | None) -> None:
        """Several clients at once get the answers of some order in which one after the other came."""
        self._lose(lost)
        sent = [Request(each) for each in wanted]

        def status_of(request: Request) -> int:
            return self._send(order, request).status

        with ThreadPoolExecutor(len(sent)) as pool:
            answers = list(pool.map(status_of, sent))
        now = self._read(order)
        possible: list[Model] = []
        for sequence in permutations(range(len(sent))):
            model, statuses = order.model, dict[int, int]()
            for index in sequence:
                statuses[index], model = model.after(sent[index])
            if [statuses[i] for i in range(len(sent))] == answers and _is(now, model):
                possible.append(model)
        assert possible, (order.model, sent, answers, now)
        changes = _changes(self._timeline(order))
        order.model = next(model for model in possible if list(model.changes) == changes)

    @rule(
        pair=st.tuples(orders, orders),
        entries=st.lists(st.tuples(st.sampled_from([0, 1]), reports), min_size=2, max_size=6),
        lost=losses,
    )
    def bulk(self, pair: tuple[Order, Order], entries: Sequence[tuple[int, str]], lost: bool | None) -> None:
        self._lose(lost)
        expected: list[int] = []
        for index, wanted in entries:
            status, pair[index].model = pair[index].model.after(Request(wanted))
            expected.append(status)
        updates = [{"orderId": pair[index].order_id, "status": wanted} for index, wanted in entries]
        answer = self._service.send("PATCH", "/api/orders/status", {"updates": updates})
        assert [result["status"] for result in answer.document["results"]] == expected

    @rule(order=orders, client=clients)
    def look(self, order: Order, client: str) -> None:
        now = self._read(order)
        assert _is(now, order.model), (now, order.model)
        order.seen[client] = now["version"]

    def teardown(self) -> None:
        self._lose(None)
        for order in self._placed:
            assert _is(self._read(order), order.model)
            timeline = self._timeline(order)
            assert _changes(timeline) == list(order.model.changes)
            events = [(e["orderVersion"], e["eventType"]) for e in timeline if e["kind"] == "event"]
            assert events == list(order.model.events)
        counted = self._service.get("/api/stats")["statuses"]
        there = Counter(status for (status,) in self._service.rows("SELECT status FROM orders"))
        assert {status: count for status, count in counted.items() if count} == dict(there)

    def _lose(self, lost: bool | None) -> None:
        for committed, losing in self._losing.items():
            losing.times = int(lost is committed)

    def _send(self, order: Order, request: Request) -> Answer:
        headers = {} if request.version is None else {"If-Match": f'"{request.version}"'}
        path = f"/api/orders/{order.order_id}"
        if request.is_action:
            return self._service.send("POST", f"{path}/{request.wanted}", None, headers)
        return self._service.send("PATCH", f"{path}/status", {"status": request.wanted}, headers)

    def _matches(self, answer: Answer, request: Request, model: Model) -> None:
        if answer.status == 200:
            assert _is(answer.document, model)
        elif answer.status == 409:
            reachable = {
                follows
                for name, moves in MOVES.items()
                if (name in ACTIONS) == request.is_action
                if (follows := moves.get(model.status)) not in (None, model.status)
            }
            assert answer.document["currentStatus"] == model.status
            assert set(answer.document["allowedTransitions"]) == reachable
        elif answer.status == 412:
            assert answer.document["currentVersion"] == model.version

    def _read(self, order: Order) -> dict[str, Any]:
        return self._service.get(f"/api/orders/{order.order_id}")

    def _timeline(self, order: Order) -> list[dict[str, Any]]:
        return self._service.get(f"/api/orders/{order.order_id}/timeline")["items"]


def _is(document: dict[str, Any], model: Model) -> bool:
    return (document["status"], document["version"]) == (model.status, model.version)


def _changes(timeline: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(entry["orderVersion"], entry["status"]) for entry in timeline if entry["kind"] == "change"]


def test_whatever_is_sent_in_whatever_order_the_service_does_what_the_model_says(service: Service) -> None:
    losing = {
        committed: LostAnswers(service.database, commits=committed, times=0) for committed in (True, False)
    }

    class LivesHere(Lives):
        def __init__(self) -> None:
            super().__init__(service, losing)

    run_state_machine_as_test(
        LivesHere,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
