"""Our server and a stock `mlflow server` under the same load: versions made, aliases set, and what is live asked for.

    python bench/mlflow_registry.py [--rounds 3] [--peer FOLDER]

A version is made of a scikit-learn model's five files as MLflow logged them, from a run's artifacts; all versions are of one model. Ours
signs an entry of the ledger for each version and each alias. What is live is the alias `champion`: ours reads it from the slot that
governs it. Goals are those of the project's issue on ingest. How both are started and measured: bench/mlflow_sides.py.
"""

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from mlflow_sides import PREFIX, Row, bench, call, compare, make_parser, new_run, started_both

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bundles import make_run, put_live, write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.register import register

MODEL, LIVE = "flights-late", "flights-live"
FILES = Path(__file__).parent.parent.joinpath("tests/data/mlflow_store/mlartifacts/1/models/m-943a52e2502e4159a675ada353dbc829/artifacts")
_PUT = "/api/2.0/mlflow-artifacts/artifacts"


def create_version(side, calls):
    return [("POST", PREFIX + "/model-versions/create", json.dumps(_version(side)))] * calls


def _version(side):
    return {"name": MODEL, "source": f"mlflow-artifacts:/0/{side.run_id}/artifacts/model", "run_id": side.run_id}


def set_alias(side, calls):
    """Point it at another version each time: setting what holds already is no act."""
    asked = [{"name": MODEL, "alias": "candidate", "version": str(1 + side.count("aliases") % 2)} for _ in range(calls)]
    return [("POST", PREFIX + "/registered-models/alias", json.dumps(one)) for one in asked]


def what_is_live(_side, calls):
    return [("GET", f"{PREFIX}/registered-models/alias?name={LIVE}&alias=champion", "")] * calls


ROWS = (
    Row("create version, 1 client", create_version, (200, 60), 300),
    Row("create version, 8 clients", create_version, (50, 10), 300, clients=8),
    Row("set alias, 1 client", set_alias, (400, 60), 300),
    Row("set alias, 8 clients", set_alias, (100, 10), 300, clients=8),
    Row("what is live, 1 client", what_is_live, (3000, 200), 3000),
    Row("what is live, 8 clients", what_is_live, (1000, 50), 3000, clients=8),
)


def bring_live(project):
    """Bring a model live in our store by the front door: registered, evaluated, promoted."""
    ws = open_workspace(read_settings(project, {"INCUMBENT_KEYS": str(project / "keys")}))
    register(ws, model=LIVE, run=make_run(ws, write_bundle(project / "bundle")), artifact="model")
    put_live(ws, model=LIVE, version=1, slot=f"{LIVE}/production", reason="first")
    ws.store.close()


def prepare(side):
    """Log a model and register it twice."""
    side.run_id = new_run(side)
    for file in FILES.iterdir():
        address = f"http://127.0.0.1:{side.port}{_PUT}/0/{side.run_id}/artifacts/model/{file.name}"
        with urlopen(Request(address, file.read_bytes(), {"content-type": "application/octet-stream"}, method="PUT")):
            pass
    call(side, "POST", "/registered-models/create", {"name": MODEL})
    for _ in range(2):
        call(side, "POST", "/model-versions/create", _version(side))


def run(folder, peer, options):
    (folder / "project").mkdir()
    bring_live(folder / "project")
    with started_both(folder, peer) as sides:
        for side in sides:
            prepare(side)
        for side in sides[1:]:
            call(side, "POST", "/registered-models/create", {"name": LIVE})
            call(side, "POST", "/model-versions/create", {**_version(side), "name": LIVE})
            call(side, "POST", "/registered-models/alias", {"name": LIVE, "alias": "champion", "version": "1"})
        compare(ROWS, sides, options.rounds)


if __name__ == "__main__":
    bench(make_parser(__doc__), run)
