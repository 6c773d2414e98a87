"""Prometheus' rules, as code. This makes the file anew:

    python deploy/observability/rules.py > deploy/observability/prometheus/rules.yaml

`--scale 0.01` makes every time span a hundredth as long, so that a test need not wait for hours. `--runbooks`
is the address that the names of the runbook pages are appended to. docs/operations.md states the objectives.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import yaml

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LAG_MESSAGES_MAX = 1_000
OUTBOX_AGE_S_MAX = 60
STUCK_S = 15 * MINUTE
BASELINE_ORDERS_A_SECOND_MIN = 0.1
WAITING_WORK_S = 60
"""Orders that the usual throughput would finish within this time are no sign of a slow system."""

AVAILABILITY = 0.999
SHIPPED_IN_TIME = 0.99
SHIPPED_WITHIN_S = 300.0

BURN_RATES = ((14.4, HOUR, "page"), (6, 6 * HOUR, "page"), (1, 3 * DAY, "ticket"))
"""How many times as fast as allowed errors come, over how long, and how urgent that is. A window of a
twelfth must agree, so that the alert ends soon after the errors do (Google, The Site Reliability Workbook,
chapter 5)."""

INTAKE = (
    'http_server_request_duration_seconds_count{http_request_method="POST",http_route=~"/api/orders(/batch)?"'
)


@dataclass(frozen=True, slots=True)
class Alert:
    """`for_s` is how long the expression must hold, in seconds; `window` tells alerts of one name apart."""

    name: str
    expression: str
    for_s: float
    severity: str
    summary: str
    page: str
    window: str | None = None


class Spans:
    """Time spans in Prometheus' notation, scaled."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, seconds: float) -> str:
        milliseconds = round(seconds * self._scale * 1_000)
        for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)):
            if milliseconds and milliseconds % (length * 1_000) == 0:
                return f"{milliseconds // (length * 1_000)}{unit}"
        return f"{milliseconds}ms"

    def seconds(self, seconds: float) -> float:
        return round(seconds * self._scale, 3)


def windows() -> list[float]:
    """Every span over which a ratio of errors is recorded, shortest first."""
    return sorted({span for _, long, _ in BURN_RATES for span in (long, long / 12)})


def recorded(spans: Spans) -> list[tuple[str, str]]:
    """Names and expressions of what several alerts and panels use."""
    unfinished = 'orderflow_orders{status=~"Created|Processing|Cancelling"}'
    finished = 'orderflow_orders{status=~"Shipped|Failed|Cancelled"}'
    ten = 10 * MINUTE
    rules = [
        ("orderflow:orders_unfinished", f"sum(max by (status) ({unfinished}))"),
        ("orderflow:orders_finished", f"sum(max by (status) ({finished}))"),
        (
            "orderflow:orders_finished:rate10m",
            f"clamp_min(delta(orderflow:orders_finished[{spans(ten)}]), 0) / {spans.seconds(ten):g}",
        ),
    ]
    for window in windows():
        span, name = spans(window), Spans(1)(window)
        refused = f'{INTAKE},http_response_status_code=~"5.."}}[{span}]'
        shipped = "orderflow_order_to_shipped_seconds"
        # Without a refused request there is no series of refused ones: the ratio is 0 then, not unknown.
        rules += [
            (
                f"orderflow:intake_errors:ratio_rate{name}",
                f"(sum(rate({refused})) or vector(0)) / (sum(rate({INTAKE}}}[{span}])) > 0)",
            ),
            (
                f"orderflow:shipped_late:ratio_rate{name}",
                f'1 - sum(rate({shipped}_bucket{{le="{SHIPPED_WITHIN_S}"}}[{span}]))'
                f" / (sum(rate({shipped}_count[{span}])) > 0)",
            ),
        ]
    return rules


def alerts(spans: Spans) -> list[Alert]:
    return [
        *_of_roles(),
        *_of_queues(spans),
        *_of_orders(spans),
        *_of_audits(),
        *_burns("OrderflowIntakeErrors", "intake_errors", AVAILABILITY, "POST is refused", "intake-errors"),
        *_burns("OrderflowShippedLate", "shipped_late", SHIPPED_IN_TIME, "Orders ship late", "shipped-late"),
    ]


def _of_roles() -> list[Alert]:
    return [
        Alert(
            "OrderflowRoleDown",
            'up{job=~"orderflow-.*"} == 0',
            MINUTE,
            "page",
            "{{ $labels.job }} at {{ $labels.instance }} does not answer",
            "role-down",
        ),
        Alert(
            "OrderflowScrapeIncomplete",
            "orderflow_scrape_complete == 0",
            2 * MINUTE,
            "page",
            "The database of {{ $labels.job }} does not answer in time, so gauges are missing",
            "scrape-incomplete",
        ),
        Alert(
            "OrderflowCircuitOpen",
            'max by (part) (orderflow_circuit_state{state=~"open|half-open"}) == 1',
            2 * MINUTE,
            "page",
            "{{ $labels.part }} is away; its calls wait",
            "circuit-open",
        ),
    ]


