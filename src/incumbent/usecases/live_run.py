"""A run that a script or notebook logs to while it lasts: `with inc.run(experiment="credit") as run: run.log_metric("auc", 0.91)`.

Logging writes one record to the run's spool and returns: from then on the record outlives the process. A thread brings the
spool into the store, about once a second and at the end; no log call waits for the store, or notices that it is away.
"""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from mimetypes import guess_type
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import IncumbentError, InvalidInput, NotFound, Refused, Unavailable
from incumbent.tracking.param import plain_value
from incumbent.tracking.record import (
    Attached,
    Ended,
    Noted,
    Record,
    Settings,
    check_artifact_name,
    check_name,
    check_text,
    microseconds,
    point_bytes,
    record_bytes,
)  # fmt: skip
from incumbent.tracking.run import Note, Run, RunArtifact, RunState
from incumbent.usecases.drain_thread import DrainThread
from incumbent.usecases.leaving import GRACE_S, forget, watch
from incumbent.usecases.log_run import describe_run
from incumbent.usecases.sink import Logging
from incumbent.usecases.spools import SpoolWriter


def begin_run(
    ws: Logging,
    *,
    experiment: str = "default",
    name: str = "",
    parent: "str | Run | LiveRun | None" = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    on_end: Callable[[], None] | None = None,
) -> "LiveRun":
    """Begin a run that this process logs to; use it in a `with` block, or call its `finish`.

    Args:
        ws: The workspace, or what is at hand of a server's.
        experiment: Group that the run belongs to; made if new.
        name: For people; by default the experiment's and the end of the run's id.
        parent: The run that this one is nested in, or its id.
        seed: The seed that the run uses, to be recorded.
        params: As `LiveRun.log_params`.
        tags: As `LiveRun.set_tags`.
        on_end: Called once the run is over, whichever way it ended (to close a workspace that was opened for it).

    Raises:
        InvalidInput: Something given cannot be stored.
        NotFound: There is no such parent.
        Unavailable: The spool cannot be written. (That the store is away only warns: see `RuntimeWarning`.)
    """
    began = describe_run(
        ws,
        experiment=experiment,
        name=name,
        parent_id=_parent_id(ws, parent),
        seed=seed,
        params={check_name("param", key): plain_value(key, value) for key, value in (params or {}).items()},
        tags={key: str(value) for key, value in (tags or {}).items()},
        facts={"script": Path(sys.argv[0]).name} if sys.argv and sys.argv[0] else {},
    )
    writer = ws.spools.open(began.run.run_id, is_owner=True)
    live = LiveRun(ws, began.run, writer, is_owner=True, on_end=on_end)
    try:
        writer.append(record_bytes(began))
        live.save()
    except IncumbentError:
        live.discard()
        raise
    return live


def join_run(ws: Logging, *, run_id: str, on_end: Callable[[], None] | None = None) -> "LiveRun":
    """Log to a run that another process began (a worker of distributed training); leaving the `with` block does not end it.

    Raises:
        NotFound: There is no such run.
        Refused: It is over.
    """
    run = ws.sink.find(run_id)
    if run.state != "running":
        raise Refused(f"run {run.run_id} is {run.state} and sealed: it takes notes only. Start another run to log more")
    return LiveRun(ws, run, ws.spools.open(run.run_id, is_owner=False), is_owner=False, on_end=on_end)


def _parent_id(ws: Logging, parent: "str | Run | LiveRun | None") -> str | None:
    if isinstance(parent, LiveRun):
        parent.save()  # a parent must be in the store before its children are
        return parent.id
    if isinstance(parent, Run):
        return parent.run_id
    if parent is None:
        return None
    return ws.sink.find(parent).run_id


