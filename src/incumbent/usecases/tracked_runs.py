"""The verbs of runs that an MLflow client writes piece by piece: such a run ends, and may be written to afterwards; it is never sealed.

Every function works inside a transaction of its caller, so that the writes of many requests can become one commit.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.tracking.experiment import Experiment
from incumbent.tracking.record import check_name
from incumbent.tracking.run import CodeVersion, Run
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

DEFAULT_EXPERIMENT = "Default"
"""What MLflow calls experiment 0, where runs go that name none. Ours comes about with its first run."""
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
COMMIT_TAG = "mlflow.source.git.commit"


def find_experiment(tx: Transaction, experiment_id: str) -> Experiment:
    """Return the experiment of an id: 0 is the one called Default, which is there even before its first run.

    Raises:
        NotFound: There is none.
    """
    if experiment_id == "0":
        return tx.experiments.find(DEFAULT_EXPERIMENT) or Experiment(0, DEFAULT_EXPERIMENT)
    if not (experiment_id.isascii() and experiment_id.isdecimal() and len(experiment_id) < 19):
        raise NotFound(f"No Experiment with id={experiment_id[:80]} exists")
    return tx.experiments.get(int(experiment_id))


def experiment_id_of(experiment: Experiment) -> str:
    """Return the id by which clients know it."""
    return "0" if experiment.name == DEFAULT_EXPERIMENT else str(experiment.number)


def must_be_active(experiment: Experiment) -> Experiment:
    """Return the experiment. Raises InvalidInput if it is deleted."""
    if experiment.deleted_at is not None:
        raise InvalidInput(f"The experiment {experiment_id_of(experiment)} must be in the 'active' state; it is deleted")
    return experiment


def begin_tracked_run(
    ws: Workspace, tx: Transaction, *, experiment: Experiment, run_id: str, name: str, started_at: datetime, tags: Mapping[str, str]
) -> Run:
    """Store a running run and return it. Its parent, name and commit are what the tags say.

    Raises:
        InvalidInput: The experiment is deleted, or the name cannot be stored.
    """
    must_be_active(experiment)
    given = check_name("run", name or tags.get(NAME_TAG, "") or f"run {run_id[-6:]}")
    run = Run(
        run_id=run_id,
        experiment=experiment.name,
        name=given,
        pipeline="",
        parent_id=_find_parent(tx, tags.get(PARENT_TAG, "")),
        state="running",
        started_at=started_at,
        ended_at=None,
        seed=None,
        code=CodeVersion(tags.get(COMMIT_TAG, "")),
        facts={"actor": ws.actor, "logged_by": "mlflow"},
        tags={**tags, NAME_TAG: given},
    )
    tx.runs.create(run)
    return run


def _find_parent(tx: Transaction, run_id: str) -> str | None:
    try:
        return tx.runs.get(run_id).run_id if run_id else None
    except (NotFound, InvalidInput):
        return None


def get_tracked_run(tx: Transaction, run_id: str) -> Run:
    """Return the run of exactly that id: unlike a person, a program does not mean the beginning of one. Raises NotFound."""
    found = tx.runs.get(run_id)
    if found.run_id != run_id:
        raise NotFound(f"Run with id={run_id[:80]} not found")
    return found


def delete_experiment(ws: Workspace, tx: Transaction, experiment: Experiment) -> None:
    """Put an experiment out of sight; its runs stay as they are. Raises InvalidInput if it is deleted already."""
    now = ws.clock.now()
    tx.experiments.change(replace(must_be_active(experiment), deleted_at=now, updated_at=now))
