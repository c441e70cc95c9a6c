"""The action cache, its claims, and documents, in SQL."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from incumbent.base.digest import Algorithm, Digest, digest_bytes, parse_digest
from incumbent.base.documents import Document, Json, document_bytes, parse_document
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Resources
from incumbent.storage.cells import artifacts_from_json, artifacts_to_json, from_json, from_micros, to_json, to_micros, to_text
from incumbent.storage.proof import prove
from incumbent.storage.session import Row, Session

_COLUMNS = "key, stage, outputs, metrics, undeclared, log, wall_s, cpu_s, rss_bytes_max, run_id, created_at, proof"
_CLAIM_ATTEMPTS = 5
_EVER = 2**62


class SqlDocuments:
    """Documents by digest. The digest is computed here, when written and again when read."""

    def __init__(self, session: Session, algorithm: Algorithm) -> None:
        self._session = session
        self._algorithm = algorithm

    def put(self, documents: Sequence[Document]) -> Sequence[Digest]:
        """Store documents; those already there are only marked as wanted now, so that gc leaves them alone."""
        bodies = [document_bytes(document) for document in documents]
        digests = [digest_bytes(body, self._algorithm) for body in bodies]
        now = time.time_ns() // 1_000
        self._session.many(
            "INSERT INTO documents (digest, body, stored_at) VALUES (?, ?, ?) "
            "ON CONFLICT (digest) DO UPDATE SET stored_at = excluded.stored_at",
            sorted((digest, body, now) for digest, body in dict(zip(digests, bodies, strict=True)).items()),
        )
        return digests

    def get(self, digest: Digest) -> Document:
        """Return a document. Raises NotFound; Corrupt if its bytes do not have that digest."""
        algorithm, _ = parse_digest(digest)
        row = self._session.one("SELECT body FROM documents WHERE digest = ?", (digest,))
        if row is None:
            raise NotFound(f"no document {digest} in this workspace")
        body = bytes(row[0])
        if digest_bytes(body, algorithm) != digest:
            raise Corrupt(f"document {digest} is not what was written: its {len(body)} bytes have digest {digest_bytes(body, algorithm)}")
        try:
            return parse_document(body)
        except InvalidInput as error:
            raise Corrupt(f"document {digest} does not parse: {error}") from error

    def list_digests(self, *, before: datetime | None = None) -> Iterator[Digest]:
        """Yield every digest, or those of documents last put before a time."""
        limit = _EVER if before is None else to_micros(before)
        for (digest,) in self._session.all("SELECT digest FROM documents WHERE stored_at < ? ORDER BY digest", (limit,)):
            yield Digest(digest)

    def delete(self, digests: Sequence[Digest], *, before: datetime | None = None) -> None:
        """Remove documents (but those put, even again, at that time or later); absent is no error."""
        limit = _EVER if before is None else to_micros(before)
        self._session.many("DELETE FROM documents WHERE digest = ? AND stored_at < ?", [(digest, limit) for digest in digests])


class SqlActions:
    """Actions by key, and claims on keys."""

    def __init__(self, session: Session, documents: SqlDocuments) -> None:
        self._session = session
        self._documents = documents

    def find(self, keys: Sequence[Digest]) -> Mapping[Digest, Action]:
        """Return the actions known among `keys`; an entry that is not what was written is unknown (`Store.check` tells of it)."""
        rows = self._session.among(f"SELECT {_COLUMNS} FROM actions WHERE key IN (*)", list(dict.fromkeys(keys)))
        return {action.key: action for action in _sound(rows)}

    def record(self, action: Action, recipe: Document) -> None:
        """Remember an action. Raises InvalidInput if the recipe is not the one that the key is the digest of."""
        (computed,) = self._documents.put([recipe])
        if computed != action.key:
            raise InvalidInput(f"action {action.key} of stage {action.stage!r}: its recipe has digest {computed}, so it is not its recipe")
        self._session.run("DELETE FROM action_outputs WHERE key = ?", (action.key,))
        self._session.run(
            f"INSERT INTO actions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:]),
            _action_row(action),
        )
        given = {artifact.digest for artifact in action.outputs.values()} | ({action.log} if action.log else set())
        rows = [(digest, action.key) for digest in sorted(given)]
        self._session.many("INSERT INTO action_outputs (digest, key) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def forget_output(self, digest: Digest) -> Sequence[Action]:
        """Forget every action that gave this digest (as an output or as its log) and return them."""
        columns = ", ".join(f"actions.{name}" for name in _COLUMNS.split(", "))
        rows = self._session.all(
            f"SELECT {columns} FROM actions JOIN action_outputs ON action_outputs.key = actions.key "
            "WHERE action_outputs.digest = ? ORDER BY actions.key",
            (digest,),
        )
        self.forget([Digest(row[0]) for row in rows])
        return list(_sound(rows))

    def forget(self, keys: Sequence[Digest]) -> None:
        """Forget actions; their recipes stay. Absent is no error."""
        self._session.many("DELETE FROM action_outputs WHERE key = ?", [(key,) for key in keys])
        self._session.many("DELETE FROM actions WHERE key = ?", [(key,) for key in keys])

    def claim(self, key: Digest, owner: str, now: datetime, lease_s: float) -> str | None:
        """Try to become the one who runs `key`: None if it worked, else the present owner. An expired lease is taken over."""
        at = to_micros(now)
        for _ in range(_CLAIM_ATTEMPTS):
            taken = self._session.one(
                "INSERT INTO claims (key, owner, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET owner = excluded.owner, expires_at = excluded.expires_at "
                "WHERE claims.expires_at <= ? OR claims.owner = excluded.owner RETURNING owner",
                (key, to_text(owner, "owner"), at + int(lease_s * 1e6), at),
            )
            if taken is not None:
                return None
            holder = self._session.one("SELECT owner FROM claims WHERE key = ?", (key,))
            if holder is not None:
                return str(holder[0])
        raise Conflict(f"the claim on {key} kept changing hands; try again")

    def release(self, owner: str, key: Digest | None = None) -> None:
        """Give up one claim of `owner`, or all of them."""
        if key is None:
            self._session.run("DELETE FROM claims WHERE owner = ?", (owner,))
        else:
            self._session.run("DELETE FROM claims WHERE key = ? AND owner = ?", (key, owner))

    def renew(self, owner: str, now: datetime, lease_s: float) -> None:
        """Extend all claims of `owner`."""
        self._session.run("UPDATE claims SET expires_at = ? WHERE owner = ?", (to_micros(now) + int(lease_s * 1e6), owner))

    def list_all(self) -> Iterator[Action]:
        """Yield every action that is what was written, by key."""
        return _sound(self._session.all(f"SELECT {_COLUMNS} FROM actions ORDER BY key"))


def find_unsound(session: Session) -> list[str]:
    """Return in words the cache entries that are not what was written: each counts as a miss."""
    rows = session.all(f"SELECT {_COLUMNS} FROM actions ORDER BY key")
    sound = {action.key for action in _sound(rows)}
    return [f"cache entry {row[0]} of stage {row[1]} is not what was written; it is not used" for row in rows if row[0] not in sound]


def _sound(rows: Iterable[Row]) -> Iterator[Action]:
    for row in rows:
        try:
            if row[-1] == prove(row[:6]):
                yield _action(row[:-1])
        except (Corrupt, InvalidInput):
            continue  # a cell that is not ours: a cache may forget, and must not mislead


def _action_row(action: Action) -> tuple[object, ...]:
    used = action.resources
    points = [[point.name, point.value, point.step, to_micros(point.at)] for point in action.metrics]
    told = (
        action.key,
        to_text(action.stage, "stage"),
        artifacts_to_json(action.outputs),
        to_json(points),
        to_json([list(seen) for seen in action.undeclared]),
        action.log,
    )
    resources = (used.wall_s, used.cpu_s, used.rss_bytes_max)
    return (*told, *resources, to_text(action.run_id, "run id"), to_micros(action.created_at), prove(told))


def _action(row: Row) -> Action:
    key, stage, outputs, metrics, undeclared, log, wall_s, cpu_s, rss_bytes_max, run_id, created_at = row
    return Action(
        key=Digest(key),
        stage=stage,
        outputs=artifacts_from_json(outputs),
        metrics=() if metrics == "[]" else tuple(_point(item) for item in _list(metrics)),
        undeclared=() if undeclared == "[]" else tuple(_undeclared(item) for item in _list(undeclared)),
        log=None if log is None else Digest(log),
        resources=Resources(wall_s, cpu_s, rss_bytes_max),
        run_id=run_id,
        created_at=from_micros(created_at),
    )


def _list(text: str) -> list[Json]:
    value = from_json(text)
    if isinstance(value, list):
        return value
    raise Corrupt(f"the database holds {text[:80]!r} where a JSON list belongs")


def _point(item: Json) -> MetricPoint:
    match item:
        case [str(name), int() | float() as value, int(step), int(at)]:
            return MetricPoint(name, float(value), step, from_micros(at))
    raise Corrupt(f"the database holds {str(item)[:80]!r} where a metric point belongs")


def _undeclared(item: Json) -> tuple[str, str, str]:
    match item:
        case [str(kind), str(name), str(digest)]:
            return kind, name, digest
    raise Corrupt(f"the database holds {str(item)[:80]!r} where an undeclared input belongs")
