"""Bringing runs of an MLflow store over, each under its own id, so that a second import finds it and MLflow's clients do too.

What an import knows of a run stands in the run's own row, in the fact `imported`, and changes in the same transaction as the rest. Its
`print` is there only once the run is here whole: a run without one, or with another than the source's now, is brought again. Nothing is
doubled by that: points are known by what they say, files by path, everything else by name.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Json
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable
from incumbent.base.metric import MetricPoint
from incumbent.tracking.experiment import DatasetInput
from incumbent.tracking.record import check_name, microseconds
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, RunState
from incumbent.usecases.import_mlflow_checks import print_of, take_dataset, take_pairs, take_path, take_points, take_text, take_time
from incumbent.usecases.import_mlflow_ports import MlflowSource, Place, SourceFile, SourceRun
from incumbent.usecases.import_mlflow_report import ImportReport
from incumbent.usecases.logged_files import find_media_type
from incumbent.usecases.ports import Stored, Transaction
from incumbent.usecases.tracked_runs import COMMIT_TAG, NAME_TAG, PARENT_TAG, get_tracked_run
from incumbent.usecases.workspace import Workspace

POINTS_COMMIT = 20_000
"""Points after which what is at hand is committed."""
RUNS_COMMIT = 50
FACT = "imported"
ID_CHARACTERS_MAX = 64
_STATES: dict[str, RunState] = {
    "RUNNING": "running", "SCHEDULED": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed",
}  # fmt: skip

Tell = Callable[[str, int], None]
"""Takes (what, how many so far) now and then."""
_FileErrors = (Refused, Conflict, NotFound, Corrupt, Unavailable, InvalidInput)


@dataclass(slots=True)
class Ready:
    """A run whose record is checked and whose files are stored; what is left is one transaction.

    Attributes:
        known: The run as it is here; None if it is not.
        has_refusals: Some part of it is not brought, so it counts as not whole and is looked at again by the next import.
    """

    source: SourceRun
    run: Run
    known: Run | None
    mark: str
    points: list[MetricPoint] = field(default_factory=list)
    files: list[RunArtifact] = field(default_factory=list)
    datasets: list[DatasetInput] = field(default_factory=list)
    point_count: int = 0
    has_refusals: bool = False


@dataclass(slots=True)
class RunImport:
    """Brings runs, several a commit.

    Attributes:
        refused: Ids of runs that were not brought.
        refused_files: (run id, path) of files that were not brought.
        is_anew: Also runs that look as they did at the last import.
    """

    ws: Workspace
    source: MlflowSource
    report: ImportReport
    tell: Tell
    is_anew: bool = False
    refused: set[str] = field(default_factory=set)
    refused_files: set[tuple[str, str]] = field(default_factory=set)
    _waiting: list[Ready] = field(default_factory=list)

    def bring(self, run: SourceRun, experiment: str) -> None:
        """Bring one run into an experiment of ours, or say why not."""
        try:
            self._bring(run, experiment)
        except (InvalidInput, Refused, Conflict, NotFound, Corrupt) as error:
            self._refuse(run, error)

    def _bring(self, run: SourceRun, experiment: str) -> None:
        if run.fault:
            raise Corrupt(run.fault)
        known = self._find(run.run_id)
        files, trouble = self._list_files(run.place)
        mark = print_of(run, files)
        if known is not None and not self.is_anew and not trouble and _fact(known, "print") == mark:
            self._count_there(run, known, files)
            return
        ready = self._check(run, experiment, known, mark)
        if trouble:
            ready.has_refusals = True
            self.report.counts["files"].refuse(f"the files of run {run.run_id}", trouble)
        if self.report.is_dry_run:
            self._count_dry(ready, files)
            return
        ready.files = self._take_files(ready, files)
        self._take_points(ready)
        self._waiting.append(ready)
        if len(self._waiting) >= RUNS_COMMIT or sum(len(one.points) for one in self._waiting) >= POINTS_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Write what is waiting: all in one transaction, and each alone if that does not work."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            with self.ws.store.begin() as tx:
                for ready in waiting:
                    self._write(tx, ready)
        except (InvalidInput, Refused, Conflict, NotFound):
            waiting = [ready for ready in waiting if self._write_alone(ready)]
        for ready in waiting:
            self._count(ready)
        self.tell("runs", self.report.counts["runs"].source)

    def _write_alone(self, ready: Ready) -> bool:
        try:
            with self.ws.store.begin() as tx:
                self._write(tx, ready)
        except (InvalidInput, Refused, Conflict, NotFound) as error:
            self._refuse(ready.source, error)
            return False
        return True

    def _find(self, run_id: str) -> Run | None:
        if not run_id or len(run_id) > ID_CHARACTERS_MAX or not (run_id.isascii() and run_id.replace("-", "").replace("_", "").isalnum()):
            raise InvalidInput("its id is none of MLflow's: letters, digits, '-' and '_', at most 64")
        with self.ws.store.begin(read_only=True) as tx:
            try:
                known = get_tracked_run(tx, run_id)
            except (NotFound, InvalidInput):
                return None
        if FACT not in known.facts:
            raise Conflict(f"a run {run_id} is here already, and no import brought it")
        return known

    def _list_files(self, place: Place) -> tuple[Sequence[SourceFile], str]:
        try:
            return self.source.files.list_files(place), ""
        except (Refused, NotFound, Corrupt, Unavailable) as error:
            return (), str(error)

    def _check(self, run: SourceRun, experiment: str, known: Run | None, mark: str) -> Ready:
        """Return the run as it will stand here. Raises InvalidInput if it cannot."""
        if run.status not in _STATES:
            raise InvalidInput(f"its status is {run.status[:40]!r}, which MLflow does not have")
        fault = False

        def refuse(kind: str) -> Callable[[str, str], None]:
            def note(item: str, reason: str) -> None:
                nonlocal fault
                fault = True
                self.report.counts[kind].refuse(f"run {run.run_id}, {item}", reason)

            return note

        params = take_pairs("param", run.params, refuse("params"))
        tags = take_pairs("tag", run.tags, refuse("tags"))
        name = check_name("run", run.name or tags.get(NAME_TAG, "") or run.run_id)
        user = take_text("its user", run.user or tags.get("mlflow.user", "") or "unknown")
        datasets = []
        for one in run.datasets:
            try:
                datasets.append(take_dataset(one))
            except InvalidInput as error:
                refuse("datasets")(f"dataset {one.name[:80]!r}", str(error))
        state = _STATES[run.status]
        ended = None if state == "running" or run.ended_ms is None else take_time(run.ended_ms, "end")
        fact: dict[str, Json] = {"from": self.source.name, "experiment": run.experiment_id, "print": "", "points": 0}
        made = Run(
            run_id=run.run_id, experiment=experiment, name=name, pipeline="", parent_id=known.parent_id if known else None, state=state,
            started_at=take_time(run.started_ms, "start"), ended_at=ended, seed=None, code=CodeVersion(tags.get(COMMIT_TAG, "")),
            facts={**(known.facts if known else {}), "actor": f"mlflow:{user}", "logged_by": "mlflow", FACT: fact},
            params=params, tags={**(known.tags if known else {}), **tags, NAME_TAG: name},
        )  # fmt: skip
        return Ready(run, made, known, mark, datasets=datasets, has_refusals=fault)

    def _take_files(self, ready: Ready, files: Sequence[SourceFile]) -> list[RunArtifact]:
        found = []
        for file, stored in self.store_files(ready.source.place, files):
            if isinstance(stored, IncumbentError):
                ready.has_refusals = True
                self.refused_files.add((ready.source.run_id, file.path))
                self.report.counts["files"].refuse(f"run {ready.source.run_id}, {file.path[:200]!r}", str(stored))
                continue
            artifact = Artifact("file", stored.digest, stored.size, file.path.rpartition("/")[2])
            found.append(RunArtifact(ready.source.run_id, "output", file.path, artifact, find_media_type(file.path)))
        return found

    def store_files(self, place: Place, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Stored | IncumbentError]]:
        """Store files, streamed, and yield each with its digest, or with what stood in the way."""
        for file in files:
            try:
                take_path(file)
                yield file, self.ws.blobs.put(self.source.files.read_file(place, file))
            except _FileErrors as error:
                yield file, error

    def _take_points(self, ready: Ready) -> None:
        """Read the run's points; so many that they would not fit into one commit are committed on the way."""

        def refuse(item: str, reason: str) -> None:
            ready.has_refusals = True
            self.report.counts["metric points"].refuse(f"run {ready.source.run_id}, {item}", reason)

        for name, part in self.source.list_points(ready.source):
            taken = take_points(name, part, refuse)
            ready.points += taken
            ready.point_count += len(taken)
            if len(ready.points) >= POINTS_COMMIT:
                with self.ws.store.begin() as tx:
                    self._write(tx, ready, is_whole=False)
                ready.points = []
                self.tell("metric points", self.report.counts["metric points"].source + ready.point_count)

    def _write(self, tx: Transaction, ready: Ready, *, is_whole: bool = True) -> None:
        run_id, fact = ready.source.run_id, ready.run.facts[FACT]
        assert isinstance(fact, dict)
        mark = ready.mark if is_whole and not ready.has_refusals else ""
        run = replace(ready.run, facts={**ready.run.facts, FACT: {**fact, "print": mark, "points": ready.point_count}})
        try:
            get_tracked_run(tx, run_id)
        except (NotFound, InvalidInput):
            tx.runs.create(run)
        else:
            tx.open_runs.set_deleted(run_id, None)
            tx.runs.update(run)
        tx.open_runs.append(run_id, [(one.name, one.value, one.step, microseconds(one.at)) for one in ready.points])
        if not is_whole:
            return
        tx.runs.record_artifacts(ready.files)
        tx.run_links.add_datasets(run_id, ready.datasets)
        tx.run_links.add_models(ready.source.models)
        if ready.source.is_deleted:
            deleted = ready.source.deleted_ms
            tx.open_runs.set_deleted(run_id, self.ws.clock.now() if deleted is None else take_time(deleted, "deletion"))

    def _count(self, ready: Ready) -> None:
        known, counts = ready.known, self.report.counts
        counts["runs"].add(1, is_there=False)
        for kind, now, before in (
            ("params", ready.run.params, known.params if known else {}),
            ("tags", {name: ready.run.tags[name] for name in ready.source.tags if name in ready.run.tags}, known.tags if known else {}),
        ):
            there = sum(1 for name, value in now.items() if name in before and before[name] == value)
            counts[kind].add(there, is_there=True)
            counts[kind].add(len(now) - there, is_there=False)
        before_points = min(int(str(_fact(known, "points") or 0)), ready.point_count) if known else 0
        counts["metric points"].add(before_points, is_there=True)
        counts["metric points"].add(ready.point_count - before_points, is_there=False)
        counts["datasets"].add(len(ready.datasets), is_there=False)
        counts["files"].add(len(ready.files), is_there=False)

    def _count_there(self, run: SourceRun, known: Run, files: Sequence[SourceFile]) -> None:
        counts = self.report.counts
        counts["runs"].add(1, is_there=True)
        numbers = {"params": len(run.params), "tags": len(run.tags), "datasets": len(run.datasets), "files": len(files)}
        for kind, number in numbers.items():
            counts[kind].add(number, is_there=True)
        counts["metric points"].add(int(str(_fact(known, "points") or 0)), is_there=True)

    def _count_dry(self, ready: Ready, files: Sequence[SourceFile]) -> None:
        for file in files:
            try:
                take_path(file)
                self.report.counts["files"].add(1, is_there=False)
            except InvalidInput as error:
                self.report.counts["files"].refuse(f"run {ready.source.run_id}, {file.path[:200]!r}", str(error))
        for _, part in self.source.list_points(ready.source):
            ready.point_count += len(part)
        self._count(ready)
        self.tell("runs", self.report.counts["runs"].source)

    def _refuse(self, run: SourceRun, error: IncumbentError) -> None:
        self.refused.add(run.run_id)
        self.report.counts["runs"].refuse(f"run {run.run_id[:80]}", str(error))


def link_parents(ws: Workspace, parents: dict[str, str]) -> None:
    """Nest runs in their parents, once all are here; a parent that is nowhere, or that would be inside its own child, is left out."""
    with ws.store.begin() as tx:
        for run_id, parent_id in parents.items():
            try:
                run, parent = get_tracked_run(tx, run_id), get_tracked_run(tx, parent_id)
            except (NotFound, InvalidInput):
                continue
            if run.parent_id != parent.run_id and run.manifest is None and not _is_inside(tx, parent, run_id):
                tx.runs.update(replace(run, parent_id=parent.run_id))


def find_parent_id(run: SourceRun) -> str:
    """Return the id of the run that a run says it is nested in, "" for none."""
    return run.tags.get(PARENT_TAG, "")


def _is_inside(tx: Transaction, run: Run, run_id: str) -> bool:
    seen = set()
    current: Run | None = run
    while current is not None and current.run_id not in seen:
        if current.run_id == run_id:
            return True
        seen.add(current.run_id)
        current = tx.runs.get(current.parent_id) if current.parent_id else None
    return False


def _fact(run: Run, name: str) -> Json:
    fact = run.facts.get(FACT)
    return fact.get(name) if isinstance(fact, dict) else None
