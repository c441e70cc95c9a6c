"""A line chart as numbers for an SVG: scales, ticks, and curves thinned out so that no extreme is lost. Pure.

Of the points that fall on one column of the picture, the least and the greatest are drawn, in the order in which they came: a spike
of one point in 100,000 stays (min/max decimation, as in Jugel et al., M4, VLDB 2014, without its first and last of each column).
What is NaN or infinite breaks the curve, and a mark on the axis says where.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 34
COLUMNS = WIDTH - LEFT - RIGHT
LIMIT = 1e300
"""Numbers beyond it have no place on an axis: the span of two could not be told."""


@dataclass(frozen=True, slots=True)
class Series:
    """Named points: x ascending; y any float."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, in pixels, and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A series as drawn.

    Attributes:
        path: Of SVG; "" where no point has a place.
        gaps: Pixels on the x axis where a value is missing, one a column.
        points: How many points it stands for.
        hidden: How many of them have no place: NaN, infinite, or on a logarithmic axis not above 0.
    """

    name: str
    path: str
    gaps: tuple[float, ...]
    points: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Chart:
    """All that a template needs to draw one."""

    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    is_log: bool


def draw_chart(series: Sequence[Series], *, is_log: bool = False) -> Chart:
    """Return the chart of one or more series. A logarithmic axis leaves out what is not above 0."""
    placed = [[(x, _place(y, is_log=is_log)) for x, y in zip(one.x, one.y, strict=True)] for one in series]
    heights = [y for one in placed for _, y in one if y is not None]
    widths = [x for one in placed for x, _ in one]
    x_low, x_high = _bounds(widths)
    y_low, y_high = _bounds(heights)
    curves = []
    for one, points in zip(series, placed, strict=True):
        path, gaps = _trace([((x - x_low) / (x_high - x_low), y) for x, y in points], y_low, y_high)
        hidden = sum(y is None for _, y in points)
        curves.append(Curve(one.name, path, gaps, len(points), hidden))
    x_ticks = tuple(Tick(_px(x, x_low, x_high), label) for x, label in _label_all(list_ticks(x_low, x_high)) if x_low <= x <= x_high)
    levels = _list_powers(y_low, y_high) if is_log else _label_all(list_ticks(y_low, y_high))
    y_ticks = tuple(Tick(_py(y, y_low, y_high), label) for y, label in levels if y_low <= y <= y_high)
    return Chart(tuple(curves), x_ticks, y_ticks, is_log)


def _place(y: float, *, is_log: bool) -> float | None:
    if not math.isfinite(y) or abs(y) > LIMIT:
        return None
    if not is_log:
        return y
    return math.log10(y) if y > 0 else None


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = float(min(values)), float(max(values))
    if high > low and low + (high - low) / 8 > low:  # else the two are one number to any axis
        return low, high
    room = max(abs(low) / 2, 0.5) if low else 0.5
    return low - room, high + room


def _px(x: float, low: float, high: float) -> float:
    return round(LEFT + (x - low) / (high - low) * COLUMNS, 1)


def _py(y: float, low: float, high: float) -> float:
    return round(HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)


def _trace(points: Sequence[tuple[float, float | None]], low: float, high: float) -> tuple[str, tuple[float, ...]]:
    """Return the path of points with x as a share of the axis, and where it is broken."""
    parts: list[str] = []
    gaps: dict[float, None] = {}
    is_open = False
    for column, values, has_gap in _columns(points):
        at = float(LEFT + column)
        for y in thin(values):
            parts.append(f"{'L' if is_open else 'M'}{at:g} {_py(y, low, high):g}")
            is_open = True
        if has_gap:
            gaps[at] = None
            is_open = False
    dots = [f"{part}h0.01" if part[0] == "M" and after[0] == "M" else part for part, after in pairwise([*parts, "M"])]
    return "".join(dots), tuple(gaps)  # a line of no length would not be seen


def _columns(points: Sequence[tuple[float, float | None]]) -> Iterator[tuple[int, list[float], bool]]:
    """Yield, column by column: its number, its values in order, and whether a value is missing in it."""
    column, values, has_gap = -1, list[float](), False
    for share, y in points:
        here = min(COLUMNS, max(0, round(share * COLUMNS)))
        if here != column:
            if column >= 0:
                yield column, values, has_gap
            column, values, has_gap = here, [], False
        if y is None:
            has_gap = True
        else:
            values.append(y)
    if column >= 0:
        yield column, values, has_gap


def thin(values: Sequence[float]) -> list[float]:
    """Return the least and the greatest, in the order in which they come; all, if there are at most two.

    >>> thin([3.0, 9.0, 1.0, 2.0]), thin([4.0]), thin([])
    ([9.0, 1.0], [4.0], [])
    """
    if len(values) <= 2:
        return list(values)
    low, high = min(values), max(values)
    if low == high:
        return [low]
    return [low, high] if values.index(low) < values.index(high) else [high, low]


def list_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers between two bounds: multiples of 1, 2 or 5 times a power of ten.

    >>> list_ticks(0, 1), list_ticks(3, 97)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [20.0, 40.0, 60.0, 80.0])
    """
    raw = (high - low) / wanted
    if raw <= 0 or not math.isfinite(raw):
        return []
    power = 10.0 ** math.floor(math.log10(raw))
    if power == 0:
        return []
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 4 * wanted or abs(last) > 2**52:
        return []
    ticks = [float(f"{number * step:.15g}") for number in range(first, last + 1)]
    return ticks if len(set(ticks)) == len(ticks) else []


def _list_powers(low: float, high: float) -> list[tuple[float, str]]:
    """Return (exponent, label) of the ticks of a logarithmic axis: powers of ten, with 2 and 5 between where there is room."""
    if high - low > 3:
        return [(power, f"1e{power:g}") for power in list_ticks(low, high) if power == int(power)]
    found = []
    for exponent in range(math.floor(low), math.ceil(high) + 1):
        for times in (1, 2, 5):
            found.append((exponent + math.log10(times), _label(times * 10.0**exponent)))
    inside = [one for one in found if low <= one[0] <= high]
    return inside or [(low, _label(10.0**low)), (high, _label(10.0**high))]


def _label_all(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Return ticks with labels of which no two are alike."""
    labels = [_label(tick) for tick in ticks]
    if len(set(labels)) < len(labels):
        labels = [f"{tick:.15g}" for tick in ticks]
    return list(zip(ticks, labels, strict=True))


def _label(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e5:
        return f"{value:.6g}"
    if abs(value) >= 1e5 and value % 1000 == 0 and abs(value) < 1e9:
        return f"{value / 1000:,.6g}k"
    return f"{value:.4g}"
