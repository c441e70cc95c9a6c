"""The verb `register`, for what MLflow's clients logged: a folder of a run's artifacts, or a logged model, becomes a version.

Such a run is never sealed: somebody may log to it tomorrow. So the version's manifest takes with it what the run says at this moment
(params, newest metrics, tags, every artifact by digest), and the version's bundle is a folder of its own. Nothing is unpickled, and
nothing is fetched: the bytes are in this workspace already.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.registry.bundle import BUNDLE_FILE, BundleCard
from incumbent.registry.logged_source import LoggedSource, check_paths, parse_source
from incumbent.registry.mlmodel import EXAMPLES, FOLDER, MLMODEL, read_card
from incumbent.registry.model import ModelVersion
from incumbent.registry.names import check_model_name
from incumbent.registry.pickle_scan import PickleScan, list_pickles, scan_pickle
from incumbent.tracking.run import Run
from incumbent.usecases.asked import asked
from incumbent.usecases.parts import gather_tree, list_tree
from incumbent.usecases.ports import Stored, Transaction
from incumbent.usecases.recording import attempting, check_acting
from incumbent.usecases.register import Contents, add_version, describe_file, find_output, read_contents
from incumbent.usecases.tracked_runs import get_tracked_run
from incumbent.usecases.workspace import Workspace

TEXT_BYTES_MAX = 4 << 20
"""Of an MLmodel file or an example: larger ones are not read for their signature."""
RUN_LINK_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Source:
    """What a version was made from, as the client said it.

    Attributes:
        run_link: An address of the run, for people; nobody opens it here.
    """

    address: str
    model_id: str = ""
    run_link: str = ""


def find_source(version: ModelVersion) -> Source:
    """Return what a version was made from; of one that no MLflow client made, where its files are."""
    match version.facts.get("mlflow"):
        case {"source": str(address), "model_id": str(model_id), "run_link": str(run_link)}:
            return Source(address, model_id, run_link)
    return Source(f"mlflow-artifacts:/versions/{version.model}/{version.version}")


@asked
def register_logged(ws: Workspace, *, model: str, source: str, run: str = "", model_id: str = "", run_link: str = "") -> ModelVersion:
    """Register what a client logged as the next version of a model.

    Args:
        ws: The workspace; its actor is recorded.
        model: Name of the model.
        source: An address that `incumbent.registry.logged_source` takes.
        run: The run that the client names; it has to be the one that the source belongs to.
        model_id: The logged model that the client names, kept with the version.
        run_link: Kept with the version.

    Raises:
        InvalidInput: A name or the source is not legal, or the run is another than the source's.
        NotFound: There is no such run or logged model, or no files are there.
        Refused: The actor may not, the run was deleted, or it failed or still runs although it is one of ours.
        Corrupt: Stored bytes are not what they were.
    """
    check_model_name(model)
    found = parse_source(source)
    if len(run_link) > RUN_LINK_CHARACTERS_MAX or not run_link.isprintable():
        raise InvalidInput(f"run_link has {len(run_link)} characters; at most {RUN_LINK_CHARACTERS_MAX}, all of them printable")
    with attempting(ws, act="register", kind="model", object_id=model):
        with ws.store.begin(read_only=True) as tx:
            check_acting(ws, tx, "register")
            made_by = _find_run(tx, found, run)
            known_id = _check_model_id(tx, found, model_id)
            facts: Document = {"mlflow": {"source": source, "model_id": known_id, "run_link": run_link}}
            if made_by.manifest is not None:
                artifact, key = find_output(tx, made_by, found.path)
                output, more = (found.path, artifact, key), {}
            else:
                files = _list_files(tx, made_by, found)
                more = {"run_snapshot": describe_run_now(tx, made_by)}
        if made_by.manifest is None:
            artifact, contents = _make_bundle(ws, files)
            output = (found.path or FOLDER, artifact, None)
        else:
            contents = read_contents(ws, found.path, artifact)
        return add_version(ws, model, made_by, output, contents, more=more, facts=facts)


def list_version_files(ws: Workspace, version: ModelVersion) -> Mapping[str, Artifact]:
    """Return the files that an MLflow client reads of a version, by path: its model folder, else all of its bundle. Raises Corrupt."""
    if version.bundle.codec != "tree":
        return {version.bundle.name or version.bundle.codec: version.bundle}
    files = list_tree(ws, version.bundle)
    if f"{FOLDER}/{MLMODEL}" not in files:
        return files
    return {path.removeprefix(f"{FOLDER}/"): file for path, file in files.items() if path.startswith(f"{FOLDER}/")}


def describe_run_now(tx: Transaction, run: Run) -> Document:
    """Return what an open run says at this moment, as a document."""
    metrics = tx.metrics.latest([run.run_id])[run.run_id]
    return {
        "kind": "run-snapshot",
        "run": run.run_id,
        "name": run.name,
        "experiment": run.experiment,
        "state": run.state,
        "started_at": run.started_at.isoformat(),
        "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
        "params": dict(run.params),
        "tags": dict(run.tags),
        "metrics": {
            name: {"value": point.value if math.isfinite(point.value) else str(point.value), "step": point.step, "at": point.at.isoformat()}
            for name, point in sorted(metrics.items())
        },
        "artifacts": [
            {"path": row.name, "digest": str(row.artifact.digest), "size": row.artifact.size}
            for row in sorted(tx.runs.list_artifacts(run.run_id), key=lambda row: row.name)
        ],
    }


def _find_run(tx: Transaction, source: LoggedSource, named: str) -> Run:
    owner = source.owner
    if source.kind == "model":
        logged = tx.logged_models.get(owner)
        if logged.deleted_at is not None:
            raise NotFound(f"the logged model {owner} was deleted")
        if not logged.run_id:
            raise Refused(f"the logged model {owner} belongs to no run, and a version has to say which run made it; log it inside of a run")
        owner = logged.run_id
    run = get_tracked_run(tx, owner)
    if named and named != run.run_id:
        raise InvalidInput(f"Invalid run_id {named[:80]!r}: the source belongs to the run {run.run_id}")
    if tx.run_links.list_deleted([run.run_id]):
        raise Refused(f"run {run.run_id} is deleted; restore it to register what it made")
    return run


def _check_model_id(tx: Transaction, source: LoggedSource, named: str) -> str:
    if source.kind == "model":
        if named not in ("", source.owner):
            raise InvalidInput(f"Invalid model_id {named[:80]!r}: the source is the logged model {source.owner}")
        return source.owner
    return tx.logged_models.get(named).model_id if named else ""


def _list_files(tx: Transaction, run: Run, source: LoggedSource) -> dict[str, Digest]:
    """Return path -> digest of the files that a version is made of, by their path in its folder."""
    if source.kind == "model":
        found = {file.path: file.digest for file in tx.logged_models.list_files(source.owner)}
    else:
        rows = [row for row in tx.runs.list_artifacts(run.run_id) if row.direction == "output"]
        inside = f"{source.path}/"
        found = {row.name.removeprefix(inside): row.artifact.digest for row in rows if row.name.startswith(inside)}
    if not found:
        raise NotFound(f"{source.kind} {source.owner} has no files{f' under {source.path!r}' if source.path else ''}")
    return found


def _make_bundle(ws: Workspace, files: Mapping[str, Digest]) -> tuple[Artifact, Contents]:
    """Store a folder: the files below `mlflow/`, and beside it the bundle's description, if they say what it takes and gives.

    The files are in the store. Each is read once, and all that a version says of it comes of that: nothing is written beside them.
    """
    check_paths(files)
    stored: dict[str, Stored] = {}
    described: list[Document] = []
    scans: list[PickleScan] = []
    texts: dict[str, str] = {}

    def take(path: str, data: bytes) -> None:
        stored[path] = ws.blobs.put([data])  # also of what is there, so that no `gc` takes it now
        described.append(describe_file(path, data))
        scans.append(scan_pickle(data, path))

    for path, digest in files.items():
        data = ws.blobs.get(digest)
        take(f"{FOLDER}/{path}", data)
        if path in (MLMODEL, *EXAMPLES) and len(data) <= TEXT_BYTES_MAX:
            with suppress(UnicodeDecodeError):
                texts[path] = data.decode("utf-8")
    card = _describe(texts, needs_pickle=any(scan.verdict != "none" for scan in scans))
    if card is not None:
        take(BUNDLE_FILE, card.to_bytes())
    described.sort(key=lambda file: str(file["path"]).split("/"))
    return gather_tree(ws, stored, "bundle"), Contents([*described], card, list_pickles(scans))


def _describe(texts: dict[str, str], *, needs_pickle: bool) -> BundleCard | None:
    mlmodel = texts.pop(MLMODEL, None)
    if mlmodel is None:
        return None
    try:
        return read_card(mlmodel, texts, needs_pickle=needs_pickle)
    except InvalidInput:
        return None
