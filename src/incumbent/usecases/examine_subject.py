"""What is examined: a version, and the data that are known to belong to it. Nothing here is guessed: what is unknown stays None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, Json
from incumbent.base.errors import NotFound, Refused
from incumbent.gates.examined import TestOutcome
from incumbent.gates.policy import GatePolicy, Scoring
from incumbent.registry.bundle import BundleCard
from incumbent.registry.model import ModelVersion
from incumbent.registry.signature import Scalar
from incumbent.registry.slot import find_champion
from incumbent.tracking.run import Run, StageRun
from incumbent.usecases.answering import ask, read_card
from incumbent.usecases.holdouts import Holdout, get_holdout
from incumbent.usecases.ports import ModelHost, Transaction
from incumbent.usecases.readiness import find_policy
from incumbent.usecases.register import find_output
from incumbent.usecases.schema_in_force import RegisteredSchema, find_schema
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.workspace import Workspace

TRAINING = "training"
"""The output of a version's run that holds its training rows, where no policy names another."""

ROWS_EXAMINED_MAX = 5_000
"""Beyond so many rows evenly spaced ones are looked at, and the answer says so."""

Rows = Mapping[str, Sequence[Scalar]]
Array = NDArray[Any]


class Found(NamedTuple):
    """What a test function answers."""

    outcome: TestOutcome
    reason: str
    facts: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Subject:
    """A version with its data.

    Attributes:
        slot: The slot that it is examined for; None if for none in particular.
        holdout: Frozen rows; None where no policy and nobody names them.
        scoring: Label, output, positive value, threshold; None likewise.
        is_number: The label is a number that is estimated, no class.
        metric: The policy's primary metric, "" if it has none.
        training_name: The output of its run that should hold its training rows.
        training: That output; None if the run has none of that name.
        groups: Columns of the holdout that hold groups to compare.
        useless_features_max: How many inputs the policy lets be without benefit; None if it says nothing.
        schema: The schema that is registered for the model, None if none is.
        champion: The version that is to be beaten in `slot`: live there, or live last.
        champion_training: That version's training rows, None likewise.
    """

    version: ModelVersion
    slot: str | None = None
    holdout: Holdout | None = None
    scoring: Scoring | None = None
    is_number: bool = False
    metric: str = ""
    training_name: str = TRAINING
    training: Artifact | None = None
    groups: tuple[str, ...] = ()
    useless_features_max: int | None = None
    schema: RegisteredSchema | None = None
    champion: ModelVersion | None = None
    champion_training: Artifact | None = None

    @property
    def name(self) -> str:
        """MODEL@VERSION."""
        return f"{self.version.model}@{self.version.version}"


def find_subject(
    ws: Workspace,
    version: ModelVersion,
    *,
    slot: str | None = None,
    policy: GatePolicy | None = None,
    holdout: str | None = None,
    scoring: Scoring | None = None,
    training: str | None = None,
    groups: Sequence[str] = (),
) -> Subject:
    """Return what a version is examined on.

    Args:
        ws: The workspace.
        version: The version.
        slot: The slot that it is examined for.
        policy: Names the holdout, the label, the training rows; the one in force for its model otherwise.
        holdout: Another holdout than the policy's.
        scoring: Another label and output than the policy's.
        training: Another output of its run than the policy's.
        groups: More columns of the holdout that hold groups than the policy names.

    Raises:
        NotFound: There is no such holdout, or no such output where `training` is given.
    """
    with ws.store.begin(read_only=True) as tx:
        rules = policy or find_policy(tx, version.model, find_tier(tx, version.model, slot).number, slot).policy
        named = holdout or (rules.holdout.name if rules.holdout else None)
        trained = training or (rules.holdout.training if rules.holdout else None) or TRAINING
        artifact = _find_training(tx, version, trained, is_wanted=training is not None)
        last = find_champion(tx.registry.list_placements(slot), (version.model, version.version)) if slot else None
        champion = tx.registry.get_version(last.model, last.version) if last else None
        tested = rules.tests.groups if rules.tests else ()
        return Subject(
            version=version,
            slot=slot,
            holdout=get_holdout(tx, named) if named else None,
            scoring=scoring or rules.scoring,
            is_number=rules.needs == {"number"},
            metric=rules.primary.metric if rules.primary else "",
            training_name=trained,
            training=artifact,
            groups=tuple(sorted({*(rule.by for rule in rules.guardrails if rule.by), *tested, *groups})),
            useless_features_max=rules.tests.useless_features_max if rules.tests else None,
            schema=find_schema(tx, version.model),
            champion=champion,
            champion_training=_find_training(tx, champion, trained, is_wanted=False) if champion else None,
        )


