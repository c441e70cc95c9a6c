"""Stored frames as plain columns: what a gate asks bundles with, whatever library wrote the frame."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from incumbent.base.artifact import Artifact
from incumbent.base.errors import InvalidInput
from incumbent.execution import pandera_schemas
from incumbent.registry.signature import Scalar
from incumbent.registry.table_schema import SchemaBreach, TableSchema
from incumbent.usecases.ports import Blobs, Codecs


class StoredTables:
    """The `Tables` port, on the codecs that stages store frames with."""

    def __init__(self, codecs: Codecs, blobs: Blobs, scratch: Path) -> None:
        self._codecs, self._blobs, self._scratch = codecs, blobs, scratch

    def read_columns(self, artifact: Artifact) -> Mapping[str, list[Scalar]]:
        """Return a stored frame column by column. A NaN is null, as signatures have it; times are ISO text.

        Raises:
            InvalidInput: It is no table, or holds what has no plain form.
            Corrupt, NotFound: Its bytes.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="table-", dir=self._scratch) as folder:
            value: Any = self._codecs.decode(artifact, None, self._blobs, Path(folder))
        kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        if kind == "pyarrow.Table":
            columns = value.to_pydict()
        elif kind == "polars.DataFrame":
            columns = value.to_dict(as_series=False)
        elif kind == "pandas.DataFrame":
            columns = {str(name): value[name].tolist() for name in value.columns}
        else:
            raise InvalidInput(f"artifact {artifact.digest} is {kind}, no table; a holdout is an Arrow table or a Polars or pandas frame")
        return {str(name): [_plain(cell, str(name)) for cell in cells] for name, cells in columns.items()}

    def infer_schema(self, columns: Mapping[str, Sequence[Scalar]]) -> TableSchema:
        """See `Tables.infer_schema`."""
        return pandera_schemas.infer_schema(columns)

    def check_schema(self, schema: TableSchema, columns: Mapping[str, Sequence[Scalar]]) -> Sequence[SchemaBreach]:
        """See `Tables.check_schema`."""
        return pandera_schemas.check_schema(schema, columns)

    def parse_schema(self, text: str) -> TableSchema:
        """See `Tables.parse_schema`."""
        return pandera_schemas.parse_schema(text)

    def write_schema(self, schema: TableSchema, form: str) -> str:
        """See `Tables.write_schema`."""
        return pandera_schemas.write_schema(schema, form)


def _plain(cell: Any, name: str) -> Scalar:
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float):
        return None if math.isnan(cell) else cell
    if isinstance(cell, datetime | date | time):
        return None if str(cell) == "NaT" else cell.isoformat()
    raise InvalidInput(f"column {name!r} holds a {type(cell).__name__}, which no bundle can be asked with: cast it to a plain type")
