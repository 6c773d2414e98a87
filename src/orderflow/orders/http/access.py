"""Who may use which route of the Order Service."""

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.audit_feeds import AUDITED_ORDERS
from orderflow.contracts.erasure import ERASE_CUSTOMER
from orderflow.contracts.orders_api import STREAM
from orderflow.contracts.scopes import Scope
from orderflow.contracts.webhooks import WEBHOOK, WEBHOOK_LETTERS, WEBHOOKS
from orderflow.web.access import METRICS_RULE, OPEN, Rule, Rules
from orderflow.web.asyncapi_page import ASYNCAPI, PAGE, STYLE
from orderflow.web.metrics import METRICS
from orderflow.web.openapi import OPENAPI

PLACE = Rule(Scope.ORDERS_WRITE, for_customers=True)
_READ = Rule(Scope.ORDERS_READ, for_customers=True)
_READ_ALL = Rule(Scope.ORDERS_READ)
_WRITE = Rule(Scope.ORDERS_WRITE, for_customers=True)
_STATUS = Rule(Scope.ORDERS_STATUS)
_ADMIN = Rule(Scope.ADMIN)

RULES: Rules = {
    ("POST", "/api/orders"): PLACE,
    ("POST", "/api/orders/batch"): PLACE,
    ("GET", "/api/orders"): _READ,
    ("GET", STREAM): _READ,
    ("GET", "/api/orders/{order_id}"): _READ,
    ("GET", "/api/orders/{order_id}/timeline"): _READ,
    ("POST", "/api/orders/{order_id}/cancel"): _WRITE,
    ("POST", "/api/orders/{order_id}/hold"): _WRITE,
    ("POST", "/api/orders/{order_id}/release"): _WRITE,
    ("PATCH", "/api/orders/{order_id}/status"): _STATUS,
    ("PATCH", "/api/orders/status"): _STATUS,
    ("GET", "/api/stats"): _READ_ALL,
    ("GET", AUDIT): _ADMIN,
    ("GET", AUDITED_ORDERS): _READ_ALL,
    ("GET", "/api/outbox/parked"): _READ_ALL,
    ("POST", "/api/outbox/parked/release"): _ADMIN,
    ("POST", ERASE_CUSTOMER): _ADMIN,
    # A webhook gets the changes of everybody's orders, and its address may hold a secret.
    ("GET", WEBHOOKS): _ADMIN,
    ("POST", WEBHOOKS): _ADMIN,
    ("DELETE", WEBHOOK): _ADMIN,
    ("POST", f"{WEBHOOK}/test"): _ADMIN,
    ("GET", WEBHOOK_LETTERS): _ADMIN,
    ("POST", f"{WEBHOOK}/rotate"): _ADMIN,
    ("POST", f"{WEBHOOK}/redrive"): _ADMIN,
    ("POST", f"{WEBHOOK_LETTERS}/{{position}}/redrive"): _ADMIN,
    ("POST", f"{WEBHOOK_LETTERS}/{{position}}/discard"): _ADMIN,
    ("GET", METRICS): METRICS_RULE,
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    # The documents are the same for every installation, and say nothing about it.
    ("GET", OPENAPI): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/{name}"): OPEN,
    ("GET", ASYNCAPI): OPEN,
    ("GET", PAGE): OPEN,
    ("GET", STYLE): OPEN,
}
