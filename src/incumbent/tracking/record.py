"""What a run logs, as records: points, settings, artifacts, and how it began and ended; and their bytes in a spool.

A record's bytes are `M` and packed points, or `J` and a JSON document. Points are by far the most frequent, hence the packed form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from struct import error as unfit
from typing import Literal, cast

from incumbent.base.artifact import artifact_from_json
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json, document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact, RunState

NAME_CHARACTERS_MAX = 250
"""Of a param, metric, tag or artifact: as long as a name can be in MLflow, so that imported runs fit."""
TEXT_CHARACTERS_MAX = 16_000
"""Of one param's or tag's value: twice what MLflow takes. Longer text is an artifact."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POINT = Struct("<dqqH")
STEP_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Began:
    """The run began; `environment` is the document whose digest is in the run's facts."""

    run: Run
    environment: Document


@dataclass(frozen=True, slots=True)
class Points:
    """Metric points, in the order in which they were logged."""

    points: tuple[MetricPoint, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Params (the first value stays) and tags (the last one does)."""

    params: Mapping[str, Json] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attached:
    """An input or output, whose bytes are stored already."""

    artifact: RunArtifact


@dataclass(frozen=True, slots=True)
class Ended:
    """The run ended. `error` says why it failed or was killed, "" if it did not."""

    state: RunState
    at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """A note was written."""

    note: Note


Record = Began | Points | Settings | Attached | Noted | Ended


def check_name(what: str, name: str) -> str:
    """Return `name` if a param, metric, tag or artifact may have it.

    Raises:
        InvalidInput: It is empty, too long, or holds a control character or a lone surrogate.
    """
    if not isinstance(name, str):
        raise InvalidInput(f"the name of a {what} is a string, not {type(name).__name__}")
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise InvalidInput(f"{what} {name[:60]!r}: a name has 1 to {NAME_CHARACTERS_MAX} printable characters")
    return name


def check_artifact_name(name: str) -> str:
    """Return `name` if an artifact may have it: a relative path with `/`, which cannot leave the folder it is written to.

    Raises:
        InvalidInput: As `check_name`; or it is absolute, or has an empty part, `.`, `..`, a backslash or a colon.
    """
    check_name("artifact", name)
    if "\\" in name or ":" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidInput(f"artifact {name!r}: a name is a relative path such as plots/roc.png, without '..', backslash or colon")
    return name


def check_text(what: str, name: str, text: str) -> str:
    """Return `text` if it is not too long and can be stored.

    Raises:
        InvalidInput: It has more than TEXT_CHARACTERS_MAX characters, or a NUL or a lone surrogate.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidInput(f"{what} {name!r} has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are kept: log it as an artifact")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput(f"{what} {name!r} holds a NUL or half a surrogate pair, which no database keeps")
    return text


def check_time(at: datetime) -> datetime:
    """Return a time in UTC, if it is one at which something can have been logged.

    Raises:
        InvalidInput: It is before 1970, or after the year 9000, as when somebody mistook the unit.
    """
    try:
        moved = at.astimezone(UTC)
    except OverflowError:
        moved = None
    if moved is None or not 1970 <= moved.year <= 9000:
        raise InvalidInput(f"{at.isoformat()} is no time at which something can have been logged")
    return moved


def microseconds(at: datetime) -> int:
    """Return whole microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def point_bytes(name: bytes, value: float, step: int, at_us: int) -> bytes:
    """Return one packed point, to be put after `M`; `name` in UTF-8, `at_us` in microseconds since 1970.

    Raises:
        InvalidInput: The step does not fit in 64 bits.
    """
    try:
        return _POINT.pack(value, step, at_us, len(name)) + name
    except unfit as error:
        raise InvalidInput(f"metric {name.decode()!r}, step {step!r}: a step is a whole number from -2^63 to 2^63 - 1") from error


def record_bytes(record: Record) -> bytes:
    """Return the bytes of a record."""
    match record:
        case Points(points):
            return b"M" + b"".join(point_bytes(one.name.encode(), one.value, one.step, microseconds(one.at)) for one in points)
        case Began(run, environment):
            document: Document = {"kind": "began", "run": run_document(run), "environment": environment}
        case Settings(params, tags):
            document = {"kind": "settings", "params": dict(params), "tags": dict(tags)}
        case Attached(artifact):
            document = {"kind": "attached", "run_id": artifact.run_id, **artifact_document(artifact)}
        case Noted(note):
            document = {"kind": "noted", "run_id": note.run_id, "at": note.at.isoformat(), "actor": note.actor, "text": note.text}
        case Ended(state, at, error):
            document = {"kind": "ended", "state": state, "at": at.isoformat(), "error": error}
    return b"J" + document_bytes(document)


def parse_record(data: bytes) -> Record:
    """Return the record that these bytes spell.

    Raises:
        InvalidInput: They are no record, or one of a kind that this release does not know.
    """
    if data[:1] == b"M":
        return Points(tuple(_parse_points(data)))
    if data[:1] == b"J":
        document = parse_document(data[1:])
        try:
            return _parse_json_record(document)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InvalidInput(f"a record of kind {str(document.get('kind'))[:40]!r} that does not fit: {error!r}") from error
    raise InvalidInput(f"{len(data)} bytes that are no record of this release ({data[:1]!r} is no kind)")


def _parse_points(data: bytes) -> Sequence[MetricPoint]:
    points: list[MetricPoint] = []
    at = 1
    try:
        while at < len(data):
            value, step, at_us, length = _POINT.unpack_from(data, at)
            at += _POINT.size + length
            name = data[at - length : at]
            if len(name) < length:
                raise InvalidInput("a point whose name is cut off")
            points.append(MetricPoint(name.decode(), value, step, _EPOCH + timedelta(microseconds=at_us)))
    except (unfit, UnicodeDecodeError, OverflowError) as error:
        raise InvalidInput(f"not metric points: {error}") from error
    return points


def _parse_json_record(document: Document) -> Record:
    match document:
        case {"kind": "began", "run": dict(run), "environment": dict(environment)}:
            return Began(run_from_document(run), environment)
        case {"kind": "settings", "params": dict(params), "tags": dict(tags)} if all(isinstance(tag, str) for tag in tags.values()):
            return Settings(params, cast(dict[str, str], tags))
        case {"kind": "attached", "run_id": str(run_id)}:
            return Attached(_artifact_from_document(run_id, document))
        case {"kind": "noted", "run_id": str(run_id), "at": str(at), "actor": str(actor), "text": str(text)}:
            return Noted(Note(run_id, _time(at), actor, text))
        case {"kind": "ended", "state": "finished" | "failed" | "killed" as state, "at": str(at), "error": str(error)}:
            return Ended(state, _time(at), error)
    raise InvalidInput(f"a record of kind {str(document.get('kind'))[:40]!r} that this release does not know")


def run_document(run: Run) -> Document:
    """Return the document form of a run."""
    return {
        "run_id": run.run_id, "experiment": run.experiment, "name": run.name, "pipeline": run.pipeline, "parent_id": run.parent_id,
        "state": run.state, "started_at": run.started_at.isoformat(), "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "seed": run.seed, "code": {"commit": run.code.commit, "is_dirty": run.code.is_dirty, "tree": run.code.tree},
        "facts": dict(run.facts), "params": dict(run.params), "tags": dict(run.tags), "manifest": run.manifest,
    }  # fmt: skip


def run_from_document(document: Document) -> Run:
    """Return the run that `run_document` wrote.

    Raises:
        InvalidInput: A field is missing or of the wrong type.
    """
    try:
        code = cast(dict[str, Json], document["code"])
        parent, ended, seed, manifest = (document[name] for name in ("parent_id", "ended_at", "seed", "manifest"))
        return Run(
            run_id=_text(document, "run_id"),
            experiment=_text(document, "experiment"),
            name=_text(document, "name"),
            pipeline=_text(document, "pipeline"),
            parent_id=None if parent is None else _text(document, "parent_id"),
            state=cast(RunState, _one_of(document, "state", ("running", "finished", "failed", "killed"))),
            started_at=_time(_text(document, "started_at")),
            ended_at=None if ended is None else _time(_text(document, "ended_at")),
            seed=seed if seed is None else int(cast(int, seed)),
            code=CodeVersion(_text(code, "commit"), bool(code["is_dirty"]), _text(code, "tree")),
            facts=dict(cast(dict[str, Json], document["facts"])),
            params=dict(cast(dict[str, Json], document["params"])),
            tags={str(key): str(tag) for key, tag in cast(dict[str, Json], document["tags"]).items()},
            manifest=None if manifest is None else Digest(_text(document, "manifest")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"not the record of a run: {error!r}") from error


def artifact_document(artifact: RunArtifact) -> Document:
    """Return the document form of a run's input or output, without the run."""
    return {
        "direction": artifact.direction, "name": artifact.name,
        "artifact": artifact.artifact.to_json(), "media_type": artifact.media_type,
    }  # fmt: skip


def _artifact_from_document(run_id: str, document: Document) -> RunArtifact:
    direction = cast(Literal["input", "output"], _one_of(document, "direction", ("input", "output")))
    return RunArtifact(run_id, direction, _text(document, "name"), artifact_from_json(document["artifact"]), _text(document, "media_type"))


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {type(value).__name__}, not a string")
    return value


def _one_of(document: Mapping[str, Json], name: str, legal: tuple[str, ...]) -> str:
    value = _text(document, name)
    if value not in legal:
        raise InvalidInput(f"{name} is {value[:40]!r}, not one of {', '.join(legal)}")
    return value


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise InvalidInput(f"{text} has no time zone")
    return at.astimezone(UTC)
