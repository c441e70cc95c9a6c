"""Making a `Workspace`: which store, which blobs, which everything."""

import contextlib
import functools
import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from incumbent.base.digest import ALGORITHMS, Algorithm
from incumbent.base.errors import Corrupt, InvalidInput, Unavailable
from incumbent.bootstrap.blobs import FACTORY, describe_blobs, open_blobs
from incumbent.config import Settings
from incumbent.execution.code_reader import ProjectCodeReader
from incumbent.execution.codecs.compare import ArtifactCodecs
from incumbent.execution.environment import LocalEnvironment
from incumbent.execution.git_command import list_exposed
from incumbent.execution.inline_runner import InlineRunner
from incumbent.execution.key_folder import KeyFolder
from incumbent.execution.local_runner import LocalRunner
from incumbent.execution.processes import HostProcesses
from incumbent.execution.secret_box import SecretBox
from incumbent.execution.sources.capture import DeclaredSources
from incumbent.execution.spool import DiskSpools
from incumbent.execution.stat_cache import StatCache
from incumbent.execution.stored_tables import StoredTables
from incumbent.execution.system_clock import SystemClock, TimeIds
from incumbent.storage.sql_predictions import SqlPredictionLog
from incumbent.storage.sql_store import open_sql_store
from incumbent.usecases.ports import Runner
from incumbent.usecases.prediction_ports import PredictionLog
from incumbent.usecases.workspace import Workspace

_KEPT = "workspace.json"


def open_workspace(settings: Settings) -> Workspace:
    """Open the workspace that the settings describe, made new if there is none.

    Raises:
        InvalidInput: An address that is none or a server's, or a workspace of a newer version.
        Corrupt: The store is damaged.
        Unavailable: The folder cannot be written, or a server cannot be reached.
    """
    folder = settings.folder
    if settings.is_remote:
        raise InvalidInput(
            "INCUMBENT_URL names a server, and this works on a workspace itself: over HTTP Python has run, search_runs, live, trace, "
            "register, propose, evaluate, promote, roll_back and archive; for the rest, use the server's pages or its API, or unset "
            "INCUMBENT_URL"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _keep_out_of_git(folder)
        # Of a shared database many folders are one workspace: it remembers the algorithm itself, and says so if it is another.
        algorithm = settings.algorithm if settings.url else _keep_algorithm(folder, settings.algorithm)
    except OSError as error:
        raise Unavailable(f"workspace folder {folder} cannot be made or written: {error.strerror}") from error
    return _assemble(settings, algorithm, blobs_location=find_blobs(settings))


def find_blobs(settings: Settings) -> str:
    """Return where a workspace has its blobs: an address of a store, or a folder."""
    return settings.blobs_url or str(settings.folder / "blobs")


def list_exposed_files(settings: Settings) -> Sequence[str]:
    """Return what of the workspace folder a push would publish: the ledger's key lies there."""
    return list_exposed(settings.folder)


def _keep_out_of_git(folder: Path) -> None:
    ignored = folder / ".gitignore"
    if not ignored.exists():
        with contextlib.suppress(OSError):  # one that can only be read may be looked at all the same; `doctor` tells
            ignored.write_text("*\n", "utf-8")


def _assemble(settings: Settings, algorithm: Algorithm, *, blobs_location: str) -> Workspace:
    root, folder = settings.root, settings.folder
    argument = describe_blobs(blobs_location, algorithm)
    blobs = open_blobs(argument)
    codecs = ArtifactCodecs()
    attempts = folder / "tmp"

    def open_runner(executor: str) -> Runner:
        if executor == "inline":
            return InlineRunner(root=root, folder=attempts, state=folder, blobs=blobs, codecs=codecs)
        if executor == "local":
            return LocalRunner(
                root=root,
                folder=attempts,
                state=folder,
                blobs=blobs,
                blobs_factory=FACTORY,
                blobs_argument=argument,
                cores=settings.workers,
            )
        raise InvalidInput(f"executor {executor!r}: expected local or inline")

    def beside(other: Path) -> Workspace:
        elsewhere = replace(settings, root=other, url="")
        elsewhere.folder.mkdir(parents=True, exist_ok=True)
        return _assemble(elsewhere, algorithm, blobs_location=blobs_location)

    keys = KeyFolder(ledger=folder / "keys", personal=settings.keys_folder)
    store = open_sql_store(settings.url or f"sqlite:///{folder / 'incumbent.db'}", algorithm=algorithm, keys=keys)

    @functools.cache
    def open_predictions() -> PredictionLog:
        if settings.url:  # what one host answered is to be found from every other
            return SqlPredictionLog(store)
        # Arrow takes 0.2 s to import, and most commands need none of it.
        opened: PredictionLog = importlib.import_module("incumbent.storage.prediction_log.folder").open_prediction_log(
            folder / "predictions"
        )
        return opened

    made = Workspace(
        root=root,
        folder=folder,
        store=store,
        blobs=blobs,
        codecs=codecs,
        code=ProjectCodeReader(root, algorithm),
        environment=LocalEnvironment(root, algorithm),
        sources=DeclaredSources(root, blobs, codecs, StatCache(folder / "stat.db")),
        spools=DiskSpools(folder / "spool"),
        clock=SystemClock(),
        ids=TimeIds(),
        keys=keys,
        secrets=SecretBox(folder / "keys"),
        tables=StoredTables(codecs, blobs, folder / "tmp"),
        processes=HostProcesses(),
        open_runner=open_runner,
        beside=beside,
        open_predictions=open_predictions,
        actor=settings.account or settings.actor,
        owns_blobs=bool(settings.url) or not settings.blobs_url,
    )
    return made.named(settings.actor)


def _keep_algorithm(folder: Path, wanted: Algorithm) -> Algorithm:
    """Return the digest algorithm that this workspace began with; write it down if it is new."""
    path = folder / _KEPT
    try:
        kept = json.loads(path.read_text("utf-8")).get("digest")
    except FileNotFoundError:
        draft = folder / f"{_KEPT}.{os.getpid()}"
        draft.write_text(json.dumps({"digest": wanted}), "utf-8")
        try:
            os.link(draft, path)  # the first of two at once decides
        except FileExistsError:
            return _keep_algorithm(folder, wanted)
        finally:
            draft.unlink()
        return wanted
    except (ValueError, AttributeError) as error:
        raise Corrupt(f'{path} does not say which digests this workspace has; restore it: {{"digest": "blake3"}} or sha256') from error
    for known in ALGORITHMS:
        if kept == known:
            return known
    raise InvalidInput(f"{path} names digest algorithm {kept!r}, which this version does not know; upgrade Incumbent")
