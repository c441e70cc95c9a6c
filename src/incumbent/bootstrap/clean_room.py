"""`reproduce --clean-room`: the rerun happens in a new environment, by the same command, over the same workspace."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import NotFound, Unavailable
from incumbent.execution.clean_room import build_clean_room, run_inside
from incumbent.execution.distributions import find_installed
from incumbent.pipeline.comparison import Tolerance
from incumbent.usecases.ports import Transaction
from incumbent.usecases.prepare import find_document
from incumbent.usecases.progress import Event, Listener
from incumbent.usecases.reproduce import Reproduction, reproduction_from_json
from incumbent.usecases.workspace import Workspace

_WRITERS = ("pyarrow",)
"""Libraries that our codecs write artifacts with, though no stage need import them."""


def reproduce_in_clean_room(ws: Workspace, *, run: str, tolerance: Tolerance, is_canonical: bool, listen: Listener) -> Reproduction:
    """Build the environment that a run recorded and reproduce the run inside it.

    Raises:
        NotFound: There is no such run, or it recorded no environment.
        Unavailable: The environment cannot be installed, or the rerun in it gave no answer.
    """
    with ws.store.begin(read_only=True) as tx:
        recorded = tx.runs.get(run)
        environment = find_document(tx, str(recorded.facts.get("environment", "")))
        reached = _reached(tx, recorded.run_id)
    everything = _versions(None if environment is None else environment.get("distributions"))
    if not everything:
        raise NotFound(f"run {recorded.run_id} recorded no environment, so there is none to rebuild")
    own = {distribution.name for distribution in find_installed().reach(["incumbent", *_WRITERS])}
    versions = {name: version for name, version in everything.items() if name in reached | own}
    folder = ws.folder / "tmp" / ws.ids.new("room")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        listen(Event("note", text=f"installing {len(versions)} recorded distributions into a clean room"))
        python = build_clean_room(folder, versions, Path(__file__).parents[2])
        listen(Event("note", text="running again inside it"))
        options = ["--rtol", repr(tolerance.relative), "--atol", repr(tolerance.absolute), *(["--canonical"] if is_canonical else [])]
        answer = run_inside(python, ["reproduce", recorded.run_id, "--json", *options], ws.root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        found = reproduction_from_json(json.loads(answer))
    except ValueError as error:
        raise Unavailable(f"the rerun in the clean room answered with something that is no report: {error}") from error
    return replace(found, notes=[f"clean room: {len(versions)} recorded distributions installed anew", *found.notes])


def _reached(tx: Transaction, run_id: str) -> set[str]:
    """Return the distributions that the run's stages reached, by the environments in their recipes."""
    found: set[str] = set()
    environments = set()
    for stage in tx.runs.list_stages(run_id):
        recipe = find_document(tx, stage.key) if stage.key else None
        environments.add(str((recipe or {}).get("env", "")))
    for digest in environments:
        document = find_document(tx, digest)
        distributions = None if document is None else document.get("distributions")
        found |= set(distributions) if isinstance(distributions, dict) else set()
    return found


def _versions(recorded: Json) -> dict[str, str]:
    if not isinstance(recorded, dict):
        return {}
    return {name: value for name, value in recorded.items() if isinstance(value, str)}
