"""Makes what answers from models: a host for a server, one bundle for a stage or a test."""

from pathlib import Path

from incumbent.base.errors import InvalidInput
from incumbent.execution.model_host import LocalModelHost, ModelProcess
from incumbent.registry.bundle import BUNDLE_FILE
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace


def open_model_host(ws: Workspace) -> ModelHost:
    """Return a host of model processes that takes bundles from the workspace; close it to stop them."""
    return LocalModelHost(ws.codecs, ws.blobs, ws.folder / "tmp")


def open_bundle(folder: Path) -> ModelProcess:
    """Return a bundle ready to be asked, in a process of its own, just as the server would ask it.

    Use it in a `with` block: `answer(columns)` gives columns, checked against the bundle's signature on both sides.

    Raises:
        InvalidInput: The folder has no `bundle.json`, or it is not one that this release reads.
    """
    if not (folder / BUNDLE_FILE).is_file():
        raise InvalidInput(f"{folder} is not a bundle: it has no {BUNDLE_FILE}; incumbent.pack_bundle writes one")
    return ModelProcess(folder)
