"""What `live SLOT` costs in process, in a registry of 10,000 models with 100 versions each, beside the one SELECT it rests on.

    python bench/registry.py [--models 10000] [--versions 100]

One slot is brought live the whole way: registered, evaluated, promoted, rolled back. The rest of the registry is filled in by plain
SQL, after the triggers that would ask for a ledger entry of each row were dropped in this throw-away database: what is measured is
reading. Every other model has a slot of its own, in which its last version is live and all the others are archived.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bundles import make_run, put_live, write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.list_versions import list_versions
from incumbent.usecases.live import get_live, list_history
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back

SLOT = "asked/eu"
ROUNDS = 200
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
PLAIN = "SELECT model, version, since_at FROM placements WHERE slot = ? AND status = 'Production' AND is_current = 1"


def fill(path, models, versions):
    """Fill in all the other models, versions and placements."""
    with sqlite3.connect(path) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute(NUMBERS.format(models) + "INSERT INTO models SELECT printf('model-%05d', i), ? FROM n", (versions,))
        raw.execute(
            NUMBERS.format(versions)
            + "INSERT INTO model_versions SELECT m.model, n.i, v.bundle, v.run_id, v.key, v.manifest, v.created_at, v.actor, v.facts, NULL "
            "FROM models m, n, (SELECT * FROM model_versions LIMIT 1) v WHERE m.model LIKE 'model-%'"
        )
        raw.execute(
            NUMBERS.format(versions)
            + "INSERT INTO placements (slot, model, version, status, since_at, actor, reason, is_current, ledger_seq) "
            "SELECT 'slot/' || m.model, m.model, n.i, CASE WHEN n.i = ? THEN 'Production' ELSE 'Archived' END, n.i, 'x', 'x', 1, NULL "
            "FROM models m, n WHERE m.model LIKE 'model-%'",
            (versions,),
        )
        raw.execute("ANALYZE")
    raw.close()


def median_ms(call, rounds=ROUNDS):
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys")}))
        for number in (1, 2):
            register(ws, model="asked", run=make_run(ws, write_bundle(folder / f"b{number}")), artifact="model")
            put_live(ws, model="asked", version=number, slot=SLOT, reason="first")
        roll_back(ws, slot=SLOT, reason="back")
        ws.store.close()
        path = folder / ".incumbent" / "incumbent.db"
        fill(path, arguments.models - 1, arguments.versions)
        print(f"{arguments.models:,} models with {arguments.versions} versions; the database has {path.stat().st_size / 1e6:,.0f} MB")
        raw = sqlite3.connect(path)
        plain = median_ms(lambda: raw.execute(PLAIN, (SLOT,)).fetchall())
        raw.close()
        print(f"one indexed SELECT                 {plain:8.3f} ms")
        then = datetime.now(UTC)
        other = f"slot/model-{arguments.models // 2:05}"
        for what, call, rounds in (
            ("live SLOT, its whole basis", lambda: get_live(ws, SLOT), ROUNDS),
            ("live SLOT, 100 versions in it", lambda: get_live(ws, other), ROUNDS),
            ("live SLOT at a past time", lambda: get_live(ws, SLOT, then), ROUNDS),
            ("history of a slot", lambda: list_history(ws, other), ROUNDS),
            ("versions of one model", lambda: list_versions(ws, model="asked"), 3),
        ):
            found = median_ms(call, rounds)
            print(f"{what:<34} {found:8.3f} ms   {found / plain:8.1f} x one SELECT")
        ws.store.close()


if __name__ == "__main__":
    main()
