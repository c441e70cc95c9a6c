"""The schema that is in force for a model: what a person registered last."""

from dataclasses import dataclass

from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.registry.table_schema import TableSchema, read_schema
from incumbent.usecases.ports import Transaction

SCHEMA = "schema"
SCHEMA_TESTS = frozenset({"schema", "privacy-columns", "expected-values"})
"""Tests of a version that hold rows to the registered schema."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """The schema in force for a model. `digest` and `seq` are of the entry that set it."""

    schema: TableSchema
    digest: str
    seq: int


def find_schema(tx: Transaction, model: str) -> RegisteredSchema | None:
    """Return the schema in force for a model; None if nobody registered one. Raises Corrupt."""
    record = tx.records.find(SCHEMA, model)
    if record is None:
        return None
    try:
        return RegisteredSchema(read_schema(record.body.get("schema")), record.digest, record.seq)
    except InvalidInput as error:
        raise Corrupt(f"the schema of {model} (entry {record.seq}) has a form that this release does not read: {error}") from error
