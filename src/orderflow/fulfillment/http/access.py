"""Who may use which route of the Fulfillment Service. Nobody who is bound to a customer may use any, because
shipments and dead letters of all customers are shown together."""

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.audit_feeds import AUDITED_SHIPMENTS, AUDITED_STOCK
from orderflow.contracts.erasure import ERASE_SHIPMENTS
from orderflow.contracts.scopes import Scope
from orderflow.fulfillment.http.simulation import SIMULATED_CARRIER
from orderflow.fulfillment.http.stock import STOCK
from orderflow.web.access import METRICS_RULE, OPEN, Rule, Rules
from orderflow.web.metrics import METRICS
from orderflow.web.openapi import OPENAPI

SHIPMENTS = "/api/fulfillment/shipments"
LETTERS = "/api/fulfillment/dead-letters"

_READ = Rule(Scope.FULFILLMENT_READ)
_OPERATE = Rule(Scope.FULFILLMENT_OPERATE)

RULES: Rules = {
    ("GET", SHIPMENTS): _READ,
    ("GET", f"{SHIPMENTS}/{{order_id}}"): _READ,
    ("GET", LETTERS): _READ,
    ("GET", f"{LETTERS}/groups"): _READ,
    ("GET", f"{LETTERS}/redrives"): _READ,
    ("GET", f"{LETTERS}/redrives/{{redrive_id}}"): _READ,
    ("GET", f"{LETTERS}/{{letter_id}}"): _READ,
    # It may name a customer, so it is for those who have to do with it.
    ("GET", f"{LETTERS}/{{letter_id}}/message"): _OPERATE,
    ("GET", STOCK): _READ,
    ("GET", AUDIT): Rule(Scope.ADMIN),
    ("GET", AUDITED_SHIPMENTS): _READ,
    ("GET", AUDITED_STOCK): _READ,
    ("POST", f"{LETTERS}/redrive"): _OPERATE,
    ("POST", f"{LETTERS}/redrives/{{redrive_id}}/stop"): _OPERATE,
    ("POST", f"{LETTERS}/{{letter_id}}/redrive"): _OPERATE,
    ("POST", f"{LETTERS}/{{letter_id}}/discard"): _OPERATE,
    ("PUT", f"{STOCK}/{{product_id:path}}"): _OPERATE,
    ("GET", SIMULATED_CARRIER): _READ,
    ("PUT", SIMULATED_CARRIER): _OPERATE,
    ("POST", ERASE_SHIPMENTS): Rule(Scope.ADMIN),
    ("GET", METRICS): METRICS_RULE,
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    # It is the same for every installation, and says nothing about it.
    ("GET", OPENAPI): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/{name}"): OPEN,
}
