"""How many versions a server judges at once: each evaluation and examination starts processes of its own, and measures their time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from incumbent.base.errors import Unavailable
from incumbent.bootstrap.models import open_model_host
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace

JUDGED_MAX = 2
TAKES_TIME = (
    f"The answer comes when it is done, which may take minutes; a server judges {JUDGED_MAX} versions at once, by evaluations and "
    "examinations together, and answers 503 to more. Send an Idempotency-Key: after a broken connection the same request is answered 409 "
    "while the first goes on, then as it was."
)
_JUDGING = threading.BoundedSemaphore(JUDGED_MAX)


@contextmanager
def judging(ws: Workspace) -> Iterator[ModelHost]:
    """Give a host of models that lasts as long as the block. Raises Unavailable while so many are judged already."""
    if not _JUDGING.acquire(blocking=False):
        raise Unavailable(f"{JUDGED_MAX} versions are being judged, which is all that this server does at once; try again later")
    try:
        host = open_model_host(ws)
        try:
            yield host
        finally:
            host.close()
    finally:
        _JUDGING.release()
