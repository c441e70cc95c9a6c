"""Opens what is at hand of a server's workspace: a connection, and for logging a folder of its own in `.incumbent/servers/`.

What waits for one server is kept apart from what waits for another, and from the spool of a workspace in the same folder: a run that
could not be sent must not end up in a store that it was never meant for.
"""

import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import cast

from incumbent.base.digest import ALGORITHMS, Algorithm
from incumbent.base.errors import IncumbentError, Refused, Unavailable
from incumbent.bootstrap.blobs import describe_blobs, open_blobs
from incumbent.config import Settings
from incumbent.execution.code_reader import ProjectCodeReader
from incumbent.execution.codecs.compare import ArtifactCodecs
from incumbent.execution.environment import LocalEnvironment
from incumbent.execution.processes import HostProcesses
from incumbent.execution.spool import DiskSpools
from incumbent.execution.system_clock import SystemClock, TimeIds
from incumbent.remote.connection import LOGGING, Connection
from incumbent.remote.desk import Desk
from incumbent.remote.run_sink import ServerSink
from incumbent.remote.uploads import ask_algorithm
from incumbent.remote.verbs import Verbs
from incumbent.usecases.drain_spools import drain_spools

__all__ = ["Verbs", "open_desk", "open_server"]
_KEPT = "server.json"


def open_server(settings: Settings) -> Verbs:
    """Return what can be asked of the server. What earlier runs left here is sent first, where the server takes it.

    Raises:
        InvalidInput: An address that is none, or of something that is no server of ours.
        Unavailable: The folder cannot be written.
    """
    connection = Connection(settings.url, settings.token)
    if any((_folder(settings, connection) / "spool").glob("*.spool")):
        try:
            open_desk(settings).close()
        except (Refused, Unavailable) as error:  # whoever may only read reads all the same
            _warn(settings, connection, error)
    return Verbs(connection, lambda: TimeIds().new("key"))


def open_desk(settings: Settings) -> Desk:
    """Return what a run needs to be logged to the server, which may be away.

    What earlier runs left here is sent first, where the server takes it.

    Raises:
        InvalidInput: An address that is none, or of something that is no server of ours.
        Refused: The server lets nobody in with this token. Better now than when the run is over.
        Unavailable: The folder cannot be written.
    """
    connection = Connection(settings.url, settings.token, patience=LOGGING)
    folder = _folder(settings, connection)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        algorithm = _find_algorithm(connection, folder, settings.algorithm)
    except OSError as error:
        raise Unavailable(f"folder {folder} cannot be made or written: {error.strerror}") from error
    clock = SystemClock()
    blobs = open_blobs(describe_blobs(str(folder / "outbox"), algorithm))
    desk = Desk(
        sink=ServerSink(connection, blobs, clock),
        spools=DiskSpools(folder / "spool"),
        blobs=blobs,
        codecs=ArtifactCodecs(),
        code=ProjectCodeReader(settings.root, algorithm),
        environment=LocalEnvironment(settings.root, algorithm),
        clock=clock,
        ids=TimeIds(),
        processes=HostProcesses(),
        actor=settings.actor,
        close=connection.close,
    )
    try:
        drain_spools(desk)
    except Unavailable as error:
        _warn(settings, connection, error)
    return desk


def _folder(settings: Settings, connection: Connection) -> Path:
    address = connection.address
    readable = re.sub(r"[^a-z0-9.]+", "-", address.partition("://")[2].lower())[:60]
    return settings.folder / "servers" / f"{readable}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def _warn(settings: Settings, connection: Connection, error: IncumbentError) -> None:
    waiting = _folder(settings, connection)
    warnings.warn(f"{error}. What was logged before waits in {waiting}, and is sent later", RuntimeWarning, stacklevel=5)


def _find_algorithm(connection: Connection, folder: Path, default: Algorithm) -> Algorithm:
    """Ask the server how it names bytes; while it is away, what it said last holds."""
    kept = folder / _KEPT
    try:
        found = ask_algorithm(connection)
    except Unavailable:
        try:
            said = json.loads(kept.read_text("utf-8"))["digest"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            said = default
        return cast(Algorithm, said) if said in ALGORITHMS else default
    draft = folder / f"{_KEPT}.{os.getpid()}"
    draft.write_text(json.dumps({"digest": found}), "utf-8")
    draft.replace(kept)
    return found
