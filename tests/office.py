"""An installation with people, a model with a holdout, and a policy: for tests of the guarded path, by its front door."""

import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from bundles import write_bundle
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.registry.model import ModelVersion
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.holdouts import register_holdout
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.people import add_person
from incumbent.usecases.person_keys import bind_key, new_key
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.register import register
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.workspace import Workspace

MODEL, SLOT = "double", "double/eu"
ROWS = 400
POLICY = """
format = 1
[primary]
metric = "mae"
margin = 0.05
label = "y_true"
output = "y"
[[guardrail]]
metric = "p99_latency_ms"
ceiling = 5000.0
[holdout]
name = "frozen"
looks_max = 20
[tests]
required = ["serves"]
"""
PEOPLE = {
    "ada": ("Ada Roth", ["admin"]),
    "ann": ("Ann Lee", ["developer", "approver"]),
    "rita": ("Rita Moss", ["validator"]),
    "vera": ("Vera Ito", ["validator"]),
    "omar": ("Omar Diaz", ["approver"]),
    "petra": ("Petra Lund", ["approver"]),
    "olga": ("Olga Berg", ["operator"]),
    "otto": ("Otto Falk", ["developer"]),
    "ben": ("Ben Roe", ["auditor"]),
}


def as_actor(ws: Workspace, actor: str) -> Workspace:
    """Return the workspace as somebody else opens it from the same account."""
    return ws.named(actor)


def open_office(ws: Workspace) -> dict[str, Workspace]:
    """Make everybody known, with keys, and return each one's workspace; ada, the admin, is the first, and has no part in any model."""
    for name, (printed, roles) in PEOPLE.items():
        add_person(as_actor(ws, "ada"), person=name, name=printed, roles=roles, aliases=[f"{name}@example.com"])
        if new_key(as_actor(ws, name), person=name).bound is None:
            bind_key(as_actor(ws, "ada"), key=name)
    return {name: as_actor(ws, name) for name in PEOPLE}


def make_rows(start: int, rows: int = ROWS) -> pl.DataFrame:
    """Return rows of the law y = 2 x, with a little noise that no model knows."""
    chance = random.Random(start)
    x = [float(start + place) / 100 for place in range(rows)]
    noisy = [2 * value + chance.uniform(-0.1, 0.1) for value in x]
    return pl.DataFrame({"x": x, "who": ["ann" if place % 2 else "bob" for place in range(rows)], "y_true": noisy})


def register_factor(
    ws: Workspace,
    folder: Path,
    factor: float,
    *,
    slot: str | None = SLOT,
    training: pl.DataFrame | None = None,
    run_by: Workspace | None = None,
) -> ModelVersion:
    """Register a version that answers factor * x, as a run that trained on rows from 10,000 on."""
    name = f"bundle-{factor}-{len(list(folder.iterdir()))}"
    with begin_run(run_by or ws, experiment="double") as run:
        run.log_artifact(write_bundle(folder / name, factor=factor), "model")
        run.log_artifact(make_rows(10_000) if training is None else training, "training")
        run.log_artifact(make_rows(0), "holdout")
    return register(ws, model=MODEL, run=run.id, artifact="model", slot=slot)


def prepare(office: dict[str, Workspace], folder: Path, *, tier: int = 2, policy: str = POLICY) -> ModelVersion:
    """Register a first version, freeze the holdout, assess the tier and set the policy."""
    first = register_factor(office["ann"], folder, 1.5)
    register_holdout(office["rita"], name="frozen", run=first.run_id, artifact="holdout")
    levels = {1: ("high", "high", "medium"), 2: ("medium", "medium", "high"), 3: ("medium", "medium", "medium"), 4: ("low", "low", "low")}
    exposure, purpose, inherent = levels[tier]
    assess_tier(office["omar"], model=MODEL, exposure=exposure, purpose=purpose, inherent=inherent, reason="for a test")  # type: ignore[arg-type]
    set_policy(office["rita"], target=MODEL, text=policy)
    return first


def make_prepared(folder: Path) -> None:
    """Make a workspace in an empty folder whose first version has a holdout, a tier and a policy, and no evidence yet."""
    ws = _make_office(folder)
    ws.store.close()


def make_evaluated(folder: Path) -> None:
    """Make a workspace in an empty folder whose first version has evidence that nobody has signed yet."""
    ws = _make_office(folder)
    host = open_model_host(ws)
    evaluate(as_actor(ws, "rita"), host, model=MODEL, slot=SLOT, version=1)
    host.close()
    ws.store.close()


def _make_office(folder: Path) -> Workspace:
    (folder / "project").mkdir()
    (folder / "bundles").mkdir()
    ws = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))
    prepare(open_office(ws), folder / "bundles")
    return ws


def make_live(folder: Path, *, tier: int) -> None:
    """Make a workspace in an empty folder in which two versions went live: the second is, and the first is the way back.

    In tier 4 nobody signs; in any other all do.
    """
    for name in ("project", "bundles"):
        (folder / name).mkdir()
    ws = open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))
    people = open_office(ws)
    prepare(people, folder / "bundles", tier=tier)
    register_factor(people["ann"], folder / "bundles", 2.0)
    host = open_model_host(ws)
    for version in (1, 2):
        evaluate(people["rita"], host, model=MODEL, slot=SLOT, version=version)
        if tier < 4:
            sign_all(people, version)
        promote(people["olga"], model=MODEL, slot=SLOT, version=version, reason="better")
    host.close()
    ws.store.close()


def open_copy(made: Path, folder: Path) -> Workspace:
    """Open a copy of such a workspace, with its keys."""
    shutil.copytree(made, folder / "copy")
    return open_workspace(read_settings(folder / "copy" / "project", {"INCUMBENT_KEYS": str(folder / "copy" / "keys")}))


def sign_all(office, version: int):
    """Have Vera validate and Omar approve."""
    sign_off(office["vera"], model=MODEL, slot=SLOT, version=version, capacity="validator")
    return sign_off(office["omar"], model=MODEL, slot=SLOT, version=version, capacity="approver")


def go_live(office, host, version: int, reason: str = "better"):
    """Bring a version into Production the whole way."""
    assert evaluate(office["rita"], host, model=MODEL, slot=SLOT, version=version).verdict.outcome == "passed"
    sign_all(office, version)
    return promote(office["olga"], model=MODEL, slot=SLOT, version=version, reason=reason)


LAX = "\n".join(
    ["unassessed = 4"]
    + [
        f"[tier.{tier}]\nvalidators = 0\napprovers = {int(tier < 4)}\ndistinct_groups = false\nwitnesses = 0\nvalid_days = 30\n"
        f"self_approval = {'true' if tier > 2 else 'false'}\nroll_back_approvals = {int(tier < 3)}"
        for tier in (1, 2, 3, 4)
    ]
)


class Forging:
    """Keys with which Omar signs for Vera."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)

    def sign(self, public: bytes, data: bytes) -> Any:
        """Sign by Omar's key what Vera's is asked for."""
        names = self._keys.list_names()
        return self._keys.sign(names["omar"] if public == names["vera"] else public, data)