def _find_training(tx: Transaction, version: ModelVersion, name: str, *, is_wanted: bool) -> Artifact | None:
    try:
        return find_output(tx, tx.runs.get(version.run_id), name)[0]
    except (NotFound, Refused):
        if is_wanted:
            raise
        return None


@dataclass(frozen=True)
class Exam:
    """A subject under examination: what several tests need is read and asked once."""

    ws: Workspace
    host: ModelHost
    subject: Subject

    @cached_property
    def card(self) -> BundleCard:
        """The bundle's description. Raises Refused when it has none."""
        return read_card(self.subject.version)

    @cached_property
    def manifest(self) -> Document:
        """What was registered. Raises Corrupt."""
        with self.ws.store.begin(read_only=True) as tx:
            return tx.documents.get(self.subject.version.manifest)

    @cached_property
    def run(self) -> tuple[Run, Sequence[StageRun]]:
        """The run that made the version, and its stage runs."""
        with self.ws.store.begin(read_only=True) as tx:
            found = tx.runs.get(self.subject.version.run_id)
            return found, tx.runs.list_stages(found.run_id)

    @cached_property
    def training(self) -> Rows | None:
        """All training rows, None if they are not known."""
        return None if self.subject.training is None else self.ws.tables.read_columns(self.subject.training)

    @cached_property
    def champion_training(self) -> Rows | None:
        """All training rows of the champion, None if they are not known."""
        return None if self.subject.champion_training is None else self.ws.tables.read_columns(self.subject.champion_training)

    @cached_property
    def holdout(self) -> Rows | None:
        """All rows of the holdout, None if there is none."""
        return None if self.subject.holdout is None else self.ws.tables.read_columns(self.subject.holdout.artifact)

    @cached_property
    def answers(self) -> Rows:
        """The version's answers to the whole holdout."""
        assert self.holdout is not None
        return ask(self.ws, self.host, self.subject.version, self.holdout, is_timed=False).columns

    @property
    def rows(self) -> Rows | None:
        """Rows to ask the version with, at most ROWS_EXAMINED_MAX of the holdout, or else of the training rows."""
        found = self.holdout or self.training
        return None if found is None else spread(found, ROWS_EXAMINED_MAX)

    @property
    def inputs(self) -> list[str]:
        """The columns that the version is asked with."""
        return [column.name for column in self.card.signature.inputs]

    def rng(self) -> np.random.Generator:
        """Return chance that anybody who has the bundle can draw again."""
        seed = digest_bytes(str(self.subject.version.bundle.digest).encode(), "sha256")
        return np.random.default_rng(int(seed.partition(":")[2], 16))


def count_rows(rows: Rows) -> int:
    """Return how many rows a table has."""
    return len(next(iter(rows.values()), ()))


def spread(rows: Rows, most: int) -> dict[str, list[Scalar]]:
    """Return at most so many rows, evenly spaced.

    >>> spread({"a": [1, 2, 3, 4]}, 2)
    {'a': [1, 3]}
    """
    count = count_rows(rows)
    places = range(count) if count <= most else [place * count // most for place in range(most)]
    return {name: [values[place] for place in places] for name, values in rows.items()}


def is_number_label(subject: Subject, label: Sequence[Scalar]) -> bool:
    """Return whether a label is a number that is estimated: as the policy's metric says, or else if it is numeric beyond 0 and 1."""
    if subject.is_number:
        return True
    if subject.metric or (subject.scoring is not None and subject.scoring.positive is not None):
        return False
    return numbers(label) is not None and not all(value in (0, 1, None) for value in label)


def objects(values: Sequence[Scalar]) -> Array:
    """Return a column as an array of Python values."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def numbers(values: Sequence[Scalar]) -> Array | None:
    """Return a column of numbers and nulls as floats, null as NaN; None if it holds anything else, or nothing but nulls."""
    if not all(value is None or isinstance(value, int | float) for value in values) or all(value is None for value in values):
        return None
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def shown(names: Sequence[str], most: int = 8) -> str:
    """Return names for a sentence, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name[:64]) for name in names[:most]) + more
