"""Describes a pipeline that is built by code: a child interpreter imports the file and says what it found, as JSON.

Run as a module it is that child: `python -m incumbent.execution.pipeline_loader ROOT PATH MODULE [SYMBOL]`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from incumbent.base.documents import Document, Json, parse_document
from incumbent.base.errors import IncumbentError, InvalidInput, NotFound
from incumbent.execution.failures import describe_error
from incumbent.execution.loading import Place, import_modules, put_on_path
from incumbent.execution.project_files import ProjectFiles
from incumbent.execution.worker_variables import INSIDE
from incumbent.pipeline.pipeline import Pipeline, describe
from incumbent.pipeline.source import FACTORIES, SourceSpec
from incumbent.pipeline.stage import Output, Parameter, StageSpec, Unset, make_options

_TIMEOUT_S = 600
_OUTPUT_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline as the child described it; not wired yet. Fields as in `WrittenPipeline`."""

    symbol: str
    name: str
    stages: tuple[StageSpec, ...]
    sources: dict[str, SourceSpec]


def load_pipeline(root: Path, place: Place, reason: str) -> LoadedPipeline:
    """Import the file of `place` in an interpreter of its own and return the pipeline that its symbol ("": the only one) names.

    Raises:
        InvalidInput: The file cannot be imported (with the user's own last line), or describes no usable pipeline.
        NotFound: It binds no such name.
    """
    path, module, symbol = place
    command = [sys.executable, "-P", "-m", "incumbent.execution.pipeline_loader", str(root), path, module, symbol]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": _python_path(), INSIDE: "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput(f"{path} was still being imported after {_TIMEOUT_S} s; it is built by code ({reason}), so must be") from error
    if done.returncode != 0 or len(done.stdout) > _OUTPUT_BYTES_MAX:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:500]
        raise InvalidInput(f"{path} ended the interpreter that imported it (status {done.returncode}): {last or 'it said nothing'}")
    return decode_description(done.stdout, path)


