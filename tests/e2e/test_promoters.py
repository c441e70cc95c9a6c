"""64 promoters at once leave one version in Production, whatever the database; and a promoter that is killed leaves before or after."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from bundles import SERVES, make_run, write_bundle
from incumbent.base.errors import Conflict, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.live import get_live
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.register import register

SLOT, PROMOTERS = "double/eu", 64


def open_here(folder, url=""):
    environ = {"INCUMBENT_KEYS": str(folder / "keys"), **({"INCUMBENT_URL": url} if url else {})}
    return open_workspace(read_settings(folder, environ))


def make_candidates(ws, folder, count):
    """Register candidates of one bundle, each with its evidence."""
    set_policy(ws, target="double", text=SERVES)
    run = make_run(ws, write_bundle(folder / "bundle"))
    host = open_model_host(ws)
    for _ in range(count):
        version = register(ws, model="double", run=run, artifact="model", slot=SLOT)
        evaluate(ws, host, model="double", version=version.version, slot=SLOT)
    host.close()


def promote_at_once(folder, url):
    outcomes, start = [], threading.Barrier(PROMOTERS)

    def one(version):
        ws = open_here(folder, url)
        start.wait()
        try:
            promote(ws, model="double", version=version, slot=SLOT, reason="at once")
            outcomes.append("promoted")
        except (Conflict, Refused) as error:
            outcomes.append(f"{type(error).__name__}: {error}")
        finally:
            ws.store.close()

    promoters = [threading.Thread(target=one, args=(number + 1,)) for number in range(PROMOTERS)]
    for promoter in promoters:
        promoter.start()
    for promoter in promoters:
        promoter.join()
    return outcomes


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_of_64_promoters_at_once_one_wins_and_the_others_are_told(tmp_path, request, database):
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    folder = tmp_path / "project"
    folder.mkdir()
    ws = open_here(folder, url)
    make_candidates(ws, tmp_path, PROMOTERS)
    outcomes = promote_at_once(folder, url)
    assert outcomes.count("promoted") == 1, outcomes
    lost = [text for text in outcomes if text != "promoted"]
    assert len(lost) == PROMOTERS - 1
    assert all(text.startswith("Conflict: ") or "was judged against an empty slot" in text for text in lost), lost
    with ws.store.begin(read_only=True) as tx:
        placements = tx.registry.list_placements(SLOT)
        assert [p.status for p in placements].count("Production") == 1
        assert len(placements) == PROMOTERS + 1, "all asked for the place, one got it, none was archived"
    assert get_live(ws, SLOT).live is not None
    assert verify_ledger(ws).is_sound
    assert reconcile(ws).differences == ()
    ws.store.close()


PROMOTE_ALL = """
import sys
from pathlib import Path
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.archive import archive
from incumbent.usecases.promote import promote
folder = Path(sys.argv[1])
ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys")}))
for version in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
    promote(ws, model="double", version=version, slot="double/eu", reason="in a row")
    print(version, flush=True)
    archive(ws, model="double", version=version, slot="double/eu", reason="make room")
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_promoter_that_is_killed_leaves_the_state_before_or_after(tmp_path, rounds):
    folder = tmp_path / "project"
    folder.mkdir()
    ws = open_here(folder)
    count = rounds * 5
    make_candidates(ws, tmp_path, count)
    chance = random.Random(20261125)
    acknowledged = set()
    for number in range(rounds):
        with ws.store.begin(read_only=True) as tx:
            first = next(
                v
                for v in range(1, count + 2)
                if not any(p.version == v and p.status != "Staging" for p in tx.registry.list_placements(SLOT))
            )
        if first > count:
            break
        live = get_live(ws, SLOT).live
        if live is not None:  # killed between the promotion and what makes room for the next
            subprocess.run(
                [sys.executable, "-m", "incumbent", "archive", f"double@{live.version}", "--slot", SLOT, "--reason", "make room"],
                cwd=folder, env={**os.environ, "INCUMBENT_KEYS": str(folder / "keys")}, check=True, capture_output=True,
            )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", PROMOTE_ALL, str(folder), str(first), str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()  # it is at work
        time.sleep(chance.uniform(0, 0.02))
        os.kill(process.pid, signal.SIGKILL)
        acknowledged |= {int(text) for text in [line, *process.communicate()[0].splitlines()] if text.strip()}
        assert verify_ledger(ws).is_sound, number
        assert reconcile(ws).differences == (), number
        with ws.store.begin(read_only=True) as tx:
            promoted = {p.version for p in tx.registry.list_placements(SLOT) if p.status == "Production"}
        assert acknowledged <= promoted, "what was acknowledged is there"
    assert acknowledged
    ws.store.close()
