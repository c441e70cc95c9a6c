"""The schema that training rows imply, and what other rows break of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import ColumnType, Scalar, infer_columns
from incumbent.usecases.examine_subject import Rows

CATEGORIES_MAX = 50
"""A text column with more values than so many has no categories, only a type."""
OUTSIDE_SHARE_MAX = 0.01
"""An inferred range or category list is a sample's: so large a share of other rows may lie outside of it."""
LUCK = 1e-3
"""More may lie outside of a range if rows of one distribution would do so with this probability or above."""


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """What one column holds.

    Attributes:
        low, high: Least and greatest number, None for other types.
        categories: Every value, None for numbers and for texts with many.
        rows: How many values this was seen in.
    """

    type: ColumnType
    is_nullable: bool
    low: float | None = None
    high: float | None = None
    categories: frozenset[Scalar] | None = None
    rows: int = 0


def infer_schema(rows: Rows) -> dict[str, ColumnSchema]:
    """Return the schema of rows; a column that holds only nulls has none.

    >>> infer_schema({"x": [1, 3]})["x"]
    ColumnSchema(type='int', is_nullable=False, low=1, high=3, categories=None, rows=2)

    Raises:
        InvalidInput: A column mixes kinds of values.
    """
    found: dict[str, ColumnSchema] = {}
    for name, values in rows.items():
        held = [value for value in values if value is not None]
        if not held:
            continue
        column = infer_columns({name: values})[0]
        bounds: tuple[float | None, float | None] = (None, None)
        categories = None
        if column.type in {"int", "float"}:
            plain = [value for value in held if isinstance(value, int | float)]
            bounds = (min(plain), max(plain))
        else:
            distinct = frozenset(held)
            categories = distinct if len(distinct) <= CATEGORIES_MAX else None
        found[name] = ColumnSchema(column.type, column.is_nullable, *bounds, categories, len(held))
    return found


def find_breaches(schema: Mapping[str, ColumnSchema], rows: Rows) -> list[str]:
    """Return what rows break of a schema, in words, one a column and rule."""
    breaches = []
    for name, wanted in schema.items():
        if name not in rows:
            breaches.append(f"column {name[:64]!r} is missing")
            continue
        breaches += [f"column {name[:64]!r}: {words}" for words in _judge(wanted, rows[name])]
    return breaches


def _judge(wanted: ColumnSchema, values: Sequence[Scalar]) -> list[str]:
    held = [value for value in values if value is not None]
    nulls = len(values) - len(held)
    found = [f"{nulls:,} nulls, and the training rows have none"] if nulls and not wanted.is_nullable else []
    if not held:
        return found
    try:
        kind = infer_columns({"": held})[0].type
    except InvalidInput:
        return [*found, "values of kinds that do not mix"]
    if kind != wanted.type and (kind, wanted.type) != ("int", "float"):
        return [*found, f"{kind}, and the training rows have {wanted.type}"]
    outside = sum(_is_outside(wanted, value) for value in held)
    if outside > OUTSIDE_SHARE_MAX * len(held) and (wanted.low is None or chance_outside(outside, len(held), wanted.rows) < LUCK):
        rule = f"{wanted.low:g} to {wanted.high:g}" if wanted.low is not None else f"the {len(wanted.categories or ())} known values"
        found.append(f"{outside:,} of {len(held):,} values lie outside of {rule}")
    return found


def chance_outside(outside: int, m: int, n: int) -> float:
    """Return P(at least `outside` of m new values lie outside of the range of n old ones), all drawn alike from one distribution.

    The range covers a share that is Beta(n - 1, 2) (Wilks 1941), so the count is beta-binomial, whatever the distribution.

    >>> round(chance_outside(1, 1, 9), 6)  # one new value is one of the two extremes of ten
    0.2
    """
    if n < 2 or outside <= 0:
        return 1.0
    k = np.arange(outside, m + 1)
    chances = (
        -np.log(m + 1)
        - scipy.special.betaln(k + 1, m - k + 1)
        + scipy.special.betaln(k + 2, m - k + n - 1)
        - scipy.special.betaln(2, n - 1)
    )
    return float(min(1.0, np.exp(chances).sum()))


def _is_outside(wanted: ColumnSchema, value: Scalar) -> bool:
    if wanted.categories is not None:
        return value not in wanted.categories
    if wanted.low is None or wanted.high is None or not isinstance(value, int | float):
        return False
    return not wanted.low <= value <= wanted.high  # NaN is outside
