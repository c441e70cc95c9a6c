"""From a problem document to the error that the same verb raises on a workspace of one's own."""

from collections.abc import Mapping

import msgspec

from incumbent.base.errors import Busy, Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable

_DETAIL_CHARACTERS_MAX = 8_000


class NotLetIn(Refused):
    """The server does not know who asks, or they may not: another token may do."""


ERRORS: Mapping[str, type[IncumbentError]] = {
    "invalid-input": InvalidInput, "unauthenticated": NotLetIn, "forbidden": NotLetIn, "not-found": NotFound,
    "method-not-allowed": InvalidInput, "too-slow": Unavailable, "conflict": Conflict, "too-large": InvalidInput,
    "unsupported-type": InvalidInput, "range-not-satisfiable": InvalidInput, "wrong-host": InvalidInput, "refused": Refused,
    "key-of-another-request": Conflict, "precondition-failed": Conflict, "too-many": Busy,
    "failed": Unavailable, "corrupt": Corrupt, "not-supported": InvalidInput,
    "unavailable": Unavailable,
}  # fmt: skip
"""Name of a problem -> error. A name of a later release is judged by its status."""


def read_problem(address: str, status: int, body: bytes) -> IncumbentError:
    """Return the error that an answer stands for.

    Args:
        address: Of the server, for the message.
        status: 400 or above; also a redirect, which is not followed: a token is meant for one address.
        body: A problem document, or what a proxy says instead.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    match document:
        case {"type": str(kind), "detail": str(detail)}:
            found = ERRORS.get(kind.rpartition("/")[2])
            return (found or _by_status(status))(detail[:_DETAIL_CHARACTERS_MAX])
    if 300 <= status < 400:
        return InvalidInput(f"{address} sends elsewhere (status {status}), and that is not followed; write the server's own address")
    if status in (404, 405, 501):
        return InvalidInput(f"{address} has no API of Incumbent's (status {status}); is it the address of an `incumbent server`?")
    return _by_status(status)(f"{address} answers with status {status} and without a reason; something between may have answered for it")


def _by_status(status: int) -> type[IncumbentError]:
    if status in (401, 403):
        return NotLetIn
    return InvalidInput if status < 500 and status not in (408, 429) else Unavailable
