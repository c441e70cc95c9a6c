"""The verb `register`: make an artifact of a sealed run the next version of a model.

A version is immutable, and its manifest says all of it by digest: the bundle, every file in it (SHA-256 as well as the
workspace's own digest, because in-toto and model signing want it), the recipe's key, the run and the commit, who had a part in
it, how it is to be served, and what unpickling its files would import. Changing anything makes a new version.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.registry.bundle import BUNDLE_FILE, BundleCard, parse_bundle_card
from incumbent.registry.model import ModelVersion
from incumbent.registry.names import check_model_name, check_slot_name, parse_version_name
from incumbent.registry.pickle_scan import scan_files
from incumbent.tracking.run import Run
from incumbent.usecases.asked import asked
from incumbent.usecases.authorship import describe_authors
from incumbent.usecases.moving import move
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.workspace import Workspace

VERSION_FORMAT = 1
_READ_BYTES = 1 << 20


@asked
def register(
    ws: Workspace, *, model: str, run: str, artifact: str, slot: str | None = None, serving: Mapping[str, Json] | None = None
) -> ModelVersion:
    """Register an artifact of a run as the next version of a model.

    Args:
        ws: The workspace; its actor is recorded.
        model: Name of the model; a new name begins a new model.
        run: Id of a finished run, or 6 or more characters of its beginning.
        artifact: Name of one of the run's outputs, e.g. "bundle".
        slot: Where it asks for a place: it enters that slot in Staging.
        serving: How it is to be served (threads, limits, …), pinned with the version.

    Returns:
        The version, with its number.

    Raises:
        InvalidInput: A name is not legal, or a folder's `bundle.json` is no bundle description.
        NotFound: No such run, or the run has no such output.
        Refused: The run is not sealed, or failed.
        Corrupt: The artifact's bytes are not what the run recorded.
    """
    check_model_name(model)
    if slot is not None:
        check_slot_name(slot)
    with attempting(ws, act="register", kind="model", object_id=model):
        with ws.store.begin(read_only=True) as tx:
            check_acting(ws, tx, "register")
            source = tx.runs.get(run)
            found, key = find_output(tx, source, artifact)
        contents = read_contents(ws, artifact, found)
        return add_version(ws, model, source, (artifact, found, key), contents, slot=slot, serving=serving or {})


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a version's artifact.

    Attributes:
        files: Path, size and SHA-256 of each file.
        card: The bundle's description, if it is a bundle.
        pickles: What unpickling its files would do.
    """

    files: list[Json]
    card: BundleCard | None
    pickles: list[Json]


@asked
def add_version(
    ws: Workspace,
    model: str,
    source: Run,
    output: tuple[str, Artifact, Digest | None],
    contents: Contents,
    *,
    slot: str | None = None,
    serving: Mapping[str, Json] | None = None,
    more: Mapping[str, Json] | None = None,
    facts: Mapping[str, Json] | None = None,
) -> ModelVersion:
    """Make an artifact the next version of a model, with its entry.

    Args:
        ws: The workspace; its actor is recorded.
        model: A legal name.
        source: The run that gave it.
        output: The artifact's name, the artifact, and the key of the action that gave it.
        contents: What is in the artifact.
        slot: Where it asks for a place.
        serving: Pinned with the version.
        more: Further fields of its manifest.
        facts: Further facts of its row.

    Raises:
        Refused: The actor may not.
    """
    artifact, found, key = output
    told: Document = {**(facts or {}), **({} if contents.card is None else {"bundle": contents.card.to_json()})}
    with governed(ws) as tx:
        acting = check_acting(ws, tx, "register")
        authors, since = describe_authors(ws, tx, model, source)
        number = tx.registry.take_number(model)
        manifest: Document = {
            **_describe(model=model, run=source, artifact_name=artifact, artifact=found, key=key, contents=contents),
            "version": number,
            "authors": authors,
            "authors_since": since,
            "serving": dict(serving or {}),
            "pickles": contents.pickles,
            "facts": digest_facts(told),
            **(more or {}),
        }
        [digest] = tx.documents.put([manifest])
        name = f"{model}@{number}"
        refs = {"bundle": str(found.digest), "manifest": str(digest), "run": source.run_id}
        entry = record_act(ws, tx, act="register", kind="version", object_id=name, acting=acting, body=manifest, refs=refs)
        version = ModelVersion(
            model, number, found, source.run_id, key, digest, created_at=entry.at, actor=acting.actor, facts=told, seq=entry.seq
        )
        tx.registry.add_version(version)
        if slot is not None:
            move(ws, tx, acting=acting, act="propose", version=version, slot=slot, to="Staging", reason="registered for this slot")
    return version


