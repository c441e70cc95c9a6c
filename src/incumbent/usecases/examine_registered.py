"""Tests by the schema that a person registered: what the table has to be, and what its values have to be."""

from collections.abc import Iterable, Mapping

from incumbent.base.documents import Json
from incumbent.base.errors import Unavailable
from incumbent.registry.table_schema import CHECKS, SchemaBreach, TableSchema
from incumbent.usecases.examine_subject import Exam, Found, Rows, count_rows, shown

_WORDS = {
    "column_in_dataframe": "is missing",
    "column_in_schema": "is not in the schema, which is strict",
    "column_ordered": "is not in its place",
    "not_nullable": "is null",
    "field_uniqueness": "comes more than once",
    "multiple_fields_uniqueness": "come more than once together",
}
_NOT_JUDGED = {"column_in_dataframe", "dtype"}
"""Of a column that breaks one of these, pandera says nothing more."""


def examine_table(exam: Exam) -> Found:
    """Training rows and holdout have the columns, types, nullability and uniqueness of the registered schema."""
    return _hold(exam, is_values=False)


def examine_expected(exam: Exam) -> Found:
    """The values of training rows and holdout lie in the ranges, lists, patterns and null shares of the registered schema."""
    return _hold(exam, is_values=True)


def _hold(exam: Exam, *, is_values: bool) -> Found:
    registered = exam.subject.schema
    if registered is None:
        model = exam.subject.version.model
        return Found(
            "not-applicable",
            f"no schema is registered for {model}: `incumbent schemas infer {exam.subject.name} --out FILE`, edit it, then "
            f"`incumbent schemas set {model} FILE`",
        )
    schema = registered.schema
    if is_values and not any(column.checks or column.null_share_max is not None for column in schema.columns.values()):
        return Found("not-applicable", "the registered schema says nothing of values: no range, list, pattern or null share")
    tables = {name: rows for name, rows in (("the training rows", exam.training), ("the holdout", exam.holdout)) if rows is not None}
    facts: dict[str, Json] = {"schema_entry": registered.seq, "schema": registered.digest, "columns": len(schema.columns)}
    told, unjudged = [], set[str]()
    empty = [name for name, rows in tables.items() if count_rows(rows) == 0]
    for name, rows in tables.items():
        if name in empty:
            continue
        try:
            breaches = exam.ws.tables.check_schema(schema, rows)
        except Unavailable as error:
            return Found("undecided", f"the rows cannot be held to the registered schema: {error}", facts)
        found = list(_judge_values(schema, rows, breaches) if is_values else _judge_table(breaches))
        unjudged |= {breach.column for breach in breaches if breach.rule in _NOT_JUDGED and breach.column in schema.columns}
        facts[f"breaches of {name.removeprefix('the ')}"] = list[Json](found)
        told += [f"{name}: {words}" for words in found]
    kind = "values" if is_values else "columns"
    rule = f"the schema of entry {registered.seq}"
    if told:
        return Found("failed", f"{len(told)} breaches of {rule}: {'; '.join(told[:5])}", facts)
    if empty or not tables:
        return Found("undecided", f"{shown(empty) or 'the tables'} have no rows to hold to {rule}", facts)
    gap = _find_unheld_values(schema, rule, unjudged) if is_values else _find_unheld_columns(schema, rule, exam.inputs)
    if gap:
        return Found("undecided", gap, facts)
    rows_told = " and ".join(f"{count_rows(rows):,} rows of {name}" for name, rows in tables.items())
    return Found("passed", f"the {kind} of {rows_told} hold to {rule}, set by a person", facts)


def _find_unheld_values(schema: TableSchema, rule: str, unjudged: Iterable[str]) -> str:
    """Return whose values a schema did not hold to anything, in words; "" if it did."""
    untold = sorted(name for name in unjudged if schema.columns[name].checks)
    if untold:
        return f"the values of {shown(untold)} could not be judged; the test `schema` says why"
    unbound = sorted(name for name, column in schema.columns.items() if column.checks and column.outside_share_max >= 1)
    return f"{rule} lets every value of {shown(unbound)} break its checks (outside_share_max = 1)" if unbound else ""


def _find_unheld_columns(schema: TableSchema, rule: str, inputs: Iterable[str]) -> str:
    absent = [name for name in inputs if name not in schema.columns]
    return f"{rule} says nothing of {shown(absent)}, which the model is asked with" if absent else ""


def _judge_table(breaches: Iterable[SchemaBreach]) -> Iterable[str]:
    for breach in breaches:
        if breach.rule not in CHECKS:
            where = f"{breach.column[:64]!r}" if breach.column else "rows"
            words = _WORDS.get(breach.rule, f"breaks {breach.rule}")
            if breach.rule == "dtype":
                yield f"{where} is {', '.join(breach.examples)}"
            elif breach.rule.startswith("column_"):
                yield f"{where} {words}"
            else:
                yield f"{where} {words} in {breach.failed:,} of {breach.rows:,} rows"


def _judge_values(schema: TableSchema, rows: Rows, breaches: Iterable[SchemaBreach]) -> Iterable[str]:
    nulls: Mapping[str, int] = {name: sum(value is None for value in values) for name, values in rows.items()}
    count = count_rows(rows)
    for breach in breaches:
        column = schema.columns.get(breach.column)
        if column is None or breach.rule not in CHECKS:
            continue
        held = count - nulls.get(breach.column, 0)
        if breach.failed > column.outside_share_max * held:
            limit = f", and at most {column.outside_share_max:.2%} may" if column.outside_share_max else ""
            examples = f" (such as {', '.join(breach.examples)})" if breach.examples else ""
            yield f"{breach.failed:,} of {held:,} values of {breach.column[:64]!r} break {breach.rule}{limit}{examples}"
    for name, column in schema.columns.items():
        if column.null_share_max is not None and nulls.get(name, 0) > column.null_share_max * count:
            yield f"{nulls[name]:,} of {count:,} values of {name[:64]!r} are null, and at most {column.null_share_max:.2%} may be"
