"""The machine that the histories of the guarded path are drawn by."""

from functools import lru_cache

import pytest

from incumbent.usecases import ledger_reconcile
from simulation.guarded_histories import Histories
from simulation.guarded_world import close_world


@pytest.fixture
def machine(tmp_path, monkeypatch):
    # After every step all entries are read again, and that their bytes are still the same is checked apart: each is parsed once.
    monkeypatch.setattr(ledger_reconcile, "parse_entry", lru_cache(maxsize=5_000)(ledger_reconcile.parse_entry))
    yield type("Histories", (Histories,), {"folder": tmp_path, "counts": {}})
    close_world(tmp_path)