def digest_facts(facts: Mapping[str, Json]) -> str:
    """Return how a manifest names what a version's row has beside it: how the bundle is opened, and where it came from."""
    return digest_bytes(document_bytes(facts), "sha256")


def find_version_run(ws: Workspace, name: str) -> str:
    """Return the id of the run that MODEL@VERSION was registered from.

    Raises:
        InvalidInput: `name` has another form.
        NotFound: There is no such version.
    """
    with ws.store.begin(read_only=True) as tx:
        return tx.registry.get_version(*parse_version_name(name)).run_id


def find_output(tx: Transaction, run: Run, name: str) -> tuple[Artifact, Digest | None]:
    """Return an output of a sealed run, and the key of the action that gave it. Raises Refused, NotFound."""
    if run.state != "finished" or run.manifest is None:
        raise Refused(f"run {run.run_id} is {run.state}: only the outputs of a finished, sealed run can be registered")
    outputs = {a.name: a.artifact for a in tx.runs.list_artifacts(run.run_id) if a.direction == "output"}
    keys: dict[str, Digest | None] = {}
    for stage_run in tx.runs.list_stages(run.run_id):
        if stage_run.item is None:
            outputs |= stage_run.outputs
            keys |= dict.fromkeys(stage_run.outputs, stage_run.key)
    if name not in outputs:
        raise NotFound(f"run {run.run_id} has no output {name!r}; it has: {', '.join(sorted(outputs)) or 'none'}")
    return outputs[name], keys.get(name)


def read_contents(ws: Workspace, name: str, artifact: Artifact) -> Contents:
    """Return what is behind an artifact. Every byte is verified, and nothing is loaded.

    Raises:
        InvalidInput: A folder's `bundle.json` is no bundle description.
        Corrupt: The bytes are not what the run recorded.
    """
    if artifact.codec not in {"tree", "file"}:
        data = ws.blobs.get(artifact.digest)
        return Contents([describe_file(name, data)], None, scan_files([(name, data)]))
    scratch = ws.folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="register-", dir=scratch) as folder:
        unpacked = ws.codecs.decode(artifact, Path, ws.blobs, Path(folder))
        if not isinstance(unpacked, Path):
            raise InvalidInput(f"artifact {name!r} did not unpack to a path, but to {type(unpacked).__name__}")
        paths = sorted(p for p in unpacked.rglob("*") if p.is_file()) if unpacked.is_dir() else [unpacked]
        base = unpacked if unpacked.is_dir() else unpacked.parent
        files: list[Json] = [{"path": p.relative_to(base).as_posix(), "size": p.stat().st_size, "sha256": _sha256(p)} for p in paths]
        described = unpacked / BUNDLE_FILE
        card = parse_bundle_card(described.read_bytes()) if described.is_file() else None
        scan = scan_files((p.relative_to(base).as_posix(), p.read_bytes()) for p in paths)
    return Contents(files, card, scan)


def describe_file(path: str, data: bytes) -> Document:
    """Return how a manifest names a file."""
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(*, model: str, run: Run, artifact_name: str, artifact: Artifact, key: Digest | None, contents: Contents) -> Document:
    return {
        "kind": "model-version",
        "format": VERSION_FORMAT,
        "model": model,
        "artifact": artifact_name,
        "bundle": artifact.to_json(),
        "files": contents.files,
        "signature": None if contents.card is None else contents.card.signature.to_json(),
        "recipe": key,
        "run": run.run_id,
        "run_manifest": run.manifest,
        "commit": run.code.commit,
        "is_dirty": run.code.is_dirty,
    }
