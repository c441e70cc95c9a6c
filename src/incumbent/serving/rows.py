"""Our own shape of a request: `{"rows": [{"column": value, …}, …]}`, answered by rows in the same order."""

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Column, Columns, Scalar


def columns_from_rows(request: Json, columns: tuple[Column, ...]) -> dict[str, list[Scalar]]:
    """Return the rows of a request column by column. Types and nulls are judged later, by `check_columns`.

    Raises:
        InvalidInput: It is no object with `rows` alone; a row is no object, lacks a column or has one too many, or a value is no scalar.
    """
    rows = request.get("rows") if isinstance(request, dict) and len(request) == 1 else None
    if not isinstance(rows, list):
        raise InvalidInput('expected {"rows": [{"column": value, …}, …]} and nothing else')
    names = [column.name for column in columns]
    data: dict[str, list[Scalar]] = {name: [] for name in names}
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InvalidInput(f"row {place}: expected an object, got {type(row).__name__}")
        if row.keys() != data.keys():
            missing = ", ".join(name for name in names if name not in row)
            extra = ", ".join(repr(name[:64]) for name in row if name not in data)
            parts = [f"missing {missing}"] * bool(missing) + [f"not in the signature: {extra}"] * bool(extra)
            raise InvalidInput(f"row {place}: {'; '.join(parts)} (a value that is not known is given as null)")
        for name, value in row.items():
            if isinstance(value, list | dict):
                raise InvalidInput(f"row {place}, column {name!r}: expected one value, got {type(value).__name__}")
            data[name].append(value)
    return data


def rows_from_columns(data: Columns) -> list[Json]:
    """Return a batch as a list of row objects.

    >>> rows_from_columns({"a": [1, 2], "b": ["x", "y"]})
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}]
    """
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]
