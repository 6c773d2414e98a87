"""What `bench.scaling` predicts is the arithmetic of docs/scaling.md."""

import pytest
from bench.replicas import PARTS
from bench.scaling import predicted_us, table
from bench.scenarios import Sample


def samples(order_us: float, idle_ms: float, rate: float) -> dict[str, Sample]:
    """What a run finds where each part idles and works so much."""
    busy = {f"cpu_{part}_us": order_us for part in PARTS} | {"orders_per_s": rate}
    idle = Sample({f"idle_{part}_ms": idle_ms for part in PARTS})
    return {"idle": idle, "steady": Sample(busy), "full": Sample(busy)}


def test_with_one_of_each_the_model_is_what_was_measured() -> None:
    one = samples(order_us=500, idle_ms=10, rate=100)
    assert predicted_us(one, "full", "api", replicas=1, rate=100) == pytest.approx(500)


def test_a_process_more_costs_its_idling_shared_by_the_orders() -> None:
    one = samples(order_us=500, idle_ms=10, rate=100)
    # 10 ms/s of idling are 100 µs of each of 100 orders a second, and 10 µs of each of 1,000.
    assert predicted_us(one, "full", "api", replicas=4, rate=100) == pytest.approx(400 + 4 * 100)
    assert predicted_us(one, "full", "api", replicas=4, rate=1_000) == pytest.approx(400 + 4 * 10)


def test_the_table_says_how_far_the_model_is_off() -> None:
    results = {1: samples(500, 10, 100), 2: samples(720, 20, 100)}
    lines = [line.split() for line in table(results).splitlines()]
    full = {line[1]: line for line in lines if line[:1] == ["full"]}
    total = 500 * len(PARTS)
    assert full["1"][-3:] == [str(total), str(total), "+0%"]
    assert full["2"][-3:] == [str(720 * len(PARTS)), str(600 * len(PARTS)), "+20%"]
