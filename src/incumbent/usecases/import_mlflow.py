"""The verb `import mlflow`: bring an MLflow store over, whole, and show that it is.

Experiments first, then their runs, oldest first, then logged models, then the registry. Everything has an id or a name by which it is found
again, so the import may be killed at any point and run again: it goes on, and doubles nothing. At the end every run is read again on both
sides and compared; one that was written to meanwhile is brought once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from incumbent.base.errors import Conflict, IncumbentError, InvalidInput, Refused
from incumbent.tracking.experiment import Experiment
from incumbent.tracking.record import check_name
from incumbent.usecases.import_mlflow_checks import PointDigest, take_pairs, take_path, take_points, take_time
from incumbent.usecases.import_mlflow_models import FROM_TAG, ModelImport
from incumbent.usecases.import_mlflow_ports import MlflowSource, SourceExperiment, SourceRun
from incumbent.usecases.import_mlflow_report import ImportReport
from incumbent.usecases.import_mlflow_runs import RunImport, Tell, find_parent_id, link_parents
from incumbent.usecases.tracked_runs import DEFAULT_EXPERIMENT
from incumbent.usecases.workspace import Workspace

ID_TAG = "incumbent.imported.id"


def import_mlflow(
    ws: Workspace, *, source: MlflowSource, dry_run: bool = False, anew: bool = False, tell: Tell = lambda _what, _count: None
) -> ImportReport:
    """Bring an MLflow store over.

    Args:
        ws: The workspace that gets it.
        source: Reads the store.
        dry_run: Only count.
        anew: Read again also what looks as it did at the last import: a file that was replaced by one of the same size, for instance.
        tell: Is told how far it is.

    Returns:
        What was brought, what was there already, what was refused and why, and what the comparison at the end found.

    Raises:
        Unavailable: The source or the workspace cannot be reached; what was brought is kept.
        Corrupt: The source is not in MLflow's form.
    """
    report = ImportReport(source.name, dry_run)
    runs = RunImport(ws, source, report, tell, is_anew=anew)
    whole = _Import(ws, source, report, runs, ModelImport(ws, source, report, runs))
    whole.bring_all()
    if not dry_run:
        whole.verify()
    return report


@dataclass(slots=True)
class _Import:
    ws: Workspace
    source: MlflowSource
    report: ImportReport
    runs: RunImport
    models: ModelImport
    names: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def bring_all(self) -> None:
        parents: dict[str, str] = {}
        experiments = list(self.source.list_experiments())
        for experiment in experiments:
            self._bring_experiment(experiment)
        for experiment_id in self.names:
            for run in self.source.list_runs(experiment_id):
                self.runs.bring(run, self.names[experiment_id])
                if parent_id := find_parent_id(run):
                    parents[run.run_id] = parent_id
            self.runs.commit()
        if not self.report.is_dry_run:
            link_parents(self.ws, parents)
        for experiment_id in self.names:
            for logged in self.source.list_logged_models(experiment_id):
                self.models.bring_logged(logged, self.numbers.get(experiment_id))
        for registered in self.source.list_registered():
            self.models.bring_registered(registered)
        if not self.report.is_dry_run:
            self._delete_experiments(experiments)

    def _bring_experiment(self, found: SourceExperiment) -> None:
        try:
            is_there = self._place(found)
        except (InvalidInput, Refused, Conflict) as error:
            self.report.counts["experiments"].refuse(f"experiment {found.name[:80]!r}", str(error))
            number = sum(1 for _ in self.source.list_runs(found.experiment_id))
            if number:
                self.report.counts["runs"].refuse(
                    f"all {number} of experiment {found.name[:80]!r}", "the experiment is not brought", number
                )
            return
        self.names[found.experiment_id] = found.name
        self.report.counts["experiments"].add(1, is_there=is_there)

    def _place(self, found: SourceExperiment) -> bool:
        """Make the experiment, or find the one of its name, and return whether it was there."""
        name = check_name("experiment", found.name)
        tags = take_pairs("tag", found.tags, lambda item, why: self.report.counts["tags"].refuse(f"experiment {name!r}, {item}", why))
        tags |= {ID_TAG: found.experiment_id, FROM_TAG: self.source.name}
        created = self.ws.clock.now() if found.created_ms is None else take_time(found.created_ms, "creation")
        with self.ws.store.begin(read_only=self.report.is_dry_run) as tx:
            known = tx.experiments.find(name)
            if known is not None and known.deleted_at is not None and not found.is_deleted and ID_TAG not in known.tags:
                raise Refused("the experiment of this name is deleted here; restore it, or rename one of the two")
            if self.report.is_dry_run:
                return known is not None
            if known is None:
                self.numbers[found.experiment_id] = tx.experiments.create(name, tags, created)
                return False
            self.numbers[found.experiment_id] = known.number
            changed = replace(known, tags={**tags, **known.tags}, deleted_at=None if ID_TAG in known.tags else known.deleted_at)
            if changed != known:
                tx.experiments.change(changed)
            return name != DEFAULT_EXPERIMENT or ID_TAG in known.tags

    def _delete_experiments(self, experiments: list[SourceExperiment]) -> None:
        """Put out of sight what is deleted over there, at the end: what is deleted takes nothing more."""
        with self.ws.store.begin() as tx:
            for found in experiments:
                number = self.numbers.get(found.experiment_id)
                known: Experiment | None = None if number is None else tx.experiments.get(number)
                if known is not None and found.is_deleted and known.deleted_at is None and known.tags.get(ID_TAG) == found.experiment_id:
                    at = self.ws.clock.now() if found.updated_ms is None else take_time(found.updated_ms, "deletion")
                    tx.experiments.change(replace(known, deleted_at=at))

    def verify(self) -> None:
        """Compare every run with the source; one that differs is brought again, once."""
        for experiment_id, name in self.names.items():
            for run in self.source.list_runs(experiment_id):
                if run.run_id in self.runs.refused:
                    continue
                found = self._compare(run)
                if found.differences:
                    again = RunImport(self.ws, self.source, ImportReport(self.source.name, is_dry_run=False), self.runs.tell, is_anew=True)
                    again.bring(run, name)
                    again.commit()
                    found = self._compare(run)
                self.report.checked_runs += 1
                self.report.checked_points = _plus(self.report.checked_points, found.points)
                self.report.checked_files = _plus(self.report.checked_files, found.files)
                self.report.differences += [f"run {run.run_id}: {text}" for text in found.differences]
                self.runs.tell("runs compared", self.report.checked_runs)

            for model in self.source.list_logged_models(experiment_id):
                files, differences = self.models.compare_logged(model)
                self.report.checked_files = _plus(self.report.checked_files, files)
                self.report.differences += differences

    def _compare(self, run: SourceRun) -> "_Compared":
        theirs, ours = PointDigest(), PointDigest()
        for name, part in self.source.list_points(run):
            theirs.add(take_points(name, part, _ignore))
        with self.ws.store.begin(read_only=True) as tx:
            try:
                here = tx.runs.get(run.run_id)
            except IncumbentError as error:
                return _Compared((0, 0), (0, 0), [str(error)])
            for name in sorted(tx.metrics.latest([run.run_id])[run.run_id]):
                ours.add(tx.metrics.history(run.run_id, name))
            files = {row.name: row.artifact.size for row in tx.runs.list_artifacts(run.run_id) if row.direction == "output"}
            stored = {digest for row in tx.runs.list_artifacts(run.run_id) if self.ws.blobs.size(digest := row.artifact.digest) is None}
        listed = self._list_files(run)
        differences = [*_differ("metric", theirs.end(), ours.end()), *_differ("file", listed, files, may_have_more=True)]
        differences += _differ("param", take_pairs("param", run.params, _ignore), here.params)
        differences += _differ("tag", take_pairs("tag", {**run.tags}, _ignore), here.tags, may_have_more=True)
        differences += [f"blob {digest} is missing" for digest in sorted(stored)]
        return _Compared((theirs.points, ours.points), (len(listed), len(files)), differences)

    def _list_files(self, run: SourceRun) -> dict[str, int]:
        refused = self.runs.refused_files
        try:
            files = self.source.files.list_files(run.place)
        except IncumbentError:
            return {}
        found = {}
        for file in files:
            try:
                found[take_path(file)] = file.size
            except InvalidInput:
                continue
        return {path: size for path, size in found.items() if (run.run_id, path) not in refused}


@dataclass(frozen=True, slots=True)
class _Compared:
    points: tuple[int, int]
    files: tuple[int, int]
    differences: list[str]


def _differ(what: str, theirs: Mapping[str, object], ours: Mapping[str, object], *, may_have_more: bool = False) -> list[str]:
    names = theirs.keys() if may_have_more else theirs.keys() | ours.keys()
    return [f"{what} {name[:80]!r} is not as in the source" for name in sorted(names) if theirs.get(name) != ours.get(name)]


def _plus(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _ignore(_item: str, _reason: str) -> None:
    """Refusals were counted when the run was brought."""
