"""Charts over time as SVG text, readable on a light and on a dark page: the picture brings its own ground."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 840, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 64, 40
LINES_MAX = 5
LABEL_PX = 7.2
"""About the width of a letter of a label."""

_STYLE = """
.ground{fill:#ffffff}.text{fill:#24292f;font:12px system-ui,sans-serif}.faint{fill:#57606a}
.title{font-weight:600;font-size:15px}.grid{stroke:#d0d7de}.band{fill:#eaeef2}
.mark{stroke:#24292f;stroke-dasharray:3 3}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.c0{stroke:#0a66c2}.c1{stroke:#c2410c}.c2{stroke:#15803d}.c3{stroke:#8b5cf6}
.c4{stroke:#6b7280;stroke-dasharray:5 4}
.f0{fill:#0a66c2}.f1{fill:#c2410c}.f2{fill:#15803d}.f3{fill:#8b5cf6}.f4{fill:#6b7280}
@media (prefers-color-scheme:dark){
.ground{fill:#161b22}.text{fill:#e6edf3}.faint{fill:#9aa4af}.grid{stroke:#30363d}.band{fill:#1f2630}.mark{stroke:#f0f6fc}
.c0{stroke:#58a6ff}.c1{stroke:#ff9b63}.c2{stroke:#4ade80}.c3{stroke:#c4a5ff}.c4{stroke:#9aa4af}
.f0{fill:#58a6ff}.f1{fill:#ff9b63}.f2{fill:#4ade80}.f3{fill:#c4a5ff}.f4{fill:#9aa4af}}
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """`points` are (second, value), in the order of time. `color` is 0 to 4; 4 is grey and dashed."""

    name: str
    points: Sequence[Point]
    color: int
    steps: bool = False
    filled: bool = False
    gap_s: float = math.inf
    """Points that are further apart are not joined."""


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of time, which gets a band behind the lines."""

    name: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`seconds` are the ends of the time axis. `marks` are (second, number): a dashed line with its number on
    top. `top` is the highest value that there can be, if one knows."""

    title: str
    seconds: tuple[float, float]
    lines: Sequence[Line]
    spans: Sequence[Span] = ()
    marks: Sequence[tuple[float, str]] = ()
    logarithmic: bool = False
    top: float | None = None

    def svg(self) -> str:
        points = [point for line in self.lines for point in line.points]
        first, last = self.seconds

        def x(second: float) -> float:
            share = (second - first) / (last - first)
            return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share))

        scale = _logarithmic(points) if self.logarithmic else _linear(points, self.top)
        body = [
            *_bands(self.spans, x),
            *_grid(scale),
            *_times(first, last, x),
            *(text for line in self.lines for text in _drawn(line, x, scale)),
            *_marks(self.marks, x),
            *_legend(self.lines),
        ]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
                f"<title>{escape(self.title)}</title><style>{_STYLE}</style>",
                f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
                f'<text class="text title" x="{LEFT}" y="24">{escape(self.title)}</text>',
                *body,
                "</svg>\n",
            ]
        )


@dataclass(frozen=True, slots=True)
class _Scale:
    y: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def _height(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _linear(points: Sequence[Point], top: float | None) -> _Scale:
    highest = top or max((value for _, value in points), default=1) or 1
    step = top / 4 if top else _nice(highest / 4)
    ceiling = step * math.ceil(highest / step)
    ticks = [step * n for n in range(round(ceiling / step) + 1)]
    return _Scale(lambda value: _height(value / ceiling), [(tick, f"{tick:,g}") for tick in ticks])


def _logarithmic(points: Sequence[Point]) -> _Scale:
    """Decades; what is below the lowest one, 0 included, lies on the floor."""
    above = [value for _, value in points if value > 0]
    low = math.floor(math.log10(min(above, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(above, default=10))))

    def y(value: float) -> float:
        return _height(max(0.0, (math.log10(max(value, 10.0**low)) - low) / (high - low)))

    ticks = [(10.0**power, f"{10.0**power:,g}") for power in range(low, high + 1)]
    if any(value < 10.0**low for _, value in points):
        ticks[0] = (10.0**low, f"≤ {ticks[0][1]}")
    return _Scale(y, ticks)


def _nice(step: float) -> float:
    """The least of 1, 2, 5, 10, 20, … that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _grid(scale: _Scale) -> list[str]:
    return [
        f'<path class="grid" d="M{LEFT} {scale.y(tick):.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="text faint" text-anchor="end" x="{LEFT - 8}" y="{scale.y(tick) + 4:.1f}">'
        f"{name}</text>"
        for tick, name in scale.ticks
    ]


def _times(first: float, last: float, x: Callable[[float], float]) -> list[str]:
    in_minutes = last - first > 180
    unit_s, unit = (60, "min") if in_minutes else (1, "s")
    step = _nice((last - first) / unit_s / 8) * unit_s
    ticks = [step * n for n in range(math.ceil(first / step), math.floor(last / step) + 1)]
    return [
        f'<text class="text faint" text-anchor="middle" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}">'
        f"{tick / unit_s:g}{f' {unit}' if tick == ticks[-1] else ''}</text>"
        for tick in ticks
    ]


def _bands(spans: Sequence[Span], x: Callable[[float], float]) -> list[str]:
    return [
        f'<rect class="band" x="{x(span.began):.1f}" y="{TOP}" width="{x(span.ended) - x(span.began):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>'
        f'<text class="text faint" x="{x(span.began) + 4:.1f}" y="{TOP + 14}">{escape(span.name)}</text>'
        for span in spans
    ]


def _marks(marks: Sequence[tuple[float, str]], x: Callable[[float], float]) -> list[str]:
    return [
        f'<path class="mark" d="M{x(second):.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text class="text" text-anchor="middle" x="{x(second):.1f}" y="{TOP - 4}">{escape(name)}</text>'
        for second, name in marks
    ]


def _drawn(line: Line, x: Callable[[float], float], scale: _Scale) -> list[str]:
    path = ""
    last = -math.inf
    for second, value in line.points:
        across, up = f"{x(second):.1f}", f"{scale.y(value):.1f}"
        if not path or second - last > line.gap_s:
            path += f"M{across} {up}"
        else:
            path += f"H{across}V{up}" if line.steps else f"L{across} {up}"
        last = second
    if not path:
        return []
    drawn = [f'<path class="line c{line.color}" d="{path}"/>']
    if line.filled:
        closed = f"{path}V{scale.y(0):.1f}H{x(line.points[0][0]):.1f}Z"
        drawn.insert(0, f'<path class="f{line.color}" d="{closed}"/>')
    return drawn


def _legend(lines: Sequence[Line]) -> list[str]:
    drawn: list[str] = []
    left = float(LEFT)
    for line in lines:
        drawn.append(
            f'<path class="line c{line.color}" d="M{left:.0f} 40h20"/>'
            f'<text class="text" x="{left + 26:.0f}" y="44">{escape(line.name)}</text>'
        )
        left += 26 + LABEL_PX * len(line.name) + 22
    return drawn
