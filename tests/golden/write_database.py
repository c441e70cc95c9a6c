"""Write the database that this release leaves behind: `PYTHONPATH=tests python tests/golden/write_database.py VERSION`.

Run once a release, into `schema-VERSION.db`; a file that is here is never written again. Every later release must open it.
"""

import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Resources
from incumbent.registry.model import ModelVersion, Placement, Prediction
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact, StageRun
from ledgers import MemoryKeys, add, begin, place, put

AT = datetime(2013, 1, 1, tzinfo=UTC)


def write(path: Path) -> None:
    """Write one of everything."""
    keys = MemoryKeys()
    store = open_sql_store(f"sqlite:///{path}", algorithm="blake3", keys=keys)
    model = Artifact("lightgbm", digest_bytes(b"model"), 5)
    recipe = {"kind": "recipe", "format": 1, "stage": "train", "data": {}, "config": {"depth": 6}, "seed": 7, "outputs": ["model"]}
    key = digest_bytes(document_bytes(recipe))
    run = Run("run-golden-1", "flights", "golden", "flights", None, "running", AT, None, 7, CodeVersion("c0ffee"), {"host": "here"},
              {"depth": 6, "name": "ü"}, {"team": "ops"})  # fmt: skip
    with store.begin() as tx:
        tx.runs.create(run)
        tx.actions.record(Action(key, "train", {"model": model}, (), (), None, Resources(1.0, 0.5, 1), run.run_id, AT), recipe)
        tx.actions.claim(key, "somebody", AT, 60)
        tx.runs.record_stage(run.run_id, StageRun("train", None, "ran", key, {}, {"model": model}))
        tx.runs.record_artifacts([RunArtifact(run.run_id, "output", "model", model)])
        tx.metrics.append(run.run_id, [MetricPoint("auc", 0.5, 0, AT), MetricPoint("auc", 0.75, 1, AT)], writer="w", first=0)
        [manifest] = tx.documents.put([{"kind": "manifest", "run": run.run_id}])
        tx.runs.update(
            Run(**{**{name: getattr(run, name) for name in run.__slots__}, "state": "finished", "ended_at": AT, "manifest": manifest})
        )
        tx.index.add_note(Note(run.run_id, AT, "me", "kept"))
        begin(tx, keys, AT)
        version = add(tx, ModelVersion("delay", 0, model, run.run_id, key, manifest, AT, "me", {"artifact": "model"}))
        place(tx, Placement("delay/us", version.model, version.version, "Production", AT, "me", "golden"))
        put(tx, "policy", "delay", {"kind": "policy"})
        tx.predictions.append([Prediction("pred-golden-1", "delay/us", "delay", 1, AT, {"x": [1.5]}, [0.25], 0.5)])
    store.close()
    with sqlite3.connect(path) as raw:  # one file, no WAL beside it
        raw.execute("PRAGMA journal_mode=DELETE")
    raw.close()


if __name__ == "__main__":
    target = Path(__file__).with_name(f"schema-{sys.argv[1]}.db")
    if target.exists():
        sys.exit(f"{target} exists: what a release has written is never written again")
    write(target)
