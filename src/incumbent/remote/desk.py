"""What a run needs to be logged to a server: the server as its sink, and what is at hand of this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from incumbent.remote.run_sink import ServerSink
from incumbent.usecases.ports import Blobs, Clock, Codecs, CodeReader, EnvironmentProbe, Ids, Processes
from incumbent.usecases.spools import Spools


@dataclass(frozen=True, slots=True)
class Desk:
    """See `incumbent.usecases.sink.Logging`.

    Attributes:
        blobs: Where the bytes of artifacts wait until the server has them.
        actor: Who acts, as this machine knows them; the server goes by the token.
        account: None speaks for another here.
        close: Gives up the connections.
    """

    sink: ServerSink
    spools: Spools
    blobs: Blobs
    codecs: Codecs
    code: CodeReader
    environment: EnvironmentProbe
    clock: Clock
    ids: Ids
    processes: Processes
    actor: str
    close: Callable[[], None]
    account: str = ""
