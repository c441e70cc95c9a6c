"""Write the database that this release leaves behind: `PYTHONPATH=tests python tests/golden/write_database.py VERSION`.

Run once a release, into `schema-VERSION.db`; a file that is here is never written again. Every later release must open it.
"""

import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.metric import MetricPoint
from incumbent.pipeline.action import Action, Resources
from incumbent.registry.model import ModelVersion, Placement, Prediction
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.experiment import DatasetInput, LoggedModel, ModelFile, ModelLink, ModelMetric
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact, StageRun
from incumbent.usecases.account_ports import Account, Failures, Journey, Link, Session, Token
from incumbent.usecases.ports import Transaction
from incumbent.usecases.repeat_ports import Repeatable
from incumbent.usecases.webhook_ports import Delivery, Webhook
from ledgers import MemoryKeys, add, begin, place, put

SECRET = "whsec_Z29sZGVuIGdvbGRlbiBnb2xkZW4gZ29sZGVu"
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
        _write_people(tx)
        _write_of_clients(tx)
        _write_told(tx)
        tx.predictions.append([Prediction("pred-golden-1", "delay/us", "delay", 1, AT, {"x": [1.5]}, [0.25], 0.5)])
    store.close()
    with sqlite3.connect(path) as raw:  # one file, no WAL beside it
        raw.execute("PRAGMA journal_mode=DELETE")
    raw.close()


def _write_people(tx: Transaction) -> None:
    tx.accounts.put(Account("ann", "argon2id-of-a-password", AT))
    tx.accounts.put_link(Link("11" * 32, "bob", AT))
    tx.tokens.add(Token("token-golden-1", "22" * 32, "ann", "laptop", ("read", "write"), AT, AT, "ann", revoked_at=AT))
    tx.sessions.add(Session("33" * 32, "ann", AT, AT, AT))
    tx.sessions.add_journey(Journey("44" * 32, "55" * 32, "nonce", "verifier", "/runs", AT))
    tx.attempts.put("ann", Failures(3, AT))


def _write_of_clients(tx: Transaction) -> None:
    """Write what MLflow's clients leave behind."""
    number = tx.experiments.create("credit", {"team": "risk"}, AT)
    tx.experiments.change(replace(tx.experiments.get(number), deleted_at=AT))
    run = Run("run-golden-2", "credit", "open", "", None, "running", AT, None, 0, CodeVersion("c0ffee"), {}, {"depth": "6"}, {"old": "tag"})
    tx.runs.create(run)
    tx.open_runs.append(run.run_id, [("loss", 0.5, 1, 7), ("loss", float("nan"), 2, 8)])
    tx.run_links.add_datasets(run.run_id, [DatasetInput("train", "d1", "local", "{}", "{}", "{}", {"a": "b"})])
    model = LoggedModel("m-golden-1", number, "clf", run.run_id, "sklearn", "READY", AT, AT, params={"a": "1"}, tags={"t": "ü"})
    tx.logged_models.create(model)
    tx.logged_models.add_metrics([ModelMetric(model.model_id, run.run_id, "auc", 0.75, 0, AT)])
    tx.logged_models.put_file(ModelFile(model.model_id, "MLmodel", digest_bytes(b"file"), 4))
    tx.run_links.add_models([ModelLink(run.run_id, "output", model.model_id, 1)])
    tx.model_words.put("delay", 1, "tag", "who", "ann")
    tx.open_runs.set_deleted(run.run_id, AT)


def _write_told(tx: Transaction) -> None:
    webhook = Webhook("webhook-golden-1", "https://hooks.example/in", ("slot.changed",), SECRET, AT, "ann", 3, AT, failures=1, tried=2)
    tx.webhooks.add(webhook)
    tx.webhooks.record(Delivery(webhook.webhook_id, 2, 3, "slot.changed", AT, 0, "away"), keep=9)
    tx.repeats.begin(Repeatable("ann", "key-golden-1", "blake3:00", AT, "host/boot/1/1", 201, {"etag": "x"}, b'{"a": 1}'))


if __name__ == "__main__":
    target = Path(__file__).with_name(f"schema-{sys.argv[1]}.db")
    if target.exists():
        sys.exit(f"{target} exists: what a release has written is never written again")
    write(target)
