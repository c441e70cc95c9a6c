"""What a Parquet dataset says of itself: rows and columns, from the footers alone."""

from collections.abc import Mapping, Sequence

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.execution.sources.intake import one_line, refuse, show


def describe_parquet(files: Sequence[tuple[str, str]]) -> tuple[str, Mapping[str, Json]]:
    """Return words for the version, and the facts rows, columns (name -> type) and schemas (how many differ).

    Without pyarrow nothing is said: the bytes are captured all the same.

    Args:
        files: (name, path) of each.

    Raises:
        InvalidInput: A file is not Parquet.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        return "", {}
    rows = 0
    columns: dict[str, Json] = {}
    schemas = set()
    for name, path in files:
        try:
            metadata = pq.read_metadata(path)
            schema = metadata.schema.to_arrow_schema()
        except (pa.ArrowException, ValueError) as error:
            raise InvalidInput(f"{show(name)} is not a Parquet file that can be read: {one_line(error)}") from error
        except OSError as error:
            refuse(path, error)
        rows += metadata.num_rows
        columns.update({field.name: str(field.type) for field in schema if field.name not in columns})
        schemas.add(tuple((field.name, str(field.type)) for field in schema))
    words = f"{rows:,} row{'s' * (rows != 1)}, "
    if len(schemas) > 1:
        words += f"{len(schemas)} different schemas, "
    return words, {"rows": rows, "columns": columns, "schemas": len(schemas)}
