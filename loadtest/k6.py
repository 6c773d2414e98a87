"""k6: where it is, how a phase is run, and what it says of each order."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import BenchError, die_with_parent, run

from loadtest.stage import Shop

HERE = Path(__file__).resolve().parent
OWN = HERE.parent / ".venv" / "k6" / "k6"
SCRIPT = HERE / "orders.js"
THRESHOLDS_CROSSED = 99


@dataclass(frozen=True, slots=True)
class Phase:
    """Rates are in orders a second. `steady` and `soak` stay at `rate`, `ramp` ends at `top_rate`, and
    `spike` jumps to it for a quarter of its time, after the first quarter."""

    name: str
    seconds: float
    rate: float
    top_rate: float
    p95_ms: float

    def due(self, second: float) -> float:
        """Orders a second that are due so long after the beginning."""
        if not 0 <= second < self.seconds:
            return 0.0
        if self.name == "ramp":
            return self.rate + (self.top_rate - self.rate) * second / self.seconds
        if self.name == "spike" and 0.25 <= second / self.seconds < 0.5:
            return self.top_rate
        return self.rate


@dataclass(frozen=True, slots=True)
class Asked:
    """A POST of an order and its answer. `at` is Unix time; `status` is 0 if there was no answer, and the
    order's id is None if it may exist without the client knowing, empty if it does not."""

    at: float
    took_ms: float
    status: int
    order_id: str | None


def program() -> str | None:
    """k6, as `make .venv/.k6` builds it, or from the path."""
    return str(OWN) if OWN.exists() else shutil.which("k6")


def found() -> str:
    """Raises BenchError, which says how to get it."""
    path = program()
    if path is None:
        raise BenchError("k6 is missing: `make .venv/.k6` builds it, with Go")
    return path


def version() -> str:
    return run([found(), "version"], seconds_max=30).split()[1]


def start(phase: Phase, shop: Shop, directory: Path) -> subprocess.Popen[bytes]:
    """Its own output goes to a log, a line per order to `orders_file`, the figures to `summary_file`."""
    settings = {
        "ORDERFLOW_URL": shop.stage.url,
        "PHASE": phase.name,
        "SECONDS": f"{phase.seconds:g}",
        "RATE": f"{phase.rate:g}",
        "TOP_RATE": f"{phase.top_rate:g}",
        "P95_MS": f"{phase.p95_ms:g}",
        "EACH": "on",
    }
    command = [found(), "run", "--quiet", "--no-usage-report", "--no-color", "--log-format", "raw"]
    command += ["--console-output", str(orders_file(directory, phase))]
    command += ["--summary-export", str(summary_file(directory, phase))]
    command += [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
    orders_file(directory, phase).unlink(missing_ok=True)  # k6 would add to it
    with (directory / "logs" / f"k6-{phase.name}.log").open("wb") as log:
        return subprocess.Popen(
            [*command, str(SCRIPT)],
            env={name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )


def orders_file(directory: Path, phase: Phase) -> Path:
    return directory / f"{phase.name}.orders"


def summary_file(directory: Path, phase: Phase) -> Path:
    return directory / f"{phase.name}.json"


def asked(directory: Path, phase: Phase) -> Iterator[Asked]:
    """What the script logged with EACH=on, in the order of the answers."""
    ids: dict[str, str | None] = {"-": "", "?": None}
    with orders_file(directory, phase).open() as lines:
        for line in lines:
            began_ms, took_ms, status, order_id = line.split()
            yield Asked(int(began_ms) / 1000, float(took_ms), int(status), ids.get(order_id, order_id))


@dataclass(frozen=True, slots=True)
class Threshold:
    metric: str
    bound: str
    value: str
    held: bool


def metrics(directory: Path, phase: Phase) -> dict[str, Any]:
    return json.loads(summary_file(directory, phase).read_text())["metrics"]


def thresholds(directory: Path, phase: Phase) -> list[Threshold]:
    """Of the phase, with what was measured."""
    return [
        Threshold(name, bound, _measured(metric, bound), not crossed)
        for name, metric in sorted(metrics(directory, phase).items())
        for bound, crossed in metric.get("thresholds", {}).items()
    ]


def _measured(metric: dict[str, Any], bound: str) -> str:
    """The value that the bound is about: `rate<0.001`, `count<1`, `p(95)<100`."""
    figure = bound.replace(">", "<").partition("<")[0]
    if figure == "rate":
        return f"{metric['value']:.4f}"
    value = float(metric[figure])
    return f"{value:.0f}" if figure == "count" else f"{value:.1f} ms"
