"""Where the boxes of a graph stand: in layers, each box below all that it needs, lines around the boxes and never through one. Pure.

After Sugiyama, Tagawa and Toda (1981): a box stands one layer below the lowest of what it needs; a line that passes layers takes a
place in each of them; sweeps down and up put each layer in the order of its neighbours' middles, which keeps crossings few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

BOX_WIDTH, BOX_HEIGHT = 176.0, 46.0
LANE_WIDTH = 14.0
"""What a line that passes a layer takes of its width."""
GAP_X, GAP_Y, EDGE = 22.0, 52.0, 10.0
SWEEPS = 4
LANES_MAX = 4000
"""Beyond so many, lines that pass layers are drawn straight: such a graph is a hairball however it is drawn."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node in its place; x and y are its left upper corner, in pixels."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """An edge, from the lower side of a box to the upper side of a lower one."""

    start: str
    end: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """As a path of SVG."""
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawn graph."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


_Node = tuple[str, str, int]
"""(name, "", 0) for a box; (start, end, layer) for the lane of a line in a layer that it passes."""


def lay_out(needs: Mapping[str, Sequence[str]]) -> Layout:
    """Return where to draw a graph without circles: node -> the nodes that it needs, each of them a key too.

    Raises:
        ValueError: Something needs itself, around however many corners, or needs what is not there.
    """
    depth = _find_depths(needs)
    layers: list[list[_Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in needs:
        layers[depth[name]].append((name, "", 0))
    chains = _chain(needs, depth, layers)
    neighbours: dict[_Node, tuple[list[_Node], list[_Node]]] = {node: ([], []) for layer in layers for node in layer}
    for chain in chains.values():
        for above, below in pairwise(chain):
            neighbours[below][0].append(above)
            neighbours[above][1].append(below)
    _untangle(layers, neighbours)
    return _place(layers, chains)


def _find_depths(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    waiting = {name: set(above) for name, above in needs.items()}
    below: dict[str, list[str]] = {name: [] for name in needs}
    for name, above in waiting.items():
        for one in above:
            if one not in needs:
                raise ValueError(f"{name!r} needs {one!r}, which is not there")
            below[one].append(name)
    depth = {name: 0 for name, above in waiting.items() if not above}
    ready = list(depth)
    while ready:
        one = ready.pop()
        for name in below[one]:
            waiting[name].discard(one)
            depth[name] = max(depth.get(name, 0), depth[one] + 1)
            if not waiting[name]:
                ready.append(name)
    stuck = [name for name, above in waiting.items() if above]
    if stuck:
        raise ValueError(f"{stuck[0]!r} needs itself")
    return depth


def _chain(needs: Mapping[str, Sequence[str]], depth: Mapping[str, int], layers: list[list[_Node]]) -> dict[tuple[str, str], list[_Node]]:
    """Return (start, end) -> the nodes that the line goes by, and give each lane its place in `layers`."""
    edges = [(start, end) for end, above in needs.items() for start in dict.fromkeys(above)]
    lanes = sum(depth[end] - depth[start] - 1 for start, end in edges)
    chains: dict[tuple[str, str], list[_Node]] = {}
    for start, end in edges:
        passed: list[_Node] = [(start, end, layer) for layer in range(depth[start] + 1, depth[end])] if lanes <= LANES_MAX else []
        for lane in passed:
            layers[lane[2]].append(lane)
        chains[start, end] = [(start, "", 0), *passed, (end, "", 0)]
    return chains


def _untangle(layers: list[list[_Node]], neighbours: Mapping[_Node, tuple[list[_Node], list[_Node]]]) -> None:
    for sweep in range(SWEEPS):
        is_down = sweep % 2 == 0
        position = {node: (at + 0.5) / len(layer) for layer in layers for at, node in enumerate(layer)}
        for layer in layers if is_down else layers[::-1]:
            middle = {}
            for node in layer:
                near = neighbours[node][0 if is_down else 1]
                middle[node] = sum(position[one] for one in near) / len(near) if near else position[node]
            layer.sort(key=lambda node: middle[node])
            position |= {node: (at + 0.5) / len(layer) for at, node in enumerate(layer)}


def _place(layers: list[list[_Node]], chains: Mapping[tuple[str, str], list[_Node]]) -> Layout:
    widths = [sum(LANE_WIDTH if node[1] else BOX_WIDTH for node in layer) + GAP_X * (len(layer) - 1) for layer in layers]
    width = max(widths, default=0.0)
    boxes: list[Box] = []
    middle: dict[_Node, float] = {}
    top: dict[_Node, float] = {}
    for number, (layer, taken) in enumerate(zip(layers, widths, strict=True)):
        x, y = EDGE + (width - taken) / 2, EDGE + number * (BOX_HEIGHT + GAP_Y)
        for node in layer:
            own = LANE_WIDTH if node[1] else BOX_WIDTH
            middle[node], top[node] = x + own / 2, y
            if not node[1]:
                boxes.append(Box(node[0], x, y))
            x += own + GAP_X
    lines = []
    for (start, end), chain in chains.items():
        points = [(middle[chain[0]], top[chain[0]] + BOX_HEIGHT)]
        for lane in chain[1:-1]:
            points += [(middle[lane], top[lane]), (middle[lane], top[lane] + BOX_HEIGHT)]
        lines.append(Line(start, end, (*points, (middle[chain[-1]], top[chain[-1]]))))
    height = len(layers) * (BOX_HEIGHT + GAP_Y) - GAP_Y if layers else 0.0
    return Layout(width + 2 * EDGE, height + 2 * EDGE, tuple(boxes), tuple(lines))
