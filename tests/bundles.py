"""Small bundles and the runs that made them, for tests of registering, serving and tracing."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

from incumbent.bootstrap.models import open_model_host
from incumbent.registry.bundle import make_bundle_card
from incumbent.registry.signature import Column, Signature
from incumbent.registry.slot import find_status
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.policies import get_policy, set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose

SIGNATURE = Signature((Column("x", "float"), Column("who", "str", is_nullable=True)), (Column("y", "float"), Column("is_big", "bool")))
EXAMPLE = {"x": 1.5, "who": "ann"}
DOUBLE = """
    def load(folder):
        factor = float((folder / "factor.txt").read_text())
        def answer(columns):
            y = [factor * x for x in columns["x"]]
            return {"y": y, "is_big": [value > 10 for value in y]}
        return answer
"""


def write_bundle(folder: Path, code: str = DOUBLE, *, factor: float = 2.0, facts: Mapping[str, str] | None = None) -> Path:
    """Write a bundle whose model multiplies `x` by `factor`, or does what `code` says."""
    (folder / "code" / "model").mkdir(parents=True)
    (folder / "code" / "model" / "__init__.py").touch()
    (folder / "code" / "model" / "serve.py").write_text(textwrap.dedent(code))
    (folder / "factor.txt").write_text(str(factor))
    (folder / "bundle.json").write_bytes(make_bundle_card("model.serve:load", SIGNATURE, EXAMPLE, facts or {}).to_bytes())
    return folder


def make_run(ws, bundle: Path) -> str:
    """Log a bundle as the output "model" of a script's run, and return the sealed run's id."""
    with begin_run(ws, experiment="served") as run:
        run.log_artifact(bundle, "model")
    return run.id


SERVES = 'format = 1\n[tests]\nrequired = ["serves"]\n'


def put_live(ws, *, model: str, version: int, slot: str, reason: str, allow_pickle: bool = False):
    """Bring a version into Production by the front door, under a policy that asks only that it answers; return the promotion."""
    if get_policy(ws, model=model).seq is None:
        set_policy(ws, target=model, text=SERVES)
    with ws.store.begin(read_only=True) as tx:
        status = find_status(tx.registry.list_placements(slot), (model, version))
    if status == "None":
        propose(ws, model=model, version=version, slot=slot)
    host = open_model_host(ws, allow_pickle=allow_pickle)
    try:
        evaluate(ws, host, model=model, version=version, slot=slot)
    finally:
        host.close()
    return promote(ws, model=model, version=version, slot=slot, reason=reason)
