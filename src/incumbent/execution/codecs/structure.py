"""What a value is made of, laid open: one leaf a path, whatever object held it.

Used where bytes are too strict: to say where two values part, and to digest content without what does not belong to it (thread
counts, verbosity). Estimators are opened through the same protocol that pickles them, boosters through their own model formats.
"""

import copyreg
import json
import types
from collections.abc import Callable, Iterator
from typing import Any

from incumbent.base.canonical import Record, encode
from incumbent.base.errors import InvalidInput
from incumbent.execution.codecs.reading import type_path

IGNORED = frozenset({"n_jobs", "num_threads", "nthread", "n_threads", "_n_threads", "thread_count", "verbose", "verbosity"})
"""Parameters that change how a model is computed or how much it prints, never what it predicts."""

_PARAMETERS = frozenset({"params", "_other_params", "kwargs"})
"""Attributes that hold parameters as a dict."""

LEAVES_MAX = 5_000_000
Leaf = tuple[str, Any]
"""A path in words that Python users read (`steps[1].coef_`), and None, a number, text, bytes, or a NumPy array there."""


def lay_open(value: object) -> Iterator[Leaf]:
    """Yield every leaf of a value in an order that depends on the value alone.

    Raises:
        InvalidInput: There are more than `LEAVES_MAX` leaves, or an object inside cannot be opened.
    """
    for count, leaf in enumerate(_open(value, "", ())):
        if count >= LEAVES_MAX:
            raise InvalidInput(f"a {type_path(type(value))} has more than {LEAVES_MAX:,} parts; compare its bytes only")
        yield leaf


def _open(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    cls = type(value)
    if cls in _ATOMS:
        yield path, value
    elif cls.__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
        yield from _open_array(value, path, above)
    elif id(value) in above:
        yield path, f"<the object {len(above) - above.index(id(value))} levels up>"
    else:
        yield from _OPENERS.get(cls, _open_object)(value, path, (*above, id(value)))


_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})


def _sort_key(item: Any) -> bytes:
    try:
        return encode(item)
    except InvalidInput:
        return repr(item).encode()


def _open_sequence(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    yield path, f"<{type(value).__name__} of {len(value)}>"
    for place, item in enumerate(value):
        yield from _open(item, f"{path}[{place}]", above)


def _open_set(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    yield path, f"<{type(value).__name__} of {len(value)}>"
    for place, item in enumerate(sorted(value, key=_sort_key)):
        yield from _open(item, f"{path}{{{place}}}", above)


def _open_record(value: Record, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    yield path, f"<{value.name}>"
    for name, part in value.fields:
        yield from _open(part, f"{path}.{name}", above)


def _open_dict(value: dict[Any, Any], path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    is_parameters = path.rpartition(".")[2] in _PARAMETERS
    kept = {key: item for key, item in value.items() if not (is_parameters and key in IGNORED)}
    yield path, f"<dict of {len(kept)}>"
    for key in sorted(kept, key=_sort_key):
        yield from _open(kept[key], f"{path}[{key!r:.200}]", above)


def _open_array(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    if not value.dtype.hasobject:
        yield path, value
        return
    yield path, f"<array of {value.dtype}, shape {value.shape}>"
    for place, item in enumerate(value.tolist() if value.ndim else [value.item()]):
        yield from _open(item, f"{path}[{place}]", above)


def _open_object(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    name = type_path(type(value))
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        yield path, f"<{value.__module__}.{value.__qualname__}>"
    elif name == "lightgbm.Booster":
        yield path, f"<{name}>"
        yield from _open_lightgbm(value.model_to_string(num_iteration=-1), path)
        yield f"{path}.best_iteration", value.best_iteration
    elif name == "xgboost.Booster":
        yield path, f"<{name}>"
        yield from _open(json.loads(bytes(value.save_raw("json"))), path, above)
    else:
        yield from _open_reduced(value, path, above)


def _open_reduced(value: Any, path: str, above: tuple[int, ...]) -> Iterator[Leaf]:
    """Open an object as `pickle` would: what makes it, of which arguments, and the state that is then set."""
    cls = type(value)
    reduce = copyreg.dispatch_table.get(cls)
    try:
        reduced = reduce(value) if reduce else value.__reduce_ex__(5)
    except (TypeError, AttributeError) as error:
        raise InvalidInput(f"a {type_path(cls)} at {path or 'the top'} cannot be opened: {error}") from error
    if isinstance(reduced, str):
        yield path, f"<{cls.__module__}.{reduced}>"
        return
    make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    yield path, f"<{cls.__module__}.{cls.__qualname__} by {getattr(make, '__qualname__', make)}>"
    if arguments and arguments[0] is cls:
        arguments = arguments[1:]
    yield from _open(tuple(arguments), f"{path}()", above)
    slots = state[1] if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict) else {}
    plain = state[0] if slots else state
    if plain is None or isinstance(plain, dict):
        for name, part in sorted({**(plain or {}), **slots}.items(), key=lambda pair: str(pair[0])):
            if name not in IGNORED:
                yield from _open(part, f"{path}.{name}", above)
    else:
        yield from _open(plain, f"{path}.state", above)
    for place, item in enumerate(items or ()):
        yield from _open(item, f"{path}[{place}]", above)
    yield from _open_dict(dict(pairs or ()), f"{path}.items", above) if pairs else ()


def _open_lightgbm(text: str, path: str) -> Iterator[Leaf]:
    """Open a model text, one leaf a line; numbers as an array, so that they can be compared within a tolerance."""
    import numpy as np

    for place, line in enumerate(line for line in text.splitlines() if not _is_ignored_line(line)):
        name, sign, rest = line.partition("=")
        where = f"{path}.line {place} {name[:40]}" if sign else f"{path}.line {place}"
        try:
            yield where, np.array([float(word) for word in rest.split()]) if sign and rest else line
        except ValueError:
            yield where, line


def _is_ignored_line(line: str) -> bool:
    # tree_sizes counts the characters of each tree: it follows from the rest, and moves when a number has a digit more.
    return line.startswith("tree_sizes=") or (line.startswith("[") and line[1:].partition(":")[0] in IGNORED)


_OPENERS: dict[type, Callable[[Any, str, tuple[int, ...]], Iterator[Leaf]]] = {
    list: _open_sequence,
    tuple: _open_sequence,
    set: _open_set,
    frozenset: _open_set,
    dict: _open_dict,
    Record: _open_record,
}