class LiveRun:
    """A run under way. Safe to use from several threads, and in forked children, which log under writers of their own.

    Attributes:
        id: The run's id.
        name: Its name.
        experiment: The experiment that it belongs to.
    """

    def __init__(self, ws: Logging, run: Run, writer: SpoolWriter, *, is_owner: bool, on_end: Callable[[], None] | None = None) -> None:
        self.id = run.run_id
        self.name = run.name
        self.experiment = run.experiment
        self._ws = ws
        self._run = run
        self._writer: SpoolWriter | None = writer
        self._is_owner = is_owner
        self._is_over = False
        self._on_end = on_end
        self._lock = threading.Lock()
        self._names: dict[str, bytes] = {}
        self._steps: dict[str, int] = {}
        self._params: dict[str, Json] = dict(run.params)
        self._artifacts: dict[tuple[str, str], Artifact] = {}
        self._thread = DrainThread(ws, run.run_id, None if is_owner else writer.writer) if self._must_drain() else None
        watch(self)

    def _must_drain(self) -> bool:
        """On one host only the owner's process drains: two that add params at once could each overwrite what the other added."""
        return self._is_owner or not any(spool.is_owner and spool.is_alive() for spool in self._ws.spools.find(self.id))

    def log_metric(self, name: str, value: float, step: int | None = None, at: datetime | None = None) -> None:
        """Record one point of a metric. Once this returns, the point outlives the process.

        Args:
            name: Of the metric, e.g. "val/auc".
            value: Any number (NumPy's and PyTorch's scalars too). NaN and infinities are kept: a diverging loss is a fact.
            step: Place on the metric's own axis (epoch, batch); by default one more than the last one, from 0.
            at: When it was measured, an aware time; by default now.

        Raises:
            InvalidInput: Not a name, a number, a step or a time.
            Unavailable: The disk is full: this point is not kept, all before it are.
            Refused: The run is over.
        """
        self._append(b"M" + self._point(name, value, step, microseconds(self._ws.clock.now()) if at is None else _at(at)))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None, at: datetime | None = None) -> None:
        """Record one point of each of several metrics: all of them, or none."""
        if metrics:
            at_us = microseconds(self._ws.clock.now()) if at is None else _at(at)
            points = [self._point(name, value, step, at_us) for name, value in metrics.items()]
            self._append(b"M" + b"".join(points), len(points))

    def _point(self, name: str, value: float, step: int | None, at_us: int) -> bytes:
        encoded = self._names.get(name)
        if encoded is None:
            encoded = self._names[name] = check_name("metric", name).encode()
        if isinstance(value, str | bytes):
            raise InvalidInput(f"metric {name!r} is a number, not {value[:40]!r}; text belongs in a tag or a param")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"metric {name!r} is a number, not {type(value).__name__} ({error})") from error
        if step is None:
            step = self._steps.get(name, -1) + 1
        point = point_bytes(encoded, number, step, at_us)
        self._steps[name] = step
        return point

    def _append(self, payload: bytes, count: int = 1) -> None:
        (self._writer or self._open_writer()).append(payload, count)

    def _open_writer(self) -> SpoolWriter:
        with self._lock:
            if self._is_over:
                raise Refused(f"run {self.id} has ended in this process: nothing more can be logged to it. Start another run")
            if self._writer is None:
                self._writer = self._ws.spools.open(self.id, is_owner=False)
            return self._writer

    def _record(self, record: Record) -> None:
        self._append(record_bytes(record))

    def log_param(self, name: str, value: object) -> None:
        """Record a param: something that was chosen before, and stays. See `log_params`."""
        self.log_params({name: value})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record params: numbers, text, True, None, lists and dicts as they are, anything else as text (`plain_value`).

        Raises:
            InvalidInput: Not a name, or too long a value.
            Refused: One of them has another value already, or the run is over.
        """
        plain = {check_name("param", name): plain_value(name, value) for name, value in params.items()}
        for name, value in plain.items():
            before = self._params.get(name)
            if name in self._params and document_bytes({"": before}) != document_bytes({"": value}):
                raise Refused(
                    f"param {name!r} of {self.id} is {before!r} and cannot become {value!r}: a param is set once. "
                    "Log what changes as a metric or a tag, or start a child run"
                )
        new = {name: value for name, value in plain.items() if name not in self._params}
        if new:
            self._record(Settings(params=new))
            self._params.update(new)

    def set_tag(self, name: str, value: object) -> None:
        """Set a tag, as text; a later value replaces it."""
        self.set_tags({name: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags, as text; later values replace them. Raises InvalidInput, Refused."""
        if tags:
            self._record(Settings(tags={check_name("tag", name): check_text("tag", name, str(value)) for name, value in tags.items()}))

    def log_artifact(self, what: object, name: str | None = None) -> Artifact:
        """Store an output of the run and return it by digest, durable before this returns.

        Args:
            what: Path of a file or folder; or bytes, or any value that a stage could return (a frame, a model), with a name.
            name: A relative path such as "plots/roc.png"; by default the file's name.

        Raises:
            NotFound: There is no such file.
            InvalidInput: No name, a hostile one, or a value that no codec takes.
            Refused: Another artifact of this run has the name.
            Unavailable: The blob store is away or full.
        """
        return self._attach("output", what, name)

    def log_input(self, what: object, name: str | None = None) -> Artifact:
        """Record what the run was made from: a path, a value, or an artifact that is stored already. As `log_artifact`."""
        return self._attach("input", what, name)

    def _attach(self, direction: Literal["input", "output"], what: object, name: str | None) -> Artifact:
        path = Path(what) if isinstance(what, str | os.PathLike) else None
        if name is None and path is None:
            raise InvalidInput(f"an {direction} that is a {type(what).__name__} needs a name: run.log_artifact(…, name='model')")
        named = check_artifact_name(name if name is not None else path.resolve().name if path else "")
        artifact = what if isinstance(what, Artifact) else self._store(what if path is None else path)
        before = self._artifacts.setdefault((direction, named), artifact)
        if before.identity != artifact.identity:
            raise Refused(f"{direction} {named!r} of {self.id} is {before.digest}, and stays: give {artifact.digest} a name of its own")
        media = guess_type(named)[0] if artifact.codec in ("file", "bytes") else f"application/x-incumbent-{artifact.codec}"
        self._record(Attached(RunArtifact(self.id, direction, named, artifact, media or "application/octet-stream")))
        return artifact

    def _store(self, what: object) -> Artifact:
        if isinstance(what, Path):
            if not what.exists():
                raise NotFound(f"{what}: there is no such file or folder; paths are taken from {Path.cwd()}")
            return self._ws.codecs.encode(what, "pathlib.Path", self._ws.blobs)
        if isinstance(what, bytes | bytearray | memoryview):
            stored = self._ws.blobs.put([bytes(what)])
            return Artifact("bytes", stored.digest, stored.size)
        return self._ws.codecs.encode(what, "object", self._ws.blobs)

    def note(self, text: str) -> None:
        """Write a note on the run. Raises InvalidInput when it is empty or too long."""
        if not text.strip():
            raise InvalidInput("an empty note says nothing")
        self._record(Noted(Note(self.id, self._ws.clock.now(), self._ws.actor, check_text("note on", self.id, text))))

    def child(self, name: str = "", **settings: object) -> "LiveRun":
        """Begin a run nested in this one, in the same experiment. Takes `seed`, `params` and `tags` as `begin_run` does."""
        # Begin_run judges them.
        return begin_run(self._ws, experiment=self.experiment, name=name, parent=self, **settings)  # type: ignore[arg-type]

    def flush(self) -> None:
        """Make all that was logged so far durable: synced to disk, and in the store where this process drains to it.

        Raises:
            Unavailable: The store is away (the records are safe in the spool), or the disk does not answer.
        """
        if self._writer is not None:
            self._writer.sync()
        if self._thread is not None:
            self._thread.drain()

    def save(self) -> None:
        """See `leaving.Watched`: as `flush`, with a time limit, and a store that is away is only warned of."""
        if self._thread is None:
            return
        try:
            self._thread.drain(GRACE_S)
        except Unavailable as error:
            self._warn(error)

    def _warn(self, error: IncumbentError) -> None:
        warnings.warn(f"{self.id}: {error}. What it logs is kept in its spool and stored later", RuntimeWarning, stacklevel=4)

    def finish(self, state: RunState = "finished", error: str = "") -> None:
        """End and seal the run (or, where it was joined or forked into, only this process's part in it). Once is enough.

        If the store is away it warns: the run is stored and sealed from its spool when a workspace is next opened here.

        Raises:
            InvalidInput: The state is not finished, failed or killed.
        """
        if state not in ("finished", "failed", "killed"):
            raise InvalidInput(f"a run ends as finished, failed or killed, not {state!r}")
        self._end(state, error, None)

    def leave(self, state: RunState, error: str) -> None:
        """See `leaving.Watched`."""
        self._end(state, error, GRACE_S)

    def die(self, error: str) -> None:
        """See `leaving.Watched`. Touches no lock: the thread that was interrupted may hold it."""
        if self._thread is not None and self._is_owner and not self._is_over:
            with suppress(Unavailable, Refused):  # then it is settled from its spool
                self._thread.settle(GRACE_S, Ended("killed", self._ws.clock.now(), error))

    def discard(self) -> None:
        """Take back a run that could not begin."""
        self._is_over = True
        forget(self)
        if self._thread is not None:
            self._thread.stop()
        if self._writer is not None:
            self._writer.close()
        for spool in self._ws.spools.find(self.id):
            spool.remove()
        if self._on_end is not None:
            self._on_end()

    def _end(self, state: RunState, error: str, timeout_s: float | None) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        writer, thread = self._writer, self._thread
        try:
            if writer is not None and self._is_owner:
                writer.append(record_bytes(Ended(state, self._ws.clock.now(), error[:4000])))
                writer.sync()
            if thread is not None:
                self._hand_over(thread, timeout_s)
        except (Unavailable, Refused) as problem:
            self._warn(problem)
        finally:
            if thread is not None:
                thread.stop()
            if writer is not None:
                writer.close()
            forget(self)
            if self._on_end is not None:
                self._on_end()

    def _hand_over(self, thread: DrainThread, timeout_s: float | None) -> None:
        if self._is_owner:
            thread.settle(timeout_s)
        else:
            thread.drain(timeout_s)

    def become_child(self) -> None:
        """See `leaving.Watched`."""
        self._lock = threading.Lock()
        self._writer = None
        self._thread = None
        self._is_owner = False
        self._on_end = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.finish("killed", "interrupted from the keyboard")
        else:
            self.finish("failed", f"{type(error).__name__}: {error}")


def _at(at: datetime) -> int:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInput(f"a metric's time is an aware datetime, such as datetime.now(UTC), not {at!r}")
    return microseconds(at)
