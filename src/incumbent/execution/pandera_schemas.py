"""Schemas by pandera: inferred from rows, read from a file that a person edited, held against rows.

A file is data and stays data. It is read by a parser that knows no tags, anchors or aliases, and has a limit for everything; what
it says is then read strictly (registry/table_schema.py) before pandera sees it, for pandera takes names of checks as attributes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.registry.signature import Scalar, infer_columns
from incumbent.registry.table_schema import CHECKS, TEXT_MAX, SchemaBreach, SchemaType, TableSchema, read_schema

TEXT_BYTES_MAX, DEPTH_MAX, NODES_MAX = 1 << 18, 12, 50_000
CATEGORIES_MAX = 50
"""A text column with more values than so many gets no list of them."""
OUTSIDE_SHARE, OUTSIDE_ROWS = 0.01, 10
"""What an inferred range or list leaves open, the greater of a share and so many rows: it is a sample's, until a person edits it."""
_KINDS: dict[str, SchemaType] = {"int": "Int64", "float": "Float64", "str": "String", "bool": "Boolean"}
_EXAMPLES_SHOWN = 3


def _libraries() -> tuple[Any, Any, Any]:
    try:
        import pandera.polars
        import polars as pl
        from pandera.io import polars_io
    except ImportError as error:
        raise Unavailable(f"schemas need pandera and Polars: install incumbent[checks] ({error})") from error
    return pandera, pl, polars_io


def infer_schema(columns: Mapping[str, Sequence[Scalar]]) -> TableSchema:
    """Return the schema that pandera infers from rows, with the values of columns that have few.

    Raises:
        InvalidInput: There are no rows, or a column mixes kinds of values.
        Unavailable: Pandera is not installed.
    """
    pandera, _, polars_io = _libraries()
    if not any(len(values) for values in columns.values()):
        raise InvalidInput("a schema of no rows says nothing")
    frame = _make_frame(columns, {name: _kind(name, values) or "String" for name, values in columns.items()})
    document = polars_io.serialize_schema(pandera.polars.infer_schema(frame))
    for name, column in document["columns"].items():
        held = [value for value in columns[name] if value is not None]
        distinct = sorted({value for value in held if isinstance(value, str)})
        if distinct and len(distinct) <= CATEGORIES_MAX and max(map(len, distinct)) <= TEXT_MAX:
            column.pop("str_length", None)
            column["isin"] = distinct
        if set(column) & CHECKS.keys():
            column["outside_share_max"] = min(1.0, max(OUTSIDE_SHARE, round(OUTSIDE_ROWS / len(held), 4)))
        nulls = len(columns[name]) - len(held)
        if nulls:
            column["null_share_max"] = min(1.0, round(nulls / len(columns[name]) * 1.5 + 0.005, 3))
    return read_schema(document)


def write_schema(schema: TableSchema, form: str) -> str:
    """Return a schema as text, "yaml" or "json", which pandera reads too."""
    if form == "json":
        return json.dumps(schema.to_json(), indent=2, ensure_ascii=False) + "\n"
    import yaml

    return cast(str, yaml.safe_dump(schema.to_json(), sort_keys=False, allow_unicode=True, width=120))


def parse_schema(text: str) -> TableSchema:
    """Return the schema that a YAML or JSON text spells.

    Raises:
        InvalidInput: It is too large or deep, is neither, has tags, anchors or aliases, or is no schema.
    """
    if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise InvalidInput(f"the schema has more than {TEXT_BYTES_MAX:,} bytes")
    schema = read_schema(_parse_json(text) if text.lstrip().startswith("{") else _parse_yaml(text))
    _try_out(schema)
    return schema


def _try_out(schema: TableSchema) -> None:
    """Hold a row of nulls to it, so that a pattern that is none is found when the schema is set and not when it is used."""
    _, pl, polars_io = _libraries()
    for name, column in schema.columns.items():
        for check in ("str_matches", "str_contains"):
            pattern = column.checks.get(check, {}).get("pattern")
            try:
                if pattern is not None:
                    re.compile(str(pattern))
                    pl.Series([""]).str.contains(str(pattern))
            except (re.error, RecursionError, OverflowError, pl.exceptions.PolarsError) as error:
                raise InvalidInput(f"column {name[:64]!r}: {check} has no regular expression that is known here: {error}") from error
    polars_io.deserialize_schema(schema.to_json())


def _refuse_twice(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidInput("the schema says the same key twice in one place")
    return found


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_refuse_twice)
    except json.JSONDecodeError:
        return _parse_yaml(text)  # YAML may begin with a brace, too
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the schema is no JSON: {error}") from error


