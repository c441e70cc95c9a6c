"""What happens here, for whoever watches: entries of the ledger by their number, and how runs stand.

Entries have an order, so that a watcher can go on where they were. Runs have none that all processes share: of them one learns how they
stand now, and what one missed in between is in that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.errors import NotFound
from incumbent.ledger.entry import Entry, parse_entry
from incumbent.tracking.run import Run, RunState
from incumbent.tracking.search import Query, parse_query
from incumbent.usecases.workspace import Workspace

RUNNING_MAX = 200
NEWEST = 20
"""Runs that began last: among them are those that began and ended between two looks."""
KEPT = 300
METRICS_MAX = 20
_RUNNING = parse_query("state = 'running'")


@dataclass(frozen=True, slots=True)
class RunSeen:
    """How a run stands.

    Attributes:
        metrics: Name -> last value and its step, of up to METRICS_MAX by name; of runs that were running when last looked at.
    """

    run_id: str
    name: str
    experiment: str
    state: RunState
    metrics: Mapping[str, tuple[float, int]]


def count_entries(ws: Workspace) -> int:
    """Return how many entries the ledger has: the number of the next."""
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size()


def list_entries(ws: Workspace, first: int, *, most: int) -> Sequence[Entry]:
    """Return up to `most` entries from number `first` on, in their order."""
    with ws.store.begin(read_only=True) as tx:
        return [parse_entry(body) for body in tx.ledger.read(first, first + most)]


def list_runs_seen(ws: Workspace, known: Mapping[str, RunSeen]) -> Mapping[str, RunSeen]:
    """Return the runs that run, those that began last, and what became of those that ran when last looked at.

    Args:
        ws: The workspace.
        known: What the last look gave; {} at the first.
    """
    with ws.store.begin(read_only=True) as tx:
        found = [
            *tx.index.search(Query(), limit=NEWEST, is_deleted=False),
            *tx.index.search(_RUNNING, limit=RUNNING_MAX, is_deleted=False),
        ]
        runs: dict[str, Run] = {run.run_id: run for run in found}
        ran = {run_id for run_id, seen in known.items() if seen.state == "running"}
        for run_id in ran - runs.keys():
            try:
                runs[run_id] = tx.runs.get(run_id)
            except NotFound:  # it is gone, and nobody waits for it
                continue
        latest = tx.metrics.latest([run.run_id for run in runs.values() if run.state == "running" or run.run_id in ran])
    seen = {
        run.run_id: RunSeen(
            run.run_id, run.name, run.experiment, run.state,
            {name: (point.value, point.step) for name, point in sorted(latest[run.run_id].items())[:METRICS_MAX]}
            if run.run_id in latest else known[run.run_id].metrics if run.run_id in known else {},
        )
        for run in runs.values()
    }  # fmt: skip
    over = [run_id for run_id, one in known.items() if run_id not in seen and one.state != "running"]
    return {**{run_id: known[run_id] for run_id in sorted(over)[-KEPT:]}, **seen}