def _of_queues(spans: Spans) -> list[Alert]:
    ten = spans(10 * MINUTE)
    letters = "orderflow_dead_letters_total"
    return [
        Alert(
            "OrderflowConsumerLag",
            f"sum(max by (partition) (orderflow_consumer_lag)) > {LAG_MESSAGES_MAX}",
            5 * MINUTE,
            "page",
            "{{ $value }} events wait for the workers",
            "consumer-lag",
        ),
        Alert(
            "OrderflowOutboxOld",
            f"max(orderflow_outbox_oldest_age_seconds) > {spans.seconds(OUTBOX_AGE_S_MAX):g}",
            MINUTE,
            "page",
            "An event has waited for {{ $value | humanizeDuration }} to be published",
            "outbox-old",
        ),
        # The first letter of a kind starts a series at 1, which `increase` does not see.
        Alert(
            "OrderflowDeadLetters",
            f"sum by (kind) (({letters} unless {letters} offset {ten}) or increase({letters}[{ten}])) > 0",
            0,
            "ticket",
            "Messages or shipments were given up as {{ $labels.kind }}",
            "dead-letters",
        ),
        Alert(
            "OrderflowWebhookDeadLetters",
            "max(orderflow_webhook_dead_letters) > 0",
            0,
            "ticket",
            "Webhooks did not take {{ $value }} messages within the whole schedule",
            "webhook-dead-letters",
        ),
    ]


def _of_orders(spans: Spans) -> list[Alert]:
    stuck = spans(STUCK_S)
    baseline = f"avg_over_time(orderflow:orders_finished:rate10m[{spans(DAY)}] offset {spans(HOUR)})"
    return [
        Alert(
            "OrderflowOrdersStuck",
            f"min_over_time(orderflow:orders_unfinished[{stuck}]) > 0"
            f" and delta(orderflow:orders_finished[{stuck}]) <= 0",
            MINUTE,
            "page",
            "{{ $value }} orders are unfinished, and none has ended for a while",
            "orders-stuck",
        ),
        Alert(
            "OrderflowOrdersNeedAttention",
            "max(orderflow_orders_attention) > 0",
            5 * MINUTE,
            "ticket",
            "{{ $value }} orders need a person",
            "orders-need-attention",
        ),
        Alert(
            "OrderflowThroughputLow",
            f"orderflow:orders_finished:rate10m < 0.1 * {baseline}"
            f" and {baseline} > {BASELINE_ORDERS_A_SECOND_MIN}"
            f" and orderflow:orders_unfinished > {WAITING_WORK_S} * {baseline}",
            10 * MINUTE,
            "page",
            "Orders wait, and {{ $value }} a second end: less than a tenth of the last day's average",
            "throughput-low",
        ),
    ]


def _of_audits() -> list[Alert]:
    return [
        Alert(
            "OrderflowAuditFindings",
            "max by (kind) (orderflow_audit_findings) > 0",
            0,
            "ticket",
            "The last audit has {{ $value }} findings of the kind {{ $labels.kind }}",
            "audit-findings",
        )
    ]


def _burns(name: str, ratio: str, objective: float, what: str, page: str) -> list[Alert]:
    plain = Spans(1)
    made: list[Alert] = []
    for times, long, severity in BURN_RATES:
        bound = f"> {times * (1 - objective):.6g}"
        record = f"orderflow:{ratio}:ratio_rate"
        expression = f"{record}{plain(long)} {bound} and {record}{plain(long / 12)} {bound}"
        summary = (
            f"{what}: {times:g} times as often as the objective of {objective:.1%} allows, for {plain(long)}"
        )
        made.append(Alert(name, expression, 0, severity, summary, page, plain(long)))
    return made


def rules(scale: float, runbooks: str) -> dict[str, Any]:
    """The document that Prometheus reads."""
    spans = Spans(scale)
    every = max(spans.seconds(15), 0.5)
    interval = Spans(1)(every)
    told: list[dict[str, Any]] = []
    for alert in alerts(spans):
        told.append(
            {
                "alert": alert.name,
                "expr": alert.expression,
                **({"for": spans(alert.for_s)} if alert.for_s else {}),
                "labels": {
                    "severity": alert.severity,
                    **({"window": alert.window} if alert.window else {}),
                },
                "annotations": {"summary": alert.summary, "runbook_url": f"{runbooks}/{alert.page}.md"},
            }
        )
    records = [{"record": name, "expr": expression} for name, expression in recorded(spans)]
    return {
        "groups": [
            {"name": "orderflow-records", "interval": interval, "rules": records},
            {"name": "orderflow-alerts", "interval": interval, "rules": told},
        ]
    }


def document(scale: float = 1, runbooks: str = "docs/runbooks") -> str:
    head = "# Made by deploy/observability/rules.py; a test compares.\n"
    return head + yaml.safe_dump(rules(scale, runbooks), sort_keys=False, width=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print Prometheus' rules.")
    parser.add_argument("--scale", type=float, default=1, help="by what every time span is multiplied")
    parser.add_argument("--runbooks", default="docs/runbooks", help="where the runbook pages are")
    given = parser.parse_args()
    sys.stdout.write(document(given.scale, given.runbooks))
