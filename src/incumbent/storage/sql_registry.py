"""Models, versions, placements and predictions, in SQL."""

from collections.abc import Sequence
from datetime import datetime

from incumbent.base.artifact import artifact_from_json
from incumbent.base.digest import Digest
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.registry.model import ModelVersion, Placement, Prediction
from incumbent.storage.cells import from_json, from_micros, object_from_json, to_json, to_micros, to_text
from incumbent.storage.session import Row, Session
from incumbent.usecases.registry_ports import ModelCount

_VERSION = "model, version, bundle, run_id, key, manifest, created_at, actor, facts, ledger_seq"
_PLACEMENT = "slot, model, version, status, since_at, actor, reason, ledger_seq, is_current"
_ACT = "(SELECT act FROM ledger_entries WHERE seq = ledger_seq)"
"""The act that made a placement. The entry says it, so the row does not say it again."""

_PREDICTION = "prediction_id, slot, model, version, at, inputs, output, latency_ms"


class SqlRegistry:
    """Versions by model and number, placements by slot."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take_number(self, model: str) -> int:
        """Return the model's next version number, which is taken from now on."""
        name = to_text(model, "model")
        self._session.run("INSERT INTO models (model, last_version) VALUES (?, 0) ON CONFLICT (model) DO NOTHING", (name,))
        row = self._session.one("UPDATE models SET last_version = last_version + 1 WHERE model = ? RETURNING last_version", (name,))
        assert row is not None
        return int(row[0])

    def add_version(self, version: ModelVersion) -> None:
        """Add a version under a number that was taken."""
        self._session.run(
            f"INSERT INTO model_versions ({_VERSION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                to_text(version.model, "model"),
                version.version,
                to_json(version.bundle.to_json()),
                to_text(version.run_id, "run id"),
                version.key,
                version.manifest,
                to_micros(version.created_at),
                to_text(version.actor, "actor"),
                to_json(dict(version.facts)),
                version.seq,
            ),
        )

    def get_version(self, model: str, version: int) -> ModelVersion:
        """Return a version. Raises NotFound."""
        row = self._session.one(f"SELECT {_VERSION} FROM model_versions WHERE model = ? AND version = ?", (model, version))
        if row is None:
            raise NotFound(f"no version {version} of model {model[:80]!r}; `incumbent models ls` lists what is registered")
        return _version(row)

    def find_newest(self, model: str) -> ModelVersion | None:
        """Return the version of a model with the highest number."""
        row = self._session.one(f"SELECT {_VERSION} FROM model_versions WHERE model = ? ORDER BY version DESC LIMIT 1", (model,))
        return None if row is None else _version(row)

    def list_versions(self, model: str | None = None, *, run_ids: Sequence[str] | None = None) -> Sequence[ModelVersion]:
        """Return versions (of a model, of some runs), newest first."""
        condition, values = ("TRUE", ()) if model is None else ("model = ?", (model,))
        sql = f"SELECT {_VERSION} FROM model_versions WHERE {condition}"
        if run_ids is None:
            rows = self._session.all(sql, values)
        else:
            rows = list(self._session.among(f"{sql} AND run_id IN (*)", list(dict.fromkeys(run_ids)), values))
        found = sorted(map(_version, rows), key=lambda version: (version.model, version.version))
        return sorted(found, key=lambda version: version.created_at if model is None else version.version, reverse=True)

    def place(self, placement: Placement) -> None:
        """Append to a slot's history. Raises Conflict if another version is in Production there: it has to be archived first."""
        if placement.status not in ("Staging", "Production", "Archived"):
            raise InvalidInput(f"{placement.status!r} is not a status; expected Staging, Production or Archived")
        self.get_version(placement.model, placement.version)
        own = (placement.slot, placement.model, placement.version)
        self._session.run("UPDATE placements SET is_current = 0 WHERE slot = ? AND model = ? AND version = ? AND is_current = 1", own)
        self._session.run(
            f"INSERT INTO placements ({_PLACEMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (
                to_text(placement.slot, "slot"),
                placement.model,
                placement.version,
                placement.status,
                to_micros(placement.since_at),
                to_text(placement.actor, "actor"),
                to_text(placement.reason, "reason"),
                placement.seq,
            ),
        )

    def find_live(self, slot: str) -> Placement | None:
        """Return the placement in Production of a slot."""
        row = self._session.one(
            f"SELECT {_PLACEMENT}, {_ACT} FROM placements WHERE slot = ? AND status = 'Production' AND is_current = 1",
            (slot,),
        )
        return None if row is None else _placement(row)

    def list_live(self, model: str | None = None) -> Sequence[Placement]:
        """Return the placements in Production (of a model), by slot."""
        condition, values = ("", ()) if model is None else (" AND model = ?", (model,))
        sql = f"SELECT {_PLACEMENT}, {_ACT} FROM placements WHERE status = 'Production' AND is_current = 1{condition}"
        return sorted(map(_placement, self._session.all(sql, values)), key=lambda placement: placement.slot)

    def list_placements(self, slot: str | None = None, *, name: tuple[str, int] | None = None) -> Sequence[Placement]:
        """Return the history (of a slot, of a version by model and number), newest first."""
        given: list[tuple[str, str | int]] = [] if slot is None else [("slot", slot)]
        given += [] if name is None else [("model", name[0]), ("version", name[1])]
        where = " AND ".join(f"{column} = ?" for column, _ in given)
        sql = f"SELECT {_PLACEMENT}, {_ACT} FROM placements {'WHERE ' + where if where else ''} ORDER BY placement_no DESC"
        return [_placement(row) for row in self._session.all(sql, tuple(value for _, value in given))]

    def list_slots(self, among: Sequence[str] | None = None) -> Sequence[str]:
        """Return the names of all slots (or of those among some names), sorted."""
        sql = "SELECT DISTINCT slot FROM placements"
        rows = self._session.all(sql) if among is None else self._session.among(f"{sql} WHERE slot IN (*)", list(dict.fromkeys(among)))
        return sorted(str(row[0]) for row in rows)


