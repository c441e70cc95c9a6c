"""Verbs that read, asked of a server."""

from collections.abc import Sequence
from itertools import islice

from incumbent.base.errors import InvalidInput
from incumbent.remote.connection import Connection
from incumbent.remote.values import read_run
from incumbent.tracking.run import Run

PAGE_MAX = 500


def search_runs(connection: Connection, *, query: str, limit: int) -> Sequence[Run]:
    """Return the runs that a query matches; see `incumbent.usecases.log_run.search_runs`."""
    if limit < 1:
        raise InvalidInput(f"limit {limit}: a search returns at least one run")
    found = connection.list_items("/runs", {"query": query, "limit": min(limit, PAGE_MAX)})
    return [read_run(one) for one in islice(found, limit)]
