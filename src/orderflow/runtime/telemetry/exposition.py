"""The text that answers a scrape, for all processes behind one port, of which only one gets the request.

OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), or Prometheus' text format 0.0.4.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from orderflow.runtime.telemetry.counts import Key
from orderflow.runtime.telemetry.instruments import (
    Counter,
    Described,
    Exemplar,
    Family,
    Histogram,
    Registry,
)

Reading = tuple[Described, tuple[str, ...], float]
"""A gauge, the values of its labels, and its value."""

OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
_TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(registry: Registry, accept: str, readings: Sequence[Reading]) -> tuple[bytes, str]:
    """All metrics as text, with the text's media type; `accept` is the header of the request."""
    is_openmetrics = OPENMETRICS in accept
    lines: list[str] = []
    counted: dict[str, list[tuple[Key, Sequence[float]]]] = {name: [] for name in registry.families}
    for key, values in registry.counts.totals().items():
        if key[0] in counted:
            counted[key[0]].append((key[1:], values))
    for name, family in registry.families.items():
        lines += _head(family.described, is_openmetrics)
        for labels, values in counted[name]:
            lines += _series(family, labels, values, is_openmetrics)
    gauges: dict[Described, list[str]] = {}
    for gauge, labels, value in readings:
        gauges.setdefault(gauge, []).append(_line(gauge.name, _labels(gauge, labels), value))
    for gauge, of_gauge in gauges.items():
        lines += [*_head(gauge, is_openmetrics), *of_gauge]
    if is_openmetrics:
        lines.append("# EOF")
    text = "\n".join(lines) + "\n"
    return text.encode(), _OPENMETRICS_TYPE if is_openmetrics else _TEXT_TYPE


def _head(described: Described, is_openmetrics: bool) -> tuple[str, str]:
    """OpenMetrics calls a counter by its name without `_total`."""
    name = described.name.removesuffix("_total") if is_openmetrics else described.name
    return (
        f"# HELP {name} {described.text.translate(_ESCAPES)}",
        f"# TYPE {name} {described.kind}",
    )


def _series(
    family: Family[Counter] | Family[Histogram], values: Key, counts: Sequence[float], with_exemplars: bool
) -> Iterator[str]:
    name = family.described.name
    labels = _labels(family.described, values)
    if not family.bounds:
        yield _line(name, labels, counts[0])
        return
    made = family.made.get(values)
    exemplars = made.exemplars if with_exemplars and isinstance(made, Histogram) else {}
    start = f'{name}_bucket{{{labels}{"," if labels else ""}le="'
    cumulated = list(accumulate(counts[1:]))
    for number, (bound, count) in enumerate(zip((*family.bounds, "+Inf"), cumulated, strict=True)):
        exemplar = exemplars.get(number)
        yield f'{start}{bound}"}} {count}{_exemplar(exemplar) if exemplar else ""}'
    yield _line(f"{name}_count", labels, cumulated[-1])
    yield _line(f"{name}_sum", labels, counts[0])


def _line(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {float(value)}" if labels else f"{name} {float(value)}"


def _labels(described: Described, values: Sequence[str]) -> str:
    return ",".join(
        f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(described.labels, values, strict=True)
    )


def _exemplar(exemplar: Exemplar) -> str:
    labels = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in exemplar.labels.items())
    return f" # {{{labels}}} {exemplar.value} {exemplar.at:.3f}"
