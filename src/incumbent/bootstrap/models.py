"""Makes what answers from models: a bundle of a fitted model, a host for a server, one bundle opened for a stage or a test."""

from pathlib import Path

from incumbent.base.errors import InvalidInput
from incumbent.execution.bundles.pack import pack_model
from incumbent.execution.model_host import LocalModelHost, ModelProcess
from incumbent.registry.bundle import BUNDLE_FILE
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace

__all__ = ["open_bundle", "open_model_host", "pack_model"]


def open_model_host(ws: Workspace, *, allow_pickle: bool = False) -> ModelHost:
    """Return a host of model processes that takes bundles from the workspace; close it to stop them.

    Bundles that need a pickle are refused unless `allow_pickle`.
    """
    return LocalModelHost(ws.codecs, ws.blobs, ws.folder / "tmp", allow_pickle=allow_pickle)


def open_bundle(folder: Path, *, allow_pickle: bool = False) -> ModelProcess:
    """Return a bundle ready to be asked, in a process of its own, just as the server would ask it.

    Use it in a `with` block: `answer(columns)` gives columns, checked against the bundle's signature on both sides.

    Args:
        folder: The bundle.
        allow_pickle: Open it even if that means unpickling a file, which can run code that came with it.

    Raises:
        Refused: The bundle needs a pickle, and `allow_pickle` does not say so.
        InvalidInput: The folder has no `bundle.json`, or it is not one that this release reads.
    """
    if not (folder / BUNDLE_FILE).is_file():
        raise InvalidInput(f"{folder} is not a bundle: it has no {BUNDLE_FILE}; incumbent.pack_model and pack_bundle write one")
    return ModelProcess(folder, allow_pickle=allow_pickle)
