"""The pipeline's graph: stages and sources wired by name, checked before anything runs.

Rules, each broken one named with both ends:
    every name (stage, output, source) is used once; every input names an output or a source; no stage needs itself,
    however far around; what is given has the type that is taken; `map_over` names an input that is a list or a folder.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.source import SourceSpec
from incumbent.pipeline.stage import Parameter, StageSpec
from incumbent.pipeline.types import ANY, ROWS, item_type, judge_types

SOURCE_TYPES: dict[str, str] = {
    "file": "pathlib.Path", "folder": "pathlib.Path", "parquet": "pathlib.Path", "objects": "pathlib.Path",
    "package_file": "pathlib.Path", "sql": ROWS, "delta": ROWS,
}  # fmt: skip
_FOLDERS = ("folder", "parquet", "objects")


@dataclass(frozen=True, slots=True)
class Wire:
    """One edge: the output or source that fills an input.

    Attributes:
        producer: Name of the stage that gives it, or None for a source.
        name: Name of the output or source.
    """

    producer: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked pipeline.

    Attributes:
        stages: By name, in an order in which each comes after all that it needs.
        wires: For each stage, parameter name -> what fills it.
        unsettled: (producer text, produced type, consumer text, consumed type) still to be judged with the real classes.
    """

    name: str
    stages: Mapping[str, StageSpec]
    sources: Mapping[str, SourceSpec]
    wires: Mapping[str, Mapping[str, Wire]]
    unsettled: tuple[tuple[str, str, str, str], ...] = ()

    def get_stage(self, name: str) -> StageSpec:
        """Return the stage of that name.

        Raises:
            NotFound: There is none; the message offers the nearest name.
        """
        if name in self.stages:
            return self.stages[name]
        near = get_close_matches(name, self.stages, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise NotFound(f"pipeline {self.name!r} has no stage {name!r}{hint}. It has: {_list(self.stages)}")

    def list_downstream(self, name: str) -> tuple[str, ...]:
        """Return `name` and every stage that needs it, directly or not, in running order."""
        self.get_stage(name)
        reached = {name}
        for stage, wires in self.wires.items():
            if any(wire.producer in reached for wire in wires.values()):
                reached.add(stage)
        return tuple(stage for stage in self.stages if stage in reached)


def build_graph(name: str, stages: Iterable[StageSpec], sources: Mapping[str, SourceSpec]) -> Graph:
    """Wire stages and sources by name and check the result.

    Raises:
        InvalidInput: One of the rules at the head of this file is broken.
    """
    specs = list(stages)
    if not specs:
        raise InvalidInput(f"pipeline {name!r} has no stages")
    givers = _name_givers(name, specs, sources)
    wires = {spec.name: {p.name: _find_giver(spec, p, givers) for p in spec.inputs} for spec in specs}
    order = _sort(name, specs, wires)
    by_name = {spec.name: spec for spec in specs}
    unsettled = tuple(pair for spec in specs for pair in _check_types(spec, wires[spec.name], by_name, sources))
    return Graph(name, {s: by_name[s] for s in order}, dict(sources), {s: wires[s] for s in order}, unsettled)


def _name_givers(pipeline: str, specs: list[StageSpec], sources: Mapping[str, SourceSpec]) -> dict[str, Wire]:
    givers: dict[str, Wire] = {source: Wire(None, source) for source in sources}
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise InvalidInput(f"pipeline {pipeline!r} has two stages named {spec.name!r}; rename one with @stage(name=…)")
        seen.add(spec.name)
        for output in spec.outputs:
            other = givers.get(output.name)
            if other is not None:
                raise InvalidInput(
                    f"pipeline {pipeline!r}: stage {spec.name!r} gives {output.name!r}, and {_giver_text(other)} gives it too; "
                    "an input would not know which to take: rename one"
                )
            givers[output.name] = Wire(spec.name, output.name)
    clash = seen & set(sources)
    if clash:
        raise InvalidInput(f"pipeline {pipeline!r}: {_list(sorted(clash))} names both a stage and a source; rename one")
    return givers


def _find_giver(spec: StageSpec, parameter: Parameter, givers: Mapping[str, Wire]) -> Wire:
    found = givers.get(parameter.name)
    if found is not None:
        return found
    near = get_close_matches(parameter.name, givers, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InvalidInput(
        f"stage {spec.name!r} ({spec.path}) takes {parameter.name!r}, and no stage or source gives it.{hint} "
        f"There are: {_list(givers)}. (Config values are keyword-only: put them after a * in the signature.)"
    )


def _sort(pipeline: str, specs: list[StageSpec], wires: Mapping[str, Mapping[str, Wire]]) -> list[str]:
    """Order by Kahn's algorithm: no recursion, so a chain of any length will do; ties keep the order as listed."""
    waiting = {spec.name: {w.producer for w in wires[spec.name].values() if w.producer} for spec in specs}
    needed_by: dict[str, list[str]] = {spec.name: [] for spec in specs}
    for stage, producers in waiting.items():
        for producer in producers:
            needed_by[producer].append(stage)
    ready = [spec.name for spec in specs if not waiting[spec.name]]
    order: list[str] = []
    for stage in ready:  # grows while it is walked
        order.append(stage)
        for consumer in needed_by[stage]:
            waiting[consumer].discard(stage)
            if not waiting[consumer]:
                ready.append(consumer)
    if len(order) < len(specs):
        raise InvalidInput(f"pipeline {pipeline!r} goes in a circle: {' -> '.join(_find_circle(waiting))}")
    return order


def _find_circle(waiting: Mapping[str, set[str]]) -> list[str]:
    stage = next(name for name, producers in waiting.items() if producers)
    path: list[str] = []
    while stage not in path:
        path.append(stage)
        stage = next(p for p in sorted(waiting[stage]) if waiting[p])
    return [*path[path.index(stage) :], stage][::-1]


def _check_types(
    spec: StageSpec, wires: Mapping[str, Wire], stages: Mapping[str, StageSpec], sources: Mapping[str, SourceSpec]
) -> list[tuple[str, str, str, str]]:
    unsettled = []
    mapped = spec.options.map_over
    if mapped is not None and mapped not in wires:
        raise InvalidInput(f"stage {spec.name!r} says map_over={mapped!r}, and has no such input; it takes: {_list(wires)}")
    for parameter in spec.inputs:
        wire = wires[parameter.name]
        produced = _produced_type(wire, stages, sources)
        if parameter.name == mapped:
            produced = _item_of(spec, wire, produced, sources)
        taker = f"stage {spec.name!r} ({spec.path}) takes {parameter.name!r} as {parameter.type or ANY}"
        verdict = judge_types(produced, parameter.type)
        if verdict == "mismatch":
            raise InvalidInput(f"types do not fit: {_giver_text(wire)} gives {wire.name!r} as {produced}, and {taker}")
        if verdict == "unknown":
            unsettled.append((f"{_giver_text(wire)} gives {wire.name!r}", produced, taker, parameter.type))
    return unsettled


def _produced_type(wire: Wire, stages: Mapping[str, StageSpec], sources: Mapping[str, SourceSpec]) -> str:
    if wire.producer is None:
        return SOURCE_TYPES[sources[wire.name].kind]
    spec = stages[wire.producer]
    kind = next(output.type for output in spec.outputs if output.name == wire.name)
    return kind if spec.options.map_over is None else f"list[{kind or ANY}]"


def _item_of(spec: StageSpec, wire: Wire, produced: str, sources: Mapping[str, SourceSpec]) -> str:
    if wire.producer is None and sources[wire.name].kind in _FOLDERS:
        return "pathlib.Path"
    item = ANY if produced == ANY else item_type(produced)
    if item is None:
        raise InvalidInput(
            f"stage {spec.name!r} maps over {wire.name!r}, which {_giver_text(wire)} gives as {produced}; "
            "only a list[...] or a folder can be mapped over"
        )
    return item


def _giver_text(wire: Wire) -> str:
    return f"source {wire.name!r}" if wire.producer is None else f"stage {wire.producer!r}"


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
    return ", ".join(shown[:12]) + more