def _parse_yaml(text: str) -> object:
    import yaml

    try:
        _check_events(yaml, text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is None:
            raise InvalidInput("the schema is empty")
        _check_keys(yaml, tree)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the schema is no YAML that is read here: {' '.join(str(error).split())[:300]}") from error


def _check_events(yaml: Any, text: str) -> None:
    """Refuse what makes YAML more than data, event by event, before anything is built from it."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise InvalidInput("the schema has an anchor or alias (& or *); write the value out where it is meant")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            raise InvalidInput(f"the schema has the tag {event.tag[:60]!r}; only plain values are read")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX or count > NODES_MAX:
            raise InvalidInput(f"the schema nests deeper than {DEPTH_MAX} or has more than {NODES_MAX:,} values")


def _check_keys(yaml: Any, node: Any) -> None:
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_keys(yaml, one)
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if not all(isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str" for key, _ in node.value):
            raise InvalidInput("the schema has a key that is no text; quote it where YAML takes it for a number, a date or yes and no")
        if len(set(keys)) < len(keys):
            raise InvalidInput("the schema says the same key twice in one place")
        for _, value in node.value:
            _check_keys(yaml, value)


def _kind(name: str, values: Sequence[Scalar]) -> SchemaType | None:
    """Return the type of a column; None if it holds nothing but nulls. Raises InvalidInput when it mixes kinds."""
    held = [value for value in values if value is not None]
    if not held:
        return None
    found = _KINDS[infer_columns({name: held})[0].type]
    too_large = found == "Int64" and any(isinstance(value, int) and abs(value) >= 2**63 for value in held)
    if too_large:
        raise InvalidInput(f"column {name[:64]!r} holds whole numbers beyond 64 bits")
    return found


def _make_frame(columns: Mapping[str, Sequence[Scalar]], kinds: Mapping[str, SchemaType]) -> Any:
    _, polars, _ = _libraries()
    types = {"Int64": polars.Int64, "Float64": polars.Float64, "String": polars.String, "Boolean": polars.Boolean}
    makers = {"Int64": int, "Float64": float, "String": str, "Boolean": bool}
    return polars.DataFrame(
        {
            name: polars.Series(
                name, [None if value is None else makers[kinds[name]](cast(Any, value)) for value in values], dtype=types[kinds[name]]
            )
            for name, values in columns.items()
        }
    )


def check_schema(schema: TableSchema, columns: Mapping[str, Sequence[Scalar]]) -> list[SchemaBreach]:
    """Return what rows break of a schema, by pandera: one a column and rule, each with how many values.

    Whole numbers do for a Float64, and floats that are whole for an Int64. Shares (null_share_max, outside_share_max) are not
    judged here: every value counts.

    Raises:
        Unavailable: Pandera is not installed.
    """
    pandera, _, polars_io = _libraries()
    rows = len(next(iter(columns.values()), ()))
    kinds: dict[str, SchemaType] = {}
    wrong: list[SchemaBreach] = []
    for name, values in columns.items():
        wanted = schema.columns.get(name)
        try:
            found = _kind(name, values)
        except InvalidInput as error:
            wrong.append(SchemaBreach(name, "dtype", rows, rows, (str(error)[:80],)))
            kinds[name] = "String"
            continue
        kinds[name] = _accept(wanted.type if wanted else None, found, values)
        if wanted is not None and kinds[name] != wanted.type:
            wrong.append(SchemaBreach(name, "dtype", rows, rows, (f"{kinds[name]}, not {wanted.type}",)))
    failed = {breach.column for breach in wrong}
    rest = {name: column for name, column in schema.columns.items() if name not in failed}
    if not rest:
        return wrong
    held = TableSchema(rest, schema.is_strict, schema.is_ordered, schema.unique if not failed & set(schema.unique) else ())
    document = {**held.to_json(), "strict": schema.is_strict and not failed, "ordered": schema.is_ordered and not failed}
    frame = _make_frame({name: values for name, values in columns.items() if name not in failed}, kinds)
    try:
        with _whole():
            polars_io.deserialize_schema(document).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return [*wrong, *_read_failures(held, error, rows)]
    except pandera.errors.SchemaDefinitionError as error:
        raise InvalidInput(f"pandera does not take the schema: {error}") from error
    return wrong


def _whole() -> Any:
    """Validate every row, whatever PANDERA_… variables of this process say."""
    from pandera.config import ValidationDepth, config_context

    return config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA)


def _accept(wanted: SchemaType | None, found: SchemaType | None, values: Sequence[Scalar]) -> SchemaType:
    if found is None:
        return wanted or "String"
    if wanted == "Float64" and found == "Int64":
        return "Float64"
    is_whole = all(value is None or (isinstance(value, int | float) and float(value).is_integer()) for value in values)
    return "Int64" if wanted == "Int64" and found == "Float64" and is_whole else found


def _read_failures(schema: TableSchema, error: Any, rows: int) -> list[SchemaBreach]:
    """Count what failed by column and rule, in Polars: of ten million rows all may fail."""
    _, pl, _ = _libraries()
    cases = error.failure_cases.with_columns(
        about=pl.when(pl.col("check").is_in(["column_in_schema", "column_in_dataframe"])).then(pl.col("failure_case"))
    )
    counted = cases.group_by("column", "check", "check_number", "about", maintain_order=True).agg(
        failed=pl.max_horizontal(pl.col("index").drop_nulls().n_unique(), 1),
        examples=pl.col("failure_case").cast(pl.String).drop_nulls().unique(maintain_order=True).head(_EXAMPLES_SHOWN),
    )
    found = []
    for case in counted.iter_rows(named=True):
        column, rule = str(case["about"] or case["column"] or ""), str(case["check"])
        if case["check_number"] is not None and column in schema.columns:
            rule = [*schema.columns[column].checks][case["check_number"]]
        found.append(SchemaBreach(column, rule, int(case["failed"]), rows, tuple(text[:80] for text in case["examples"])))
    return found
