"""About the API itself: what the kinds of problems mean."""

from incumbent.base.errors import NotFound
from incumbent.server.api.operation import Call, Operation, Out
from incumbent.server.errors import PROBLEMS
from incumbent.server.messages import Server
from incumbent.usecases.rights import PUBLIC


class ProblemKind(Out):
    """A kind of problem; `type` is what problem documents call it."""

    type: str
    status: int
    meaning: str


def get_problem(_server: Server, call: Call) -> object:
    """Say what a kind of problem means."""
    found = PROBLEMS.get(call.path["problem"])
    if found is None:
        raise NotFound(f"there is no such kind of problem; there are: {', '.join(PROBLEMS)}")
    return {"type": found.type, "status": found.status, "meaning": found.meaning}


_NOT_FOUND = PROBLEMS["not-found"]

OPERATIONS = (
    Operation(
        "get_problem", "about", "GET", "/problems/{problem}", PUBLIC, "Say what a kind of problem means, and what to do about it.",
        get_problem, ProblemKind, {"type": _NOT_FOUND.type, "status": 404, "meaning": _NOT_FOUND.meaning},
    ),
)  # fmt: skip
