"""The verbs on schemas: infer one from a version's training rows, register the edited one for its model.

What is inferred is only a draft: a range seen in a sample is no expectation. A person edits it and sets it, which is an act in the
ledger; who set it had a hand in the thresholds that later versions are held to (`incumbent.usecases.authorship`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.registry.names import check_model_name
from incumbent.registry.table_schema import TableSchema
from incumbent.usecases.asked import asked
from incumbent.usecases.examine_subject import find_subject
from incumbent.usecases.list_versions import check_model
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.schema_in_force import SCHEMA, find_schema
from incumbent.usecases.workspace import Workspace

Form = Literal["yaml", "json"]


@dataclass(frozen=True, slots=True)
class SetSchema:
    """A schema that was registered for a model.

    Attributes:
        seq: Number of its entry.
        digest: Of the document that the entry names.
    """

    model: str
    schema: TableSchema
    digest: str
    seq: int
    at: datetime
    actor: str

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "model": self.model, "schema": self.schema.to_json(), "digest": self.digest, "entry": self.seq, "at": self.at.isoformat(),
            "actor": self.actor,
        }  # fmt: skip


def infer_schema(ws: Workspace, *, model: str, version: int, form: Form = "yaml", training: str | None = None) -> str:
    """Return, as text to edit, the schema that a version's training rows imply; nothing is recorded.

    Args:
        ws: The workspace.
        model: Name of the model.
        version: Its number.
        form: How it is spelt.
        training: The output of its run that holds the training rows; otherwise the policy's, or "training".

    Raises:
        NotFound: No such version or output.
        InvalidInput: The output is no table, has no rows, or a column mixes kinds of values.
        Unavailable: Pandera (the extra `checks`) is not installed.
    """
    with ws.store.begin(read_only=True) as tx:
        chosen = tx.registry.get_version(model, version)
    subject = find_subject(ws, chosen, training=training)
    if subject.training is None:
        raise NotFound(
            f"the run of {subject.name} has no output {subject.training_name!r} with its training rows; name another as `training`"
        )
    return ws.tables.write_schema(ws.tables.infer_schema(ws.tables.read_columns(subject.training)), form)


@asked
def set_schema(ws: Workspace, *, model: str, text: str, reason: str = "") -> SetSchema:
    """Register the schema that versions of a model are held to from now on.

    Args:
        ws: The workspace.
        model: Name of a model that has a version.
        text: YAML or JSON in pandera's form. It is read as data; nothing in it is executed.
        reason: Why, in words.

    Raises:
        InvalidInput: The text is no schema, or says something that is not known here.
        NotFound: There is no such model.
        Refused: The actor may not.
        Unavailable: Pandera (the extra `checks`) is not installed.
    """
    check_model_name(model)
    schema = ws.tables.parse_schema(text)
    with attempting(ws, act="set-schema", kind=SCHEMA, object_id=model), governed(ws) as tx:
        acting = check_acting(ws, tx, "set-schema")
        check_model(tx, model)
        body: Document = {"kind": SCHEMA, "model": model, "schema": schema.to_json(), "text": text}
        entry = record_act(ws, tx, act="set-schema", kind=SCHEMA, object_id=model, acting=acting, body=body, reason=reason)
    if entry.draft.object.digest is None:
        raise InvalidInput(f"the schema of {model} was recorded without a digest")
    return SetSchema(model, schema, entry.draft.object.digest, entry.seq, entry.at, acting.actor)


def get_schema(ws: Workspace, *, model: str) -> SetSchema:
    """Return the schema in force for a model. Raises NotFound when none is registered, Corrupt."""
    with ws.store.begin(read_only=True) as tx:
        found = find_schema(tx, model)
        if found is None:
            raise NotFound(
                f"no schema is registered for {model[:80]!r}: `incumbent schemas infer MODEL@VERSION --out schema.yaml`, edit it, then "
                "`incumbent schemas set MODEL schema.yaml`"
            )
        entry = tx.ledger.get(found.seq)
    return SetSchema(model, found.schema, found.digest, found.seq, entry.at, entry.draft.actor.actor_id)


def list_schemas(ws: Workspace) -> Sequence[SetSchema]:
    """Return the schema in force of every model that has one, by model."""
    with ws.store.begin(read_only=True) as tx:
        models = sorted(record.record_id for record in tx.records.list_all(SCHEMA))
    return [get_schema(ws, model=model) for model in models]
