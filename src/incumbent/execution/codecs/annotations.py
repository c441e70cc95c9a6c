"""Annotations as the real classes: does a value contradict one, and which frame does one name?"""

import collections.abc
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

from incumbent.execution.codecs.reading import type_path
from incumbent.pipeline.types import FRAMES


def check_type(value: object, annotation: object) -> str | None:
    """Say in words how `value` contradicts `annotation`, or return None.

    What cannot be judged (an unresolved name, a protocol without runtime checks) is no contradiction.

    >>> check_type(3, "int"), check_type(3, int | None), check_type(True, float)
    (None, None, None)
    >>> check_type([1, "a"], list[int])
    'item 1: a str, where int is annotated'
    """
    if annotation is None or annotation is type(None):
        return None if value is None else _unlike(value, "None")
    if annotation in (Any, object, inspect.Parameter.empty) or isinstance(annotation, str | typing.ForwardRef):
        return None
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _check_generic(value, annotation, origin)
    if isinstance(annotation, typing.NewType):
        return check_type(value, annotation.__supertype__)
    if isinstance(annotation, typing.TypeVar):
        return None if annotation.__bound__ is None else check_type(value, annotation.__bound__)
    if isinstance(annotation, getattr(typing, "TypeAliasType", ())):  # `type X = ...`, Python 3.12
        return check_type(value, annotation.__value__)  # type: ignore[attr-defined]  # TypeAliasType, which 3.11 does not know
    return _check_class(value, annotation) if isinstance(annotation, type) else None


def _check_class(value: object, cls: type) -> str | None:
    if typing.is_typeddict(cls):
        return None if isinstance(value, dict) else _unlike(value, "dict")
    wanted: tuple[type, ...] = (cls,)
    if cls is float:  # PEP 484's numeric tower
        wanted = (float, int)
    elif cls is complex:
        wanted = (complex, float, int)
    try:
        return None if isinstance(value, wanted) else _unlike(value, type_path(cls))
    except TypeError:  # a Protocol that is not runtime_checkable
        return None


def _unlike(value: object, wanted: str) -> str:
    return f"a {type_path(type(value))}, where {wanted} is annotated"


def _check_generic(value: object, annotation: Any, origin: Any) -> str | None:
    items = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        problems = [check_type(value, item) for item in items]
        if None in problems:
            return None
        nested = [found for item, found in zip(items, problems, strict=True) if found and check_type(value, _origin_of(item)) is None]
        return nested[0] if nested else _unlike(value, " | ".join(_name(item) for item in items))
    if origin is typing.Annotated or origin in (typing.Final, typing.ClassVar):
        return check_type(value, items[0])
    if origin is typing.Literal:
        is_one = any(type(value) is type(item) and value == item for item in items)
        return None if is_one else f"{value!r:.60}, where one of {', '.join(map(repr, items))} is annotated"
    if not isinstance(origin, type):
        return None
    if origin is type:
        return None if isinstance(value, type) else _unlike(value, "a class")
    return _check_class(value, origin) or _check_items(value, origin, items)


def _origin_of(annotation: Any) -> Any:
    return typing.get_origin(annotation) or annotation


def _name(annotation: Any) -> str:
    return type_path(annotation) if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)


def _check_items(value: Any, origin: type, items: tuple[Any, ...]) -> str | None:
    if type_path(origin) == "numpy.ndarray":
        return _check_dtype(value, items)
    if origin is tuple:
        if len(items) == 2 and items[1] is ...:
            return _first_problem(((f"item {place}", item) for place, item in enumerate(value)), items[0])
        if len(items) != len(value):
            return f"a tuple of {len(value)}, where a tuple of {len(items)} is annotated"
        pairs = ((f"item {place}: ", check_type(item, wanted)) for place, (item, wanted) in enumerate(zip(value, items, strict=True)))
        return next((where + problem for where, problem in pairs if problem), None)
    if isinstance(value, Mapping) and len(items) == 2:
        return _first_problem(((f"key {key!r:.60}", key) for key in value), items[0]) or _first_problem(
            ((f"value of {key!r:.60}", item) for key, item in value.items()), items[1]
        )
    is_walkable = isinstance(value, collections.abc.Sequence | collections.abc.Set) and not isinstance(value, str | bytes)
    if is_walkable and len(items) == 1:
        return _first_problem(((f"item {place}", item) for place, item in enumerate(value)), items[0])
    return None


def _first_problem(named: collections.abc.Iterator[tuple[str, object]], wanted: Any) -> str | None:
    is_plain_class = isinstance(wanted, type)
    for where, item in named:
        if is_plain_class and type(item) is wanted:  # the common case of a long list of numbers
            continue
        problem = check_type(item, wanted)
        if problem:
            return f"{where}: {problem}"
    return None


def _check_dtype(value: Any, items: tuple[Any, ...]) -> str | None:
    """Check `NDArray[np.float64]`, which is `ndarray[shape, dtype[float64]]`; a shape is not judged."""
    wanted = typing.get_args(items[1])[:1] if len(items) == 2 else ()
    if not wanted or wanted[0] is Any or not isinstance(wanted[0], type):
        return None
    return None if issubclass(value.dtype.type, wanted[0]) else f"an array of {value.dtype}, where {wanted[0].__name__} is annotated"


def frame_of(annotation: object) -> str | None:
    """Return which of `pipeline.types.FRAMES` an annotation names (in a union, the first), or None.

    >>> frame_of("polars.DataFrame")
    'polars.DataFrame'
    """
    if isinstance(annotation, str):
        return next((name for name in sorted(FRAMES) if name in annotation), None)
    if isinstance(annotation, type):
        return type_path(annotation) if type_path(annotation) in FRAMES else None
    found = (frame_of(item) for item in typing.get_args(annotation))
    return next((name for name in found if name), None)


def item_annotation(annotation: object) -> object:
    """Return the annotation of an item of `list[T]`, `tuple[T, ...]` or `Sequence[T]`, or Any."""
    origin, items = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return next((found for item in items if (found := item_annotation(item)) is not Any), Any)
    return items[0] if items and isinstance(origin, type) else Any


def is_tuple(annotation: object) -> bool:
    """Say whether an annotation is a tuple."""
    return annotation is tuple or typing.get_origin(annotation) is tuple
