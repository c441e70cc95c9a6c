"""The sink that is a server: what runs log here goes to `/api/v1/runs`, and the bytes of their artifacts before it.

Everything is sent as the spool has it, under the numbers that the spool gave, and may be sent twice. Three answers are told apart:

    the server is away, or lets nobody in with this token    Unavailable: all of it stays in the spool, and is sent later
    it refuses one thing (a name, a time, bytes too large)   that is lost, and what it was is noted on the run; the rest goes on
    the run is sealed or not known there                     Refused, NotFound: see `settle_run`
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Json
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused, Unavailable
from incumbent.base.metric import MetricPoint, read_value, show_value
from incumbent.remote.connection import Connection, path_of
from incumbent.remote.problems import NotLetIn
from incumbent.remote.uploads import send_missing
from incumbent.remote.values import read_run
from incumbent.tracking.record import Attached, Began, Ended, Noted, Points, Record, Settings
from incumbent.tracking.run import Run, RunArtifact
from incumbent.usecases.parts import list_parts
from incumbent.usecases.ports import Blobs, Clock
from incumbent.usecases.sink import Batch, is_all_there, list_metrics, went_away

POINTS_MAX = 5_000
"""Of one request."""
HISTORY_MAX = 25_000
"""Of one answer."""
_ACTOR = "actor"


class ServerSink:
    """A server as a `Sink`.

    Args:
        connection: To the server.
        blobs: Where the bytes of artifacts wait.
    """

    def __init__(self, connection: Connection, blobs: Blobs, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self.blobs = blobs

    def take(self, run_id: str, writer: str, batches: Sequence[Batch]) -> Sequence[str]:
        """See `Sink.take`: one request for each batch."""
        with _staying():
            return [loss for batch in batches for loss in self._send(run_id, writer, batch)]

    def _send(self, run_id: str, writer: str, batch: Batch) -> Sequence[str]:
        match batch.record:
            case Points(points):
                return self._send_points(run_id, writer, batch.first, points)
            case Began() as began:
                self._begin(began)
            case Settings(params, tags):
                return self._set(run_id, params, tags)
            case Attached(artifact):
                return _lost(f"{artifact.direction} {artifact.name!r}", lambda: self._attach(artifact))
            case Noted(note):
                return _lost("a note", lambda: self._post(run_id, "notes", {"text": note.text, "at": note.at.isoformat()}))
        return ()

    def _send_points(self, run_id: str, writer: str, first: int, points: Sequence[MetricPoint]) -> Sequence[str]:
        """Send points; of those that are refused, halves, until it is known which one it was."""
        losses: list[str] = []
        for start in range(0, len(points), POINTS_MAX):
            part = points[start : start + POINTS_MAX]
            body = {"writer": writer, "first": first + start, "points": [_show_point(point) for point in part]}
            try:
                self._post(run_id, "points", body)
            except InvalidInput as error:
                if len(part) == 1:
                    losses.append(f"point {part[0].name!r} at step {part[0].step} was not taken by the server: {error}")
                    continue
                half = len(part) // 2
                losses.extend(self._send_points(run_id, writer, first + start, part[:half]))
                losses.extend(self._send_points(run_id, writer, first + start + half, part[half:]))
        return losses

    def _begin(self, began: Began) -> None:
        run = began.run
        script = run.facts.get("script")
        body = {
            "run_id": run.run_id, "experiment": run.experiment, "name": run.name, "parent_id": run.parent_id, "seed": run.seed,
            "started_at": run.started_at.isoformat(),
            "code": {"commit": run.code.commit, "is_dirty": run.code.is_dirty, "tree": run.code.tree},
            "params": run.params, "environment": began.environment, "script": script if isinstance(script, str) else "",
            # Who acts is for the server to say: it is whose token it is.
            "tags": {name: text for name, text in run.tags.items() if (name, text) != (_ACTOR, run.facts.get(_ACTOR))},
        }  # fmt: skip
        try:
            self._connection.post("/runs", body)
        except InvalidInput as error:
            raise Refused(f"the server takes no such run: {error}") from error
        except Conflict as error:
            raise Unavailable(f"{error} (what it logged can be sent with the token of whoever began it)") from error

    def _set(self, run_id: str, params: Mapping[str, Json], tags: Mapping[str, str]) -> Sequence[str]:
        try:
            found = self._post(run_id, "settings", {"params": params, "tags": tags})
        except InvalidInput as error:
            return [f"{', '.join([*params, *tags])[:200]} was not taken by the server: {error}"]
        return [str(one) for one in found["conflicts"]]

    def _attach(self, given: RunArtifact) -> None:
        """Send an artifact: its bytes, with those of its parts first, and then its name.

        The bytes are dropped here once the run names them there: from then on the server keeps them, for every other run, too.
        """
        digests = [artifact.digest for artifact in self._list_all(given.artifact)]
        try:
            send_missing(self._connection, self.blobs, digests)
        except NotFound as error:
            raise InvalidInput(f"its bytes are neither here nor there: {error}") from error
        body = {"name": given.name, "artifact": given.artifact.to_json(), "direction": given.direction, "media_type": given.media_type}
        self._post(given.run_id, "artifacts", body)
        for digest in digests:
            self.blobs.delete(digest, before=self._clock.now())

    def _list_all(self, artifact: Artifact) -> list[Artifact]:
        """Return an artifact behind its parts; without them where its own bytes were dropped, for they were sent with them."""
        try:
            parts = list_parts(self, artifact)
        except NotFound:
            parts = []
        return [*(one for part in parts for one in self._list_all(part)), artifact]

    def end(self, run_id: str, ended: Ended | None) -> Run:
        """See `Sink.end`."""
        with _staying():
            if ended is None:
                found = self._connection.get(path_of("runs", run_id))
                ended = went_away(read_run(found), [datetime.fromisoformat(point["at"]) for point in found["metrics"].values()])
            body = {"state": ended.state, "error": ended.error, "ended_at": ended.at.isoformat()}
            return read_run(self._post(run_id, "end", body))

    def find(self, run_id: str) -> Run:
        """See `Sink.find`."""
        with _staying():
            return read_run(self._connection.get(path_of("runs", run_id)))

    def list_running(self) -> Sequence[Run]:
        """Return none: a run that was logged to a server has a spool here until it is over."""
        return ()

    def tell(self, run_id: str, words: Sequence[str], at: datetime) -> None:
        """See `Sink.tell`."""
        with _staying():
            known = {note["text"] for note in self._connection.get(path_of("runs", run_id))["notes"]}
            for text in dict.fromkeys(words):
                if text not in known:
                    self._post(run_id, "notes", {"text": text, "at": at.isoformat()})

    def holds(self, run_id: str, records: Sequence[Record]) -> bool:
        """See `Sink.holds`."""
        path = path_of("runs", run_id)
        try:
            with _staying():
                found = self._connection.get(path)
                points = {name: [*self._list_points(path, name)] for name in list_metrics(records)}
        except NotFound:
            return False
        artifacts = {(one["direction"], one["name"]) for one in found["artifacts"]}
        return is_all_there(records, read_run(found), artifacts, points)

    def _list_points(self, path: str, name: str) -> Iterator[MetricPoint]:
        for one in self._connection.list_items(path + path_of("metrics", name), {"limit": HISTORY_MAX}):
            yield MetricPoint(name, read_value(one["value"]), one["step"], datetime.fromisoformat(one["at"]))

    def _post(self, run_id: str, what: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._connection.post(path_of("runs", run_id, what), body)


def _show_point(point: MetricPoint) -> dict[str, object]:
    return {"name": point.name, "value": show_value(point.value), "at": point.at.isoformat(), "step": point.step}


def _lost(what: str, send: Callable[[], object]) -> Sequence[str]:
    """Send one thing; return in words that it was refused for its own sake."""
    try:
        send()
    except (InvalidInput, Conflict) as error:
        return [f"{what} was not taken by the server: {error}"]
    return ()


@contextmanager
def _staying() -> Iterator[None]:
    """Have what is logged stay in the spool where the server lets nobody in with this token: with another it will."""
    try:
        yield
    except NotLetIn as error:
        raise Unavailable(f"the server does not let this token log: {error}") from error
