"""Code that crosses from stage to stage inside of objects: `shape.area()` runs a method that its caller never names.

Rules:
    a stage may hand on any object of a project class that it reaches, and inside of it any project function that it
    mentions other than to call it, and whatever it was itself given;
    nothing crosses a wire that either end annotates with plain types: numbers, texts, frames, arrays, paths, boosters, and
    containers of those;
    what may be handed to a stage is part of its code, with all that it reaches.

A class that a stage passes on without a look counts too: who uses an object is not known before it runs.
"""

import ast
from collections.abc import Mapping

from incumbent.pipeline.graph import Graph, Wire
from incumbent.pipeline.reach import CHANGES, NOTHING, Handed, Reach, SymbolGraph
from incumbent.pipeline.resolve import Node
from incumbent.pipeline.stage import Parameter
from incumbent.pipeline.symbols import SourceModule
from incumbent.pipeline.types import is_plain_type

_CLASS_MAKERS = frozenset({
    "namedtuple", "NamedTuple", "TypedDict", "make_dataclass", "make_class", "defstruct", "type", "new_class", "Enum", "IntEnum", "StrEnum",
})  # fmt: skip


def reach_stages(graph: Graph, modules: Mapping[str, SourceModule], symbols: SymbolGraph) -> dict[str, Reach]:
    """Return what each stage reaches, with the code of the objects that it may be given; `modules` are the stages' own, by name."""
    reached: dict[str, Reach] = {}
    gives: dict[str, Handed] = {}
    for name, spec in graph.stages.items():  # each comes after all that it needs
        wires = ((parameter, graph.wires[name][parameter.name]) for parameter in spec.inputs)
        taken = _join([gives[wire.producer] for parameter, wire in wires if wire.producer and _lets_cross(graph, wire, parameter)])
        symbol = spec.symbol if spec.symbol.isidentifier() else ""  # one that only a pipeline holds (`NAME[stage]`) takes whole files
        reached[name] = symbols.reach(modules[name], symbol, taken)
        is_closed = all(is_plain_type(output.type) for output in spec.outputs)
        gives[name] = NOTHING if is_closed else _join([taken, _list_handed(reached[name], symbols)])
    return reached


def _lets_cross(graph: Graph, wire: Wire, taken: Parameter) -> bool:
    producer = graph.stages[wire.producer or ""]
    given = next(output.type for output in producer.outputs if output.name == wire.name)
    return not is_plain_type(given) and not is_plain_type(taken.type)


def _join(parts: list[Handed]) -> Handed:
    nodes = frozenset().union(*(part.nodes for part in parts))
    return Handed(nodes, tuple(dict.fromkeys(reason for part in parts for reason in part.reasons)))


def _list_handed(reach: Reach, symbols: SymbolGraph) -> Handed:
    if reach.widened:
        return Handed(frozenset(reach.nodes), reach.widened)
    found: set[Node] = set()
    for node in reach.nodes:
        for statement in symbols.statements(node):
            if isinstance(statement, ast.ClassDef) or (isinstance(statement, ast.FunctionDef) and node[1].startswith(CHANGES)):
                found.add((node[0], statement.name))
            elif _makes_class(statement):
                found.add(node)
        found.update(value for value in symbols.values(node) if _is_function(value, symbols))
    return Handed(frozenset(found))


def _makes_class(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    called = value.func if isinstance(value, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in _CLASS_MAKERS


def _is_function(node: Node, symbols: SymbolGraph) -> bool:
    return any(isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) for statement in symbols.statements(node))