def _python_path() -> str:
    """Let the child find this package where this process found it."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([entry for entry in (os.environ.get("PYTHONPATH", ""), here) if entry])


def decode_description(data: bytes, path: str) -> LoadedPipeline:
    """Return what the child wrote.

    Raises:
        InvalidInput: It reports an error, or is not what a child writes.
        NotFound: It reports that there is no such name.
    """
    document = parse_document(data)
    match document:
        case {"error": str(message), "class": "NotFound"}:
            raise NotFound(message)
        case {"error": str(message)}:
            raise InvalidInput(message)
        case {"symbol": str(symbol), "name": str(name), "stages": list(stages), "sources": dict(sources)}:
            specs = tuple(_decode_stage(stage) for stage in stages)
            return LoadedPipeline(symbol, name, specs, {key: _decode_source(value) for key, value in sources.items()})
    raise InvalidInput(f"{path}: its description is not one of a pipeline: {str(document)[:80]}")


def _decode_stage(value: Json) -> StageSpec:
    match value:
        case {
            "name": str(name), "path": str(path), "module": str(module), "symbol": str(symbol), "inputs": list(inputs),
            "config": list(config), "injected": list(injected), "outputs": list(outputs), "options": dict(options),
        }:  # fmt: skip
            return StageSpec(
                name=name,
                path=path,
                module=module,
                symbol=symbol,
                inputs=tuple(_decode_parameter(item) for item in inputs),
                config=tuple(_decode_parameter(item) for item in config),
                injected=tuple(str(item) for item in injected),
                outputs=tuple(_decode_output(item) for item in outputs),
                options=make_options({key: option for key, option in options.items() if option != []}),
            )
    raise InvalidInput(f"not a description of a stage: {str(value)[:80]}")


def _decode_parameter(value: Json) -> Parameter:
    match value:
        case {"name": str(name), "type": str(kind), "unset": str(text)}:
            return Parameter(name, kind, Unset(text), True)
        case {"name": str(name), "type": str(kind), "default": default}:
            return Parameter(name, kind, default, True)
        case {"name": str(name), "type": str(kind)}:
            return Parameter(name, kind)
    raise InvalidInput(f"not a description of a parameter: {str(value)[:80]}")


def _decode_output(value: Json) -> Output:
    match value:
        case {"name": str(name), "type": str(kind)}:
            return Output(name, kind)
    raise InvalidInput(f"not a description of an output: {str(value)[:80]}")


def _decode_source(value: Json) -> SourceSpec:
    match value:
        case {"kind": str(kind), "location": str(location), "detail": str(detail), "link": bool(link)} if kind in FACTORIES:
            return SourceSpec(cast(Any, kind), location, detail, link)
    raise InvalidInput(f"not a description of a source: {str(value)[:80]}")


# What follows runs in the child.


def main(arguments: list[str]) -> None:
    """Import, describe, and write the description to the standard output, which user code cannot reach meanwhile."""
    root, path, module, symbol = arguments
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        document = _describe_pipeline(Path(root), (path, module, symbol))
    except IncumbentError as error:
        document = {"error": str(error), "class": type(error).__name__}
    data = json.dumps(document).encode()
    while data:
        data = data[os.write(answer, data) :]
    os._exit(0)  # threads that user code has started are not waited for


def _describe_pipeline(root: Path, place: Place) -> Document:
    path, module, symbol = place
    put_on_path(root, [place])
    import_modules(root, [place])
    loaded = sys.modules[module]
    symbol, pipeline = _find_pipeline(vars(loaded), path, symbol)
    owners = _list_owners(root, loaded)
    stages: list[Json] = []
    for stage in pipeline.stages:
        try:
            spec = describe(stage)
        except Exception as error:  # describing evaluates annotations, which is user code
            if isinstance(error, IncumbentError):
                raise
            raise InvalidInput(describe_error(error, ProjectFiles(root), doing=f"stage {stage.name!r}: ").message) from error
        found = owners.get((id(stage), spec.module)) or owners.get((id(stage), ""))
        at_module, at_path, at_symbol = found or (module, path, f"{symbol}[{stage.name}]")
        stages.append(_encode_stage(replace(spec, module=at_module, path=at_path, symbol=at_symbol)))
    sources: dict[str, Json] = {name: asdict(source) for name, source in pipeline.sources.items()}
    return {"symbol": symbol, "name": pipeline.name, "stages": stages, "sources": sources}


def _find_pipeline(namespace: Mapping[str, object], path: str, symbol: str) -> tuple[str, Pipeline]:
    there = {name: value for name, value in namespace.items() if isinstance(value, Pipeline)}
    shown = f"It has the pipelines: {', '.join(there)}" if there else "It has no pipeline"
    if symbol:
        if symbol not in namespace:
            raise NotFound(f"{path} binds no name {symbol!r}, also once it is imported. {shown}")
        if symbol not in there:
            raise InvalidInput(f"{path}: {symbol!r} is {type(namespace[symbol]).__name__}, not a Pipeline. {shown}")
        return symbol, there[symbol]
    if len({id(value) for value in there.values()}) != 1:
        raise InvalidInput(f"{path} names no pipeline to take. {shown}; say which, as {path}:NAME")
    return next(iter(there.items()))


def _list_owners(root: Path, entry: ModuleType) -> dict[tuple[int, str], tuple[str, str, str]]:
    """Return, for each stage and module (and "" for any), the module, path and name that bind it; the entry file comes first."""
    files = ProjectFiles(root)
    owners: dict[tuple[int, str], tuple[str, str, str]] = {}
    for module in (entry, *sys.modules.values()):
        filename = getattr(module, "__file__", None)
        if filename is None or not files.is_project(filename):
            continue
        for name, value in list(vars(module).items()):
            found = (module.__name__, files.relative(filename), name)
            owners.setdefault((id(value), module.__name__), found)
            owners.setdefault((id(value), ""), found)
    return owners


def _encode_stage(spec: StageSpec) -> Json:
    options = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(spec.options).items()}
    return {
        "name": spec.name,
        "path": spec.path,
        "module": spec.module,
        "symbol": spec.symbol,
        "inputs": list(_encode_parameters(spec.inputs)),
        "config": list(_encode_parameters(spec.config)),
        "injected": list(spec.injected),
        "outputs": [{"name": output.name, "type": output.type} for output in spec.outputs],
        "options": options,
    }


def _encode_parameters(parameters: tuple[Parameter, ...]) -> Iterator[Json]:
    for parameter in parameters:
        encoded: dict[str, Json] = {"name": parameter.name, "type": parameter.type}
        if isinstance(parameter.default, Unset):
            encoded["unset"] = parameter.default.text
        elif parameter.has_default:
            encoded["default"] = parameter.default
        yield encoded


if __name__ == "__main__":
    main(sys.argv[1:])
