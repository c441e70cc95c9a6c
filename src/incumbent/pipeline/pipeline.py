"""The pipeline as users write it: live stages and sources, checked when it is made."""

import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, cast

from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.graph import Graph, build_graph
from incumbent.pipeline.signature import Place, Signature, make_spec
from incumbent.pipeline.source import SourceSpec
from incumbent.pipeline.stage import Parameter, Stage, StageSpec, Unset
from incumbent.pipeline.types import ANY, PUBLIC_NAMES


class Pipeline:
    """Stages and sources, wired by name: an input is filled by the stage, output or source of that name.

    Args:
        name: What runs of it are filed under.
        stages: The stages, in any order.
        sources: Name -> declared source (`incumbent.source.file(…)` and its like).

    Attributes:
        graph: The checked wiring.

    Raises:
        InvalidInput: A rule of the graph is broken (see `incumbent.pipeline.graph`), or an argument is not what it should be.
    """

    def __init__(self, name: str, stages: Iterable[Stage[..., Any]], sources: Mapping[str, SourceSpec] | None = None) -> None:
        self.name = check_name(name)
        self.stages: tuple[Stage[..., Any], ...] = tuple(stages)
        self.sources: dict[str, SourceSpec] = dict(sources or {})
        for stage in self.stages:
            if not isinstance(stage, Stage):
                raise InvalidInput(f"pipeline {name!r} lists {stage!r}, which is no stage; put @stage above its definition")
        for key, source in self.sources.items():
            if not isinstance(source, SourceSpec):
                raise InvalidInput(f"pipeline {name!r}: source {key!r} is {source!r}; make it with source.file(…) or its like")
        self.graph: Graph = build_graph(name, [describe(stage) for stage in self.stages], self.sources)

    def get_stage(self, name: str) -> Stage[..., Any]:
        """Return the stage of that name.

        Raises:
            NotFound: There is none; the message offers the nearest name.
        """
        self.graph.get_stage(name)
        return next(stage for stage in self.stages if stage.name == name)

    def __repr__(self) -> str:
        return f"<pipeline {self.name}: {len(self.stages)} stages>"


def check_name(name: object) -> str:
    """Return a pipeline's name.

    Raises:
        InvalidInput: It is no string, or empty, or has control characters.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InvalidInput(f"a pipeline needs a name of printable characters, not {name!r}")
    return name


def find_stage(namespace: Mapping[str, object], symbol: str) -> Stage[..., Any]:
    """Return the stage that `StageSpec.symbol` names in a loaded module's namespace.

    The symbol is a module-level name, or `PIPELINE[STAGE]` for a stage that only the pipeline holds.

    Raises:
        NotFound: There is no such name, or what it names is no stage.
    """
    name, _, inner = symbol.removesuffix("]").partition("[")
    found = namespace.get(name)
    if inner and isinstance(found, Pipeline):
        return found.get_stage(inner)
    if not inner and isinstance(found, Stage):
        return found
    what = "does not exist" if found is None else f"is {type(found).__name__}"
    raise NotFound(f"{symbol!r} should name a stage in {namespace.get('__name__')!r}, but {name!r} {what} once the module is loaded")


def describe(stage: Stage[..., Any]) -> StageSpec:
    """Return the description of a live stage; `path` is the file as the interpreter knows it.

    Raises:
        InvalidInput: The function has no signature, or one that a stage cannot have.
    """
    function = inspect.unwrap(stage.function)
    code = getattr(function, "__code__", None)
    module = getattr(function, "__module__", "") or ""
    try:
        signature = inspect.signature(stage.function)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"stage {stage.name!r}: {stage.function!r} has no signature to wire by: {error}") from error
    symbol = getattr(function, "__name__", stage.name)
    place = Place(getattr(code, "co_filename", ""), module, symbol)
    return make_spec(stage.name, place, _read_signature(signature, _hints(function)), stage.options)


def _hints(function: Any) -> dict[str, object]:
    """Return the annotations, evaluated where they can be: a name imported for type checking only stays text."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - an annotation is any expression of the user's, and a type that fails is only unknown
        return dict(getattr(function, "__annotations__", {}))


def _read_signature(signature: inspect.Signature, hints: Mapping[str, object]) -> Signature:
    groups: dict[str, list[Parameter]] = {"positional": [], "keyword": []}
    variadic = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            variadic.append(f"*{parameter.name}")
        elif parameter.kind is parameter.VAR_KEYWORD:
            variadic.append(f"**{parameter.name}")
        else:
            has_default = parameter.default is not parameter.empty
            default = _default(parameter.default) if has_default else None
            kind = type_text(hints[parameter.name]) if parameter.name in hints else ANY
            group = "keyword" if parameter.kind is parameter.KEYWORD_ONLY else "positional"
            groups[group].append(Parameter(parameter.name, kind, default, has_default))
    returns = type_text(hints["return"]) if "return" in hints else ANY
    return Signature(tuple(groups["positional"]), tuple(groups["keyword"]), tuple(variadic), returns)


def _default(value: object) -> Json | Unset:
    return cast(Json, value) if is_json(value) else Unset(repr(value)[:200])


def is_json(value: object) -> bool:
    """Say whether a value is exactly a JSON one: a tuple, a NaN or a subclass of int is not.

    >>> is_json({"a": [1, None]}), is_json((1, 2)), is_json(float("inf"))
    (True, False, False)
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is list:
            waiting.extend(item)
        elif type(item) is dict:
            if not all(type(key) is str for key in item):
                return False
            waiting.extend(item.values())
        elif type(item) not in (type(None), bool, int, float, str):
            return False
    try:
        document_bytes({"value": cast(Json, value)})
    except InvalidInput:
        return False
    return True


def type_text(annotation: object) -> str:
    """Return a live annotation as dotted text, in the form that `incumbent.pipeline.types` judges.

    >>> type_text(dict[str, int | None]), type_text(None), type_text(typing.Optional[bytes])
    ('dict[str, int | None]', 'None', 'bytes | None')
    """
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, str):
        return annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return " | ".join(type_text(argument) for argument in arguments)
    if origin is typing.Literal:
        return f"typing.Literal[{', '.join(ascii(argument) for argument in arguments)}]"
    if origin is not None:
        inner = ", ".join(_argument_text(argument) for argument in arguments)
        return f"{type_text(origin)}[{inner}]" if inner else type_text(origin)
    if isinstance(annotation, type):
        name = annotation.__qualname__
        full = f"{annotation.__module__}.{name}"
        return name if annotation.__module__ == "builtins" else PUBLIC_NAMES.get(full, full)
    return ANY if annotation is Any else str(annotation).replace(" ", "")


def _argument_text(argument: object) -> str:
    if isinstance(argument, list | tuple):  # the parameters of a Callable
        return f"[{', '.join(type_text(item) for item in argument)}]"
    return type_text(argument)
