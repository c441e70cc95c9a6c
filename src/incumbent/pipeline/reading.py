"""A pipeline as its source file spells it, read without running any of it.

What is understood: `NAME = Pipeline("name", [stages], sources={…})` at module level, under any import of Incumbent; stages
named directly, through imports or as attributes of modules, alone or in lists that are written out; functions marked with
`@stage` or assigned by `stage(function)`; sources and options with literal arguments or constants. Anything else is built by
code: `BuiltByCode` says what, and the caller has to import the file to know.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.annotations import annotation_text, chain_of
from incumbent.pipeline.pipeline import check_name, is_json
from incumbent.pipeline.resolve import Bound, External, Resolver
from incumbent.pipeline.signature import Place, Signature, make_spec
from incumbent.pipeline.source import FACTORIES, SourceSpec
from incumbent.pipeline.stage import Parameter, StageSpec, Unset, make_options
from incumbent.pipeline.symbols import SourceModule
from incumbent.pipeline.syntax import canonical_text
from incumbent.pipeline.uses import Use

_PIPELINE_NAMES = frozenset({"incumbent.Pipeline", "incumbent.pipeline.pipeline.Pipeline"})
_SOURCE_PREFIXES = ("incumbent.source.", "incumbent.pipeline.source.")
_HOPS_MAX = 100
_LISTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class WrittenPipeline:
    """A pipeline that was read; not wired yet.

    Attributes:
        symbol: The module-level name it was found under.
    """

    symbol: str
    name: str
    stages: tuple[StageSpec, ...]
    sources: dict[str, SourceSpec]


@dataclass(frozen=True, slots=True)
class BuiltByCode:
    """Why a pipeline cannot be read, in words that follow "because"."""

    reason: str


class _Unreadable(Exception):
    """Carries the reason of a `BuiltByCode` up."""


@dataclass(frozen=True, slots=True)
class _At:
    """An expression and the module it is written in: names in it mean what they mean there."""

    module: SourceModule
    node: ast.expr

    def __str__(self) -> str:
        return f"{self.module.label}:{getattr(self.node, 'lineno', 0)}"


def read_pipeline(module: SourceModule, symbol: str | None, resolver: Resolver) -> WrittenPipeline | BuiltByCode:
    """Return the pipeline that a module-level name of `module` is bound to; without a name, the only one there is.

    Raises:
        NotFound: The module binds no such name.
        InvalidInput: Several pipelines and no name, or a stage, option or source that cannot be used.
    """
    try:
        if symbol is None:
            symbol = _only_pipeline(module)
        elif not module.has(symbol) and not module.stars and not _binds_by_code(module):
            raise NotFound(_no_such_pipeline(module, symbol))
        call = _binding(_At(module, ast.Name(symbol, ast.Load())), resolver)
        if not isinstance(call.node, ast.Call) or not _is_pipeline_call(call.module, call.node):
            raise _Unreadable(f"{symbol!r} ({call}) is not written as Pipeline(…)")
        return _read_call(symbol, call.module, call.node, resolver)
    except _Unreadable as unreadable:
        return BuiltByCode(str(unreadable))


def list_pipelines(module: SourceModule) -> list[str]:
    """Return the names that a module binds to a written-out `Pipeline(…)`."""
    return [name for name, places in module.definitions.items() if any(_is_binding(module, name, place) for place in places)]


def _is_binding(module: SourceModule, name: str, place: int) -> bool:
    statement = module.statements[place]
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(statement.value, ast.Call):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return named and _is_pipeline_call(module, statement.value)


def _is_pipeline_call(module: SourceModule, call: ast.Call) -> bool:
    return module.external_name(call.func) in _PIPELINE_NAMES


def _only_pipeline(module: SourceModule) -> str:
    names = list_pipelines(module)
    if len(names) > 1:
        raise InvalidInput(f"{module.label} holds {len(names)} pipelines: {', '.join(names)}; say which, as {module.label}:{names[0]}")
    if not names:
        raise _Unreadable(f"{module.label} binds no name to a written-out Pipeline(…)")
    return names[0]


def _no_such_pipeline(module: SourceModule, symbol: str) -> str:
    names = list_pipelines(module)
    near = get_close_matches(symbol, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    there = f"It has the pipelines: {', '.join(names)}" if names else "It has no pipeline: write NAME = Pipeline(…) at module level"
    return f"{module.label} binds no name {symbol!r}{hint or '.'} {there}"


def _binds_by_code(module: SourceModule) -> bool:
    dynamics = (d for place in range(len(module.statements)) for d in module.references(place).dynamics)
    return any(dynamic.kind in ("text", "namespace", "attribute") for dynamic in dynamics)


def _read_call(symbol: str, module: SourceModule, call: ast.Call, resolver: Resolver) -> WrittenPipeline:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for key, value in zip(("name", "stages", "sources"), call.args, strict=False):
        given.setdefault(key, value)
    at = _At(module, call)
    if None in given or any(isinstance(argument, ast.Starred) for argument in call.args):
        raise _Unreadable(f"{at}: the arguments of Pipeline are unpacked from a value")
    unknown = given.keys() - {"name", "stages", "sources"}
    if unknown or not given.keys() >= {"name", "stages"} or len(call.args) > 3:
        raise InvalidInput(f"{at}: Pipeline takes a name, a list of stages and sources; given: {', '.join(map(str, given)) or 'nothing'}")
    name = check_name(_literal(_At(module, given["name"]), resolver))
    stages = tuple(_read_stage(item, resolver) for item in _items(_At(module, given["stages"]), resolver))
    sources = _read_sources(_At(module, given["sources"]), resolver) if "sources" in given else {}
    return WrittenPipeline(symbol, name, stages, sources)


def _binding(at: _At, resolver: Resolver) -> _At:
    """Return the expression that a name or attribute is bound to, once, at module level; any other expression as it is."""
    for _ in range(_HOPS_MAX):
        use = chain_of(at.node)
        if use is None:
            return at
        end = _only_end(at, use, resolver)
        statement = _only_statement(end)
        if isinstance(statement, ast.AnnAssign):
            value = statement.value
        else:
            value = statement.value if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name) else None
        if value is None or end.rest:
            raise _Unreadable(f"{end.symbol!r} ({end.module.label}:{statement.lineno}) is not bound to a value that is written out")
        at = _At(end.module, value)
    raise _Unreadable(f"{at} leads from name to name in a circle")


def _only_end(at: _At, use: Use, resolver: Resolver) -> Bound:
    ends = resolver.resolve(at.module, use).ends
    shown = ".".join((str(use.root), *use.chain))
    if len(ends) == 1 and isinstance(ends[0], Bound) and not ends[0].module.is_binary:
        return ends[0]
    if ends and isinstance(ends[0], External):
        raise _Unreadable(f"{shown!r} ({at}) comes from outside of the project")
    raise _Unreadable(f"{shown!r} ({at}) " + ("may be one of several things" if len(ends) > 1 else "is bound by code, or not at all"))


def _only_statement(end: Bound) -> ast.stmt:
    places = end.module.definitions.get(end.symbol, [])
    if len(places) != 1:
        raise _Unreadable(f"{end.symbol!r} ({end.module.label}) is bound or changed more than once")
    return end.module.statements[places[0]]


def _items(at: _At, resolver: Resolver) -> Iterator[_At]:
    """Yield the items of a list that is written out, in pieces perhaps: [a, *more], first + second."""
    work, opened = [(at, True)], 0
    while work:
        at, is_list = work.pop()
        if not is_list and not isinstance(at.node, ast.Starred):
            yield at
            continue
        found = _list_behind(_At(at.module, at.node.value) if isinstance(at.node, ast.Starred) else at, resolver)
        opened += 1
        if opened > _LISTS_MAX:
            raise _Unreadable(f"{at}: the list of stages is in more than {_LISTS_MAX} pieces, or contains itself")
        if isinstance(found.node, ast.BinOp):
            work += [(_At(found.module, found.node.right), True), (_At(found.module, found.node.left), True)]
        elif isinstance(found.node, ast.List | ast.Tuple):
            work += [(_At(found.module, item), False) for item in reversed(found.node.elts)]


def _list_behind(at: _At, resolver: Resolver) -> _At:
    found = _binding(at, resolver)
    if isinstance(found.node, ast.List | ast.Tuple) or (isinstance(found.node, ast.BinOp) and isinstance(found.node.op, ast.Add)):
        return found
    raise _Unreadable(f"{found}: the stages are not a list that is written out")


def _literal(at: _At, resolver: Resolver) -> Any:
    node = _binding(at, resolver) if isinstance(at.node, ast.Name | ast.Attribute) else at
    try:
        return ast.literal_eval(node.node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise _Unreadable(f"{node}: {ast.unparse(node.node)[:60]} is computed") from None


def _read_sources(at: _At, resolver: Resolver) -> dict[str, SourceSpec]:
    at = _binding(at, resolver)
    if isinstance(at.node, ast.Constant) and at.node.value is None:
        return {}
    if not isinstance(at.node, ast.Dict):
        raise _Unreadable(f"{at}: the sources are not a dict that is written out")
    sources: dict[str, SourceSpec] = {}
    for key, value in zip(at.node.keys, at.node.values, strict=True):
        name = _literal(_At(at.module, key), resolver) if key is not None else None
        if not isinstance(name, str):
            raise _Unreadable(f"{at}: a name of a source is not written out")
        sources[name] = _read_source(_binding(_At(at.module, value), resolver), resolver)
    return sources


def _read_source(at: _At, resolver: Resolver) -> SourceSpec:
    call = at.node
    called = at.module.external_name(call.func) if isinstance(call, ast.Call) else ""
    factory = next((called.removeprefix(prefix) for prefix in _SOURCE_PREFIXES if called.startswith(prefix)), "")
    if not isinstance(call, ast.Call) or factory not in FACTORIES:
        raise _Unreadable(f"{at}: a source is not made by one of source.{', source.'.join(FACTORIES)}")
    if any(isinstance(argument, ast.Starred) for argument in call.args) or any(k.arg is None for k in call.keywords):
        raise _Unreadable(f"{at}: the arguments of a source are unpacked from a value")
    arguments = [_literal(_At(at.module, argument), resolver) for argument in call.args]
    keywords = {str(keyword.arg): _literal(_At(at.module, keyword.value), resolver) for keyword in call.keywords}
    try:
        return FACTORIES[factory](*arguments, **keywords)
    except TypeError as error:
        raise InvalidInput(f"{at}: source.{factory}: {error}") from error


def _read_stage(at: _At, resolver: Resolver) -> StageSpec:
    use = chain_of(at.node)
    if use is None:
        raise _Unreadable(f"{at}: a stage is listed as an expression, not by name")
    end = _only_end(at, use, resolver)
    statement = _only_statement(end)
    if end.rest:
        raise _Unreadable(f"{at}: a stage is an attribute of {end.symbol!r}")
    if isinstance(statement, ast.FunctionDef):
        marks = [place for place, mark in enumerate(statement.decorator_list) if end.module.is_stage_mark(mark)]
        if not statement.decorator_list:
            raise InvalidInput(f"{at}: the pipeline lists {end.symbol!r}, which is no stage; put @stage above its definition")
        if marks != [0]:
            raise _Unreadable(f"{end.symbol!r} ({end.module.label}:{statement.lineno}) is wrapped by another decorator above @stage")
        return _describe(_At(end.module, statement.decorator_list[0]), end, end.module, statement, resolver)
    value = statement.value if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.Call) and len(value.args) == 1 and end.module.is_stage_mark(value.func):
        wrapped = chain_of(value.args[0])
        inner = _only_end(_At(end.module, value), wrapped, resolver) if wrapped else None
        function = _only_statement(inner) if inner else None
        if inner is not None and isinstance(function, ast.FunctionDef):
            mark = value.func if isinstance(value.func, ast.Call) else value
            return _describe(_At(end.module, mark), end, inner.module, function, resolver)
    raise _Unreadable(f"{end.symbol!r} ({end.module.label}:{statement.lineno}) is made by code")


def _describe(mark: _At, end: Bound, module: SourceModule, function: ast.FunctionDef, resolver: Resolver) -> StageSpec:
    """Describe the stage that `end` binds: `function`, defined in `module`, with the options of its mark."""
    given: dict[str, Any] = {}
    for keyword in mark.node.keywords if isinstance(mark.node, ast.Call) else ():
        if keyword.arg is None:
            raise _Unreadable(f"{mark}: the options of @stage are unpacked from a value")
        given[keyword.arg] = _literal(_At(mark.module, keyword.value), resolver)
    name = given.pop("name", None) or function.name
    place = Place(end.module.path, end.module.name, end.symbol)
    try:
        return make_spec(name, place, _read_signature(module, function, resolver), make_options(given))
    except InvalidInput as error:
        raise InvalidInput(f"{module.label}:{function.lineno}: {error}") from error


def _read_signature(module: SourceModule, function: ast.FunctionDef, resolver: Resolver) -> Signature:
    arguments = function.args

    def parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
        kind = annotation_text(module, argument.annotation, resolver)
        return Parameter(argument.arg, kind, _read_default(default), default is not None)

    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    variadic = [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    variadic += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return Signature(
        tuple(map(parameter, positional, defaults)),
        tuple(map(parameter, arguments.kwonlyargs, arguments.kw_defaults)),
        tuple(variadic),
        annotation_text(module, function.returns, resolver),
    )


def _read_default(node: ast.expr | None) -> Json | Unset:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Unset(canonical_text((node,))[:200])
    return cast(Json, value) if is_json(value) else Unset(ast.unparse(node)[:200])
