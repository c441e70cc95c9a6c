"""Small bundles and the runs that made them, for tests of registering, serving and tracing."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

from incumbent.registry.bundle import make_bundle_card
from incumbent.registry.signature import Column, Signature
from incumbent.usecases.live_run import begin_run

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
