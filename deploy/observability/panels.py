"""What Grafana's dashboard shows, row by row, and the queries for it.

The rows follow an order: taken in, published, consumed, shipped. Further rows tell of what all of these stand
on, and of the objectives. All metrics are those of docs/metrics.md, and what rules.py records of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rules import (
    AVAILABILITY,
    BURN_RATES,
    INTAKE,
    LAG_MESSAGES_MAX,
    OUTBOX_AGE_S_MAX,
    SHIPPED_IN_TIME,
    Spans,
    windows,
)

SPAN = "$__rate_interval"
"""Grafana puts in a span that has at least four scrapes, and is no shorter than a pixel."""


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` names each series by its labels. With `exemplars`, points are shown that lead to a trace."""

    expression: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` is Grafana's name of one. `bounds` are drawn as red lines; alerts have the same."""

    title: str
    text: str
    unit: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    bounds: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Its panels are as many of Grafana's 24 columns wide."""

    title: str
    columns: int
    panels: Sequence[Panel]


def rate(counter: str, by: str) -> str:
    return f"sum by ({by}) (rate({counter}[{SPAN}]))"


def mean(histogram: str) -> str:
    return f"sum(rate({histogram}_sum[{SPAN}])) / sum(rate({histogram}_count[{SPAN}]))"


def quantile(share: float, buckets: str, by: str = "") -> str:
    return f"histogram_quantile({share}, sum by ({f'le, {by}' if by else 'le'}) (rate({buckets}[{SPAN}])))"


def median_and_p99(buckets: str, *, exemplars: bool = False) -> list[Query]:
    return [Query(quantile(0.5, buckets), "p50"), Query(quantile(0.99, buckets), "p99", exemplars=exemplars)]


def rows() -> list[Row]:
    return [
        Row("Overview", 6, _overview()),
        Row("Intake", 8, _intake()),
        Row("Outbox and relay", 6, _outbox()),
        Row("Consumer lag", 12, _consumers()),
        Row("Fulfillment", 6, _fulfillment()),
        Row("Carriers and payments", 6, _parties()),
        Row("Dead letters and attention", 6, _trouble()),
        Row("Order to shipped", 8, _shipped()),
        Row("Database statements", 8, _databases()),
        Row("Loops and telemetry", 6, _loops()),
        Row("Objectives: how many times as fast as allowed errors come", 12, _objectives()),
    ]


def _overview() -> list[Panel]:
    firing = 'ALERTS{alertstate="firing",alertname=~"Orderflow.*"}'
    return [
        Panel(
            "Alerts",
            "Each has a page that says what to look at.",
            "short",
            [Query(f"sum by (alertname) ({firing})", "{{alertname}}")],
            kind="stat",
        ),
        Panel(
            "Processes that answer",
            "Of each role.",
            "short",
            [Query('sum by (job) (up{job=~"orderflow-.*"})', "{{job}}")],
            kind="stat",
        ),
        Panel(
            "Unfinished orders",
            "Created, Processing or Cancelling.",
            "short",
            [Query("orderflow:orders_unfinished", "unfinished")],
            kind="stat",
        ),
        Panel(
            "Orders that need a person",
            "`orderflow orders list --attention` lists them.",
            "short",
            [Query("max(orderflow_orders_attention)", "attention")],
            kind="stat",
        ),
    ]


def _intake() -> list[Panel]:
    batch, age = "orderflow_intake_batch_orders", "orderflow_intake_queue_age_seconds"
    every = "http_server_request_duration_seconds"
    return [
        Panel(
            "Placing orders, by answer",
            "POST of single orders and batches.",
            "reqps",
            [Query(rate(f"{INTAKE}}}", "http_response_status_code"), "{{http_response_status_code}}")],
        ),
        Panel(
            "Placing orders, time",
            "From the head of the request to the end of the answer. A point leads to its trace.",
            "s",
            median_and_p99(f"{INTAKE.replace('_count', '_bucket')}}}", exemplars=True),
        ),
        Panel(
            "Orders made durable",
            "A second, by all processes.",
            "ops",
            [Query(f"sum(rate({batch}_sum[{SPAN}]))", "orders")],
        ),
        Panel(
            "Orders in a transaction",
            "They grow with the load by themselves.",
            "short",
            [Query(mean(batch), "mean"), Query(quantile(0.99, f"{batch}_bucket"), "p99")],
        ),
        Panel("Wait for the writer", "Of the oldest in a batch.", "s", median_and_p99(f"{age}_bucket")),
        Panel(
            "All requests, time",
            "p99 by route, to any listener.",
            "s",
            [
                Query(
                    quantile(0.99, f"{every}_bucket", "http_request_method, http_route"),
                    "{{http_request_method}} {{http_route}}",
                )
            ],
        ),
    ]


def _outbox() -> list[Panel]:
    return [
        Panel(
            "Events that wait",
            "Parked ones are too large for the topic.",
            "short",
            [Query("max(orderflow_outbox_backlog)", "wait"), Query("max(orderflow_outbox_parked)", "parked")],
        ),
        Panel(
            "Age of the oldest",
            "Of those that were not published yet.",
            "s",
            [Query("max(orderflow_outbox_oldest_age_seconds)", "oldest")],
            bounds=[OUTBOX_AGE_S_MAX],
        ),
        Panel(
            "Events published",
            "By outcome.",
            "ops",
            [Query(rate("orderflow_produced_events_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Acknowledgement by the event log",
            "Of a batch.",
            "s",
            median_and_p99("orderflow_produce_duration_seconds_bucket"),
        ),
    ]


def _consumers() -> list[Panel]:
    lag = "max by (partition) (orderflow_consumer_lag)"
    moved = rate("orderflow_partitions_moved_total", "change")
    return [
        Panel(
            "Events that wait for the workers",
            "Of all partitions.",
            "short",
            [Query(f"sum({lag})", "lag")],
            bounds=[LAG_MESSAGES_MAX],
        ),
        Panel("By partition", "", "short", [Query(lag, "{{partition}}")]),
        Panel("Partitions by worker", "", "short", [Query("orderflow_consumer_partitions", "{{instance}}")]),
        Panel("Partitions that moved", "As workers come and go.", "ops", [Query(moved, "{{change}}")]),
    ]


def _fulfillment() -> list[Panel]:
    state = "orderflow_circuit_state"
    circuit = f'2 * {state}{{state="open"}} + ignoring (state) {state}{{state="half-open"}}'
    return [
        Panel(
            "In flight",
            "Calls under way, and shipments in memory.",
            "short",
            [Query("sum(orderflow_in_flight)", "calls"), Query("sum(orderflow_held_shipments)", "shipments")],
        ),
        Panel(
            "Attempts",
            "Calls of carriers and payment providers, by step and outcome.",
            "ops",
            [Query(rate("orderflow_attempts_total", "step, outcome"), "{{step}}: {{outcome}}")],
        ),
        Panel(
            "Circuits",
            "Work for a part waits while its circuit is open; a probe asks at most 5 s later.",
            "short",
            [Query(f"max by (part) ({circuit})", "{{part}}")],
            kind="state-timeline",
        ),
        Panel(
            "Status updates owed",
            "To the Order Service.",
            "short",
            [Query("sum(orderflow_status_update_backlog)", "updates")],
        ),
    ]


def _parties() -> list[Panel]:
    call = "orderflow_party_call_duration_seconds"
    return [
        Panel("Calls", "", "ops", [Query(rate(f"{call}_count", "part"), "{{part}}")]),
        Panel("Time, p50", "", "s", [Query(quantile(0.5, f"{call}_bucket", "part"), "{{part}}")]),
        Panel("Time, p99", "", "s", [Query(quantile(0.99, f"{call}_bucket", "part"), "{{part}}")]),
        Panel(
            "Steps undone",
            "Because the order was not shipped.",
            "ops",
            [Query(rate("orderflow_compensations_total", "step"), "{{step}}")],
        ),
    ]


def _trouble() -> list[Panel]:
    attempts = rate("orderflow_webhook_attempts_total", "outcome")
    waiting, dead = "max(orderflow_webhook_waiting)", "max(orderflow_webhook_dead_letters)"
    untaken = [Query(waiting, "waiting"), Query(dead, "given up")]
    audited = "time() - max(orderflow_audit_completed_timestamp_seconds)"
    return [
        Panel(
            "Dead letters",
            "Since the processes started. `orderflow dead-letters list` lists them.",
            "short",
            [Query("sum by (kind) (orderflow_dead_letters_total)", "{{kind}}")],
        ),
        Panel(
            "Orders that need a person", "", "short", [Query("max(orderflow_orders_attention)", "attention")]
        ),
        Panel(
            "Repairs",
            "Orders for which the reconciler did something, since the processes started.",
            "short",
            [Query("sum by (kind) (orderflow_repairs_total)", "{{kind}}")],
        ),
        Panel(
            "Degraded parts",
            "As `/health/ready` names them.",
            "short",
            [
                Query("max by (job, part) (orderflow_degraded)", "{{job}}: {{part}}"),
                Query("1 - min by (job) (orderflow_scrape_complete)", "{{job}}: gauges are missing"),
            ],
        ),
        Panel("Messages to webhooks", "", "ops", [Query(attempts, "{{outcome}}")]),
        Panel("Messages that webhooks have not taken", "", "short", untaken),
        Panel(
            "Findings of the audit",
            "If `orderflow audit --every …` runs and is scraped. It says what is wrong, and what to do.",
            "short",
            [Query("max by (kind) (orderflow_audit_findings)", "{{kind}}")],
        ),
        Panel("Time since the last audit", "", "s", [Query(audited, "last audit")]),
    ]


def _shipped() -> list[Panel]:
    return [
        Panel(
            "From creation to Shipped",
            "Time on hold included.",
            "s",
            median_and_p99("orderflow_order_to_shipped_seconds_bucket"),
        ),
        Panel(
            "Orders that end",
            "A second, over ten minutes.",
            "ops",
            [Query("orderflow:orders_finished:rate10m", "end")],
        ),
        Panel("Orders by status", "", "short", [Query("max by (status) (orderflow_orders)", "{{status}}")]),
    ]


def _databases() -> list[Panel]:
    time = "db_client_operation_duration_seconds"
    name = "{{db_operation_name}}"
    return [
        Panel(
            "Most time in all",
            "Seconds that the ten take in each second.",
            "short",
            [Query(f"topk(10, {rate(f'{time}_sum', 'db_operation_name')})", name)],
        ),
        Panel(
            "Slowest, p99",
            "The ten slowest.",
            "s",
            [Query(f"topk(10, {quantile(0.99, f'{time}_bucket', 'db_operation_name')})", name)],
        ),
        Panel(
            "Commit",
            "By service.",
            "s",
            [Query(quantile(0.99, f'{time}_bucket{{db_operation_name="commit"}}', "job"), "{{job}}: p99")],
        ),
    ]


def _loops() -> list[Panel]:
    turn = "orderflow_loop_turn_duration_seconds"
    return [
        Panel(
            "Stalls",
            "How often a loop was over 30 s late, since the processes started. At 120 s a process ends.",
            "short",
            [Query("sum by (job, loop) (orderflow_loop_stalls_total)", "{{job}}: {{loop}}")],
        ),
        Panel(
            "Turns that failed",
            "The reason is in the log.",
            "ops",
            [Query(rate("orderflow_loop_failures_total", "job, loop"), "{{job}}: {{loop}}")],
        ),
        Panel(
            "Longest turns, p99",
            "Of the ten slowest loops.",
            "s",
            [Query(f"topk(10, {quantile(0.99, f'{turn}_bucket', 'job, loop')})", "{{job}}: {{loop}}")],
        ),
        Panel(
            "Log lines not sent",
            "They are on stderr all the same.",
            "ops",
            [Query(rate("orderflow_log_lines_dropped_total", "job"), "{{job}}")],
        ),
        Panel(
            "Streams of changes that ended",
            "By reason; `slow` and `lost` are our clients' or our trouble.",
            "ops",
            [Query(rate("orderflow_streams_ended_total", "reason"), "{{reason}}")],
        ),
    ]


def _objectives() -> list[Panel]:
    return [
        _burn("Intake answers 5xx", "intake_errors", AVAILABILITY),
        _burn("Orders ship late", "shipped_late", SHIPPED_IN_TIME),
    ]


def _burn(title: str, ratio: str, objective: float) -> Panel:
    plain = Spans(1)
    return Panel(
        title,
        f"At most {1 - objective:.1%} may. An alert fires above a line, for the two spans that belong to it.",
        "short",
        [
            Query(
                f"orderflow:{ratio}:ratio_rate{plain(window)} / {1 - objective:.6g}", f"over {plain(window)}"
            )
            for window in windows()
        ],
        bounds=sorted(times for times, _, _ in BURN_RATES),
    )
