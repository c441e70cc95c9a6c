"""The shapes that `mlflow models serve` takes at `/invocations`: one of the fields below, by name or by place.

`dataframe_split` is `{"columns": [name, …], "data": [[value, …], …]}`, and an `index` beside them is not looked at. `dataframe_records`
is a list of objects. `instances` is a list of objects, or of lists in the signature's order, or of values where there is one column.
`inputs` is an object of lists, one a column, or what `instances` may be.
"""

from collections.abc import Sequence
from typing import cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Column, Scalar
from incumbent.serving.rows import columns_from_rows

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def columns_from_invocation(request: Json, columns: tuple[Column, ...]) -> dict[str, list[Scalar]]:
    """Return the rows of a request column by column. Names, types and nulls are judged later, by `check_columns`.

    Raises:
        InvalidInput: It is no object with one of the fields alone, or that field has not its shape.
    """
    given = {name: value for name, value in request.items() if (name, value) != ("params", {})} if isinstance(request, dict) else {}
    if len(given) != 1 or not given.keys() <= set(FORMS):
        found = ", ".join(name[:64] for name in given) or "none"
        raise InvalidInput(f"expected an object with one of {', '.join(FORMS)}; found: {found} (params are not known here)")
    ((form, value),) = given.items()
    if form == "dataframe_split":
        return _read_split(value)
    if form == "inputs" and isinstance(value, dict):
        return {name: _read_values(f"inputs, column {name[:64]!r}", values) for name, values in value.items()}
    if not isinstance(value, list):
        raise InvalidInput(f"{form}: expected a list of rows, got {type(value).__name__}")
    if form == "dataframe_records" or any(isinstance(row, dict) for row in value):
        return columns_from_rows({"rows": value}, columns)
    rows = value if any(isinstance(row, list) for row in value) else cast(list[Json], [[row] for row in value])
    return _turn(form, [column.name for column in columns], rows)


def _read_split(value: Json) -> dict[str, list[Scalar]]:
    match value:
        case {"columns": list(names), "data": list(rows), **rest} if rest.keys() <= {"index"}:
            pass
        case _:
            raise InvalidInput('dataframe_split: expected {"columns": [name, …], "data": [[value, …], …]}')
    if not all(isinstance(name, str) for name in names) or len(set(map(str, names))) < len(names):
        raise InvalidInput("dataframe_split: columns are strings, each once")
    return _turn("dataframe_split", cast(list[str], names), rows)


def _turn(form: str, names: Sequence[str], rows: Sequence[Json]) -> dict[str, list[Scalar]]:
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            found = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
            raise InvalidInput(f"{form}, row {place}: expected {len(names)} values ({', '.join(names)[:200]}), got {found}")
    turned = zip(*cast(Sequence[list[Json]], rows), strict=True) if rows else ([] for _ in names)
    return {name: _read_values(f"{form}, column {name[:64]!r}", list(values)) for name, values in zip(names, turned, strict=True)}


def _read_values(where: str, values: Json) -> list[Scalar]:
    if not isinstance(values, list):
        raise InvalidInput(f"{where}: expected a list of values, got {type(values).__name__}")
    for place, value in enumerate(values):
        if isinstance(value, list | dict):
            raise InvalidInput(f"{where}, row {place}: expected one value, got {type(value).__name__}")
    return cast(list[Scalar], values)
