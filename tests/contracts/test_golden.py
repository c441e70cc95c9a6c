"""Databases that earlier versions have left behind: this one opens each, and nothing of them is lost."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incumbent.base.errors import NotFound
from incumbent.storage.sql_store import open_sql_store

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.db")), ids=lambda path: path.name)
def test_every_database_that_a_release_has_written_opens(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "incumbent.db")
    store = open_sql_store(f"sqlite:///{tmp_path / 'incumbent.db'}", algorithm="blake3")
    with store.begin() as tx:
        run = tx.runs.get("run-golden-1")
        assert (run.state, run.params["depth"], run.started_at) == ("finished", 6, datetime(2013, 1, 1, tzinfo=UTC))
        assert run.manifest is not None
        assert tx.documents.get(run.manifest) == {"kind": "manifest", "run": "run-golden-1"}
        assert [point.value for point in tx.metrics.history("run-golden-1", "auc")] == [0.5, 0.75]
        [stage_run] = tx.runs.list_stages("run-golden-1")
        assert stage_run.key is not None
        assert tx.actions.find([stage_run.key])[stage_run.key].outputs == stage_run.outputs
        live = tx.registry.find_live("delay/us")
        assert live is not None
        assert tx.registry.get_version(live.model, live.version).bundle == stage_run.outputs["model"]
        assert tx.predictions.get("pred-golden-1").output == [0.25]
        assert [note.text for note in tx.index.list_notes("run-golden-1")] == ["kept"]
        with pytest.raises(NotFound):
            tx.predictions.get("none")
    assert store.check() == []
    store.close()
