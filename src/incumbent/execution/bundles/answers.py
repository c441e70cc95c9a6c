"""What a model gives, as one list a column: from arrays of one or two dimensions, row for row."""

from collections.abc import Iterator, Sequence
from typing import Any

from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Column, infer_columns

Named = Sequence[tuple[str, Any]]
"""Arrays by name: what a loader's function gives for a frame."""


def flatten_answers(given: Named) -> dict[str, list[Any]]:
    """Return the columns: an array of one dimension as it is, one of shape (rows, n) as `name_0` to `name_{n-1}`.

    Raises:
        InvalidInput: An array has more dimensions, or two columns would share a name.

    >>> import numpy as np
    >>> flatten_answers([("prediction", np.array([1.5, 2.0])), ("p", np.array([[1, 0], [0, 1]]))])
    {'prediction': [1.5, 2.0], 'p_0': [1, 0], 'p_1': [0, 1]}
    """
    columns: dict[str, list[Any]] = {}
    for name, values in (pair for one, array in given for pair in _flatten(one, array)):
        if name in columns:
            raise InvalidInput(f"two columns of the answer would be called {name!r}")
        columns[name] = values
    return columns


def _flatten(name: str, array: Any) -> Iterator[tuple[str, list[Any]]]:
    import numpy as np

    values = np.asarray(array)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        yield name, [_plain(value) for value in values.tolist()]
    elif values.ndim == 2:
        yield from ((f"{name}_{place}", [_plain(value) for value in values[:, place].tolist()]) for place in range(values.shape[1]))
    else:
        raise InvalidInput(f"the model's {name} has {values.ndim} dimensions; an answer is one value a row and column")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.item() if type(value).__module__ == "numpy" else value


def name_outputs(answered: dict[str, list[Any]], wanted: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the output columns, typed by what was answered and named as wanted.

    Raises:
        InvalidInput: The number of names is not that of the columns, or a column has no plain type.
    """
    names = list(answered) if wanted is None else list(wanted)
    if len(names) != len(answered) or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        raise InvalidInput(f"outputs names {len(names)} columns; the model answers {len(answered)}: {', '.join(answered)}")
    return infer_columns(dict(zip(names, answered.values(), strict=True)))