class SqlRegistryPages:
    """Models, versions and histories by pages. Names are in the order of their bytes, whatever the database's own collation."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._model = "model" if session.dialect == "sqlite" else 'model COLLATE "C"'

    def list_models(self, *, after: str = "", limit: int | None = None) -> Sequence[ModelCount]:
        """Return the models that have versions, by name, those after a name."""
        sql = f"SELECT model, COUNT(*), MAX(version) FROM model_versions WHERE {self._model} > ? GROUP BY model ORDER BY {self._model}"
        rows = self._session.all(sql, (after,)) if limit is None else self._session.all(f"{sql} LIMIT ?", (after, limit))
        return [ModelCount(str(model), int(versions), int(newest)) for model, versions, newest in rows]

    def list_versions(
        self, *, limit: int, model: str | None = None, before: tuple[datetime, str, int] | None = None
    ) -> Sequence[ModelVersion]:
        """Return versions (of a model), newest first, those before a time, model and number."""
        conditions, values = ["TRUE"], list[object]()
        if model is not None:
            conditions, values = ["model = ?"], [model]
        if before is not None:
            conditions.append(f"(created_at, {self._model}, version) < (?, ?, ?)")
            values += [to_micros(before[0]), before[1], before[2]]
        order = f"created_at DESC, {self._model} DESC, version DESC"
        sql = f"SELECT {_VERSION} FROM model_versions WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?"
        return [_version(row) for row in self._session.all(sql, (*values, limit))]

    def list_history(self, slot: str, *, limit: int, before: int | None = None) -> Sequence[tuple[int, Placement]]:
        """Return placements of a slot, newest first, those before a place; each with its place, counted from 0, the first ever."""
        row = self._session.one("SELECT COUNT(*) FROM placements WHERE slot = ?", (slot,))
        size = int(row[0]) if row is not None else 0
        end = size if before is None else min(before, size)
        sql = f"SELECT {_PLACEMENT}, {_ACT} FROM placements WHERE slot = ? ORDER BY placement_no DESC LIMIT ? OFFSET ?"
        rows = self._session.all(sql, (slot, limit, size - end))
        return [(end - 1 - place, _placement(row)) for place, row in enumerate(rows)]


class SqlPredictions:
    """Predictions by id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Store answers; one that is stored already is left alone."""
        rows = [
            (
                to_text(found.prediction_id, "prediction id"),
                to_text(found.slot, "slot"),
                to_text(found.model, "model"),
                found.version,
                to_micros(found.at),
                to_json(found.inputs),
                to_json(found.output),
                found.latency_ms,
            )
            for found in predictions
        ]
        self._session.many(
            f"INSERT INTO predictions ({_PREDICTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (prediction_id) DO NOTHING",
            rows,
        )

    def get(self, prediction_id: str) -> Prediction:
        """Return one. Raises NotFound."""
        row = self._session.one(f"SELECT {_PREDICTION} FROM predictions WHERE prediction_id = ?", (prediction_id,))
        if row is None:
            raise NotFound(f"no prediction {prediction_id[:80]!r} in this workspace")
        name, slot, model, version, at, inputs, output, latency_ms = row
        return Prediction(name, slot, model, version, from_micros(at), from_json(inputs), from_json(output), latency_ms)


def _version(row: Row) -> ModelVersion:
    model, version, bundle, run_id, key, manifest, created_at, actor, facts, seq = row
    try:
        artifact = artifact_from_json(from_json(bundle))
    except InvalidInput as error:
        raise Corrupt(f"the database holds a malformed bundle for {model} version {version}: {error}") from error
    return ModelVersion(
        model=model,
        version=version,
        bundle=artifact,
        run_id=run_id,
        key=None if key is None else Digest(key),
        manifest=Digest(manifest),
        created_at=from_micros(created_at),
        actor=actor,
        facts=object_from_json(facts),
        seq=seq,
    )


def _placement(row: Row) -> Placement:
    slot, model, version, status, since_at, actor, reason, seq, is_current, act = row
    return Placement(slot, model, version, status, from_micros(since_at), actor, reason, seq, act or "", is_current == 1)
