"""The collection of requests and docs/llms.txt, made from the OpenAPI and AsyncAPI documents."""

import json
import re
from pathlib import Path
from typing import Any

Document = dict[str, Any]

SERVICES = {"orders": "http://127.0.0.1:8080", "fulfillment": "http://127.0.0.1:8081"}
"""Where `orderflow up` serves each."""
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_PLACEHOLDER = re.compile(r"{(\w+)}")
_CONVENTIONS = (
    "Bodies are JSON with camel-case names. Times are ISO 8601 in UTC. Amounts are integers in the "
    "currency's minor unit.",
    "Errors are problems (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `detail`, "
    "`correlationId`, and in a 422 `errors`, each with a JSON Pointer.",
    "Send `Idempotency-Key` with `POST /api/orders`, and repeat the request with the same key after a lost "
    "answer, 429 or 503: one order is placed.",
    "Wait as `Retry-After` says.",
    "Unknown fields and query parameters in requests are refused. Ignore those in answers and events that "
    "you do not know.",
    "Lists take `limit` and `cursor`; follow `nextCursor` until it is null.",
    "Outside dev send `Authorization: Bearer KEY`; each operation names the scope that it needs.",
)
_PAGES = ("api.md", "client.md", "order-lifecycle.md", "webhooks.md", "security.md")


def collection(documents: dict[str, Document]) -> Document:
    """A Postman collection (v2.1), which Bruno and others import as well. Its variables are the addresses of
    the services and the key."""
    return {
        "info": {"name": "Orderflow", "schema": _SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{apiKey}}", "type": "string"}]},
        "variable": [
            *({"key": f"{name}Url", "value": url} for name, url in SERVICES.items()),
            {"key": "apiKey", "value": ""},
        ],
        "item": [
            {
                "name": document["info"]["title"],
                "item": [
                    _request(f"{name}Url", method, path, operation)
                    for path, operations in document["paths"].items()
                    for method, operation in operations.items()
                ],
            }
            for name, document in documents.items()
        ],
    }


def _request(url: str, method: str, path: str, operation: Document) -> Document:
    parameters = [each for each in operation["parameters"] if "$ref" not in each]
    named = [_parameter(each) for each in parameters if each["in"] == "query"]
    address = _PLACEHOLDER.sub(r":\1", path)
    headers = [_header(each) for each in parameters if each["in"] == "header"]
    request: Document = {
        "method": method.upper(),
        "url": {
            "raw": f"{{{{{url}}}}}{address}",
            "host": [f"{{{{{url}}}}}"],
            "path": address.strip("/").split("/"),
            "query": named,
            "variable": [
                {"key": each["name"], "value": each.get("example", "")}
                for each in parameters
                if each["in"] == "path"
            ],
        },
        "header": headers,
        "description": operation.get("description", ""),
    }
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        headers.append({"key": "Content-Type", "value": "application/json"})
        example = operation["requestBody"]["content"]["application/json"]["example"]
        request["body"] = {"mode": "raw", "raw": json.dumps(example, indent=2, ensure_ascii=False)}
    return {"name": operation["summary"], "request": request}


def _parameter(described: Document) -> Document:
    """Left out until somebody switches it on."""
    value = str(described["schema"].get("default", ""))
    return {"key": described["name"], "value": value, "disabled": True}


def _header(described: Document) -> Document:
    if described["name"] == "Idempotency-Key":
        return {"key": "Idempotency-Key", "value": "{{$guid}}"}
    return {"key": described["name"], "value": described.get("example", ""), "disabled": True}


def llms_text(documents: dict[str, Document], events: Document, docs: Path) -> str:
    """docs/llms.txt (llmstxt.org): what a language model has to know to write a client, and where more is."""
    lines = [
        "# Orderflow",
        "",
        "> Takes orders over HTTP and ships them: none lost, none shipped twice. The Order Service places "
        "orders and shows them; the Fulfillment Service ships them, and serves what it knows itself.",
        "",
        *(f"- {each}" for each in _CONVENTIONS),
    ]
    for name, document in documents.items():
        lines += ["", f"## {document['info']['title']} ({SERVICES[name]})", ""]
        lines.append(f"- [OpenAPI document](openapi/{name}.json)")
        for path, operations in document["paths"].items():
            lines += [_operation(method, path, each) for method, each in operations.items()]
    lines += ["", "## Events", "", "- [AsyncAPI document](asyncapi/events.json)"]
    lines += [f"- `{name}`: {each['summary']}" for name, each in events["components"]["messages"].items()]
    lines += ["", "## Pages", ""]
    lines += [f"- [{_title(docs / page)}]({page})" for page in _PAGES]
    return "\n".join(lines) + "\n"


def _operation(method: str, path: str, operation: Document) -> str:
    scopes = [f"`{scope}`" for needed in operation["security"] for scope in needed["bearer"]]
    text = f"- `{method.upper()} {path}`: {operation['summary']}"
    text += "" if text.endswith("?") else "."
    queries = [f"`{each['name']}`" for each in operation["parameters"] if each.get("in") == "query"]
    if queries:
        text += f" Query: {', '.join(queries)}."
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        text += f" Body: `{json.dumps(example, ensure_ascii=False)}`."
    if scopes:
        text += f" Scope: {' or '.join(scopes)}."
    return f"{text} Answers: {', '.join(sorted(operation['responses']))}."


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")
