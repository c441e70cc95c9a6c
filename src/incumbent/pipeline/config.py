"""Config of a pipeline's stages: what `--set stage.key=value` and `config={...}` may say, checked before anything runs."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.pipeline.graph import Graph
from incumbent.pipeline.stage import Parameter, Unset
from incumbent.pipeline.types import ANY, split_generic, split_union

Config = Mapping[str, Mapping[str, Json]]
"""Stage name -> parameter name -> value."""

_CLASSES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,), "list": (list,), "dict": (dict,), "None": (type(None),),
    "tuple": (list,), "pathlib.Path": (str,),
}  # fmt: skip


def resolve_config(graph: Graph, given: Config) -> dict[str, dict[str, Json]]:
    """Return the config values of every stage: what is given over the literal defaults.

    A default that is no literal is left out: the function's own code supplies it, and is in the code digest.

    Raises:
        InvalidInput: Unknown stage or parameter, a value of the wrong type, or none where there is no default.
    """
    for stage in given:
        if stage not in graph.stages:
            raise InvalidInput(f"config names stage {stage!r}, which pipeline {graph.name!r} does not have{_near(stage, graph.stages)}")
    resolved: dict[str, dict[str, Json]] = {}
    for name, spec in graph.stages.items():
        values = dict(given.get(name, {}))
        parameters = {parameter.name: parameter for parameter in spec.config}
        for key, value in list(values.items()):
            if key not in parameters:
                legal = ", ".join(parameters) or "no config at all"
                raise InvalidInput(f"{name}.{key}: stage {name!r} takes {legal}{_near(key, parameters)}")
            check_value(f"{name}.{key}", value, parameters[key].type)
            if type(value) is int and split_union(parameters[key].type) == ("float",):
                values[key] = float(value)  # `--set lr=1` means 1.0, and so does its key
        for parameter in spec.config:
            if parameter.name not in values:
                _add_default(name, parameter, values)
        resolved[name] = values
    return resolved


def _add_default(stage: str, parameter: Parameter, values: dict[str, Json]) -> None:
    if not parameter.has_default:
        raise InvalidInput(f"{stage}.{parameter.name} has no value and no default: give it with --set {stage}.{parameter.name}=VALUE")
    if not isinstance(parameter.default, Unset):
        values[parameter.name] = parameter.default


def check_value(name: str, value: Json, annotation: str) -> None:
    """Check a config value against the text of an annotation; types we do not know are left to the stage.

    Raises:
        InvalidInput: The value has another type.

    >>> check_value("train.depth", "six", "int | None")
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: train.depth='six' is a str, and the stage takes int | None
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{name}={value!r}: a config value must be a finite number, so that its recipe has one spelling")
    if annotation not in ("", ANY, "object") and not any(_fits(value, part) for part in split_union(annotation)):
        raise InvalidInput(f"{name}={value!r} is a {type(value).__name__}, and the stage takes {annotation}")


def _fits(value: Json, annotation: str) -> bool:
    head, items = split_generic(annotation)
    if head == "typing.Literal":
        return repr(value) in {item.replace('"', "'") for item in items}
    classes = _CLASSES.get(head)
    if classes is None:
        return True
    if isinstance(value, bool) and bool not in classes:
        return False
    if not isinstance(value, classes):
        return False
    if isinstance(value, list) and len(items) == 1:
        return all(_fits(item, items[0]) for item in value)
    return True


def merge_setting(config: dict[str, dict[str, Json]], path: str, value: Json) -> None:
    """Put one `stage.key` setting into a nested config.

    Raises:
        InvalidInput: `path` is not two names with a dot between.
    """
    stage, dot, key = path.partition(".")
    if not dot or not stage or not key.isidentifier():
        raise InvalidInput(f"--set {path}=…: expected STAGE.KEY=VALUE, e.g. --set train.depth=6")
    config.setdefault(stage, {})[key] = value


def config_from_document(value: Json, origin: str) -> dict[str, dict[str, Json]]:
    """Return a config read from a file (`origin` is named in errors).

    Raises:
        InvalidInput: It is not stage -> key -> value.
    """
    if not isinstance(value, dict) or not all(isinstance(inner, dict) for inner in value.values()):
        raise InvalidInput(f"{origin}: expected a table per stage, e.g. [tool.incumbent.config.train] depth = 6")
    return {stage: dict(cast(dict[str, Json], inner)) for stage, inner in value.items()}


def _near(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
