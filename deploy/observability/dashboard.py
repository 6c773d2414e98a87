"""Grafana's dashboard, as code: panels.py says what it shows. This makes the file anew:

python deploy/observability/dashboard.py > deploy/observability/grafana/dashboards/orderflow.json
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from panels import Panel, Row, rows

SOURCE = {"type": "prometheus", "uid": "${source}"}
COLUMNS = 24
PANEL_LINES = 8
CIRCUIT_STATES = ("closed", "half-open", "open")
COLOURS = ("green", "yellow", "red")


def dashboard() -> dict[str, Any]:
    """The document that Grafana reads."""
    return {
        "uid": "orderflow",
        "title": "Orderflow",
        "tags": ["orderflow"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "graphTooltip": 1,
        "templating": {
            "list": [{"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": _placed(rows()),
    }


def _placed(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The panels of each row from left to right, in as many lines as they need."""
    made: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        head: dict[str, Any] = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        made.append(head | _at(0, top, COLUMNS, 1))
        left, top = 0, top + 1
        for panel in row.panels:
            if left + row.columns > COLUMNS:
                left, top = 0, top + PANEL_LINES
            made.append(_panel(panel) | _at(left, top, row.columns, PANEL_LINES))
            left += row.columns
        top += PANEL_LINES
    return [{"id": number} | panel for number, panel in enumerate(made, 1)]


def _at(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "exemplar": query.exemplars,
                # A number that stands alone is the newest one.
                "instant": panel.kind == "stat",
                "range": panel.kind != "stat",
            }
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _look(panel), "overrides": []},
        "options": _options(panel),
    }


def _look(panel: Panel) -> dict[str, Any]:
    look: dict[str, Any] = {"unit": panel.unit, "noValue": "none", "min": 0}
    if panel.kind == "state-timeline":
        states = zip(CIRCUIT_STATES, COLOURS, strict=True)
        options = {
            str(number): {"text": text, "color": colour} for number, (text, colour) in enumerate(states)
        }
        look["mappings"] = [{"type": "value", "options": options}]
    if panel.bounds:
        steps = [{"color": "green", "value": None}, *({"color": "red", "value": at} for at in panel.bounds)]
        look["thresholds"] = {"mode": "absolute", "steps": steps}
        look["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return look


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "colorMode": "none",
            "textMode": "value_and_name",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        }
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def document() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
