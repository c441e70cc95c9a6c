"""The routes, as one table: method, path, who answers, which right it takes.

`{name}` is one segment, percent-decoded after splitting; `{name*}`, at the end, is all that is left, decoded as a whole.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from urllib.parse import unquote_to_bytes

from incumbent.base.errors import InvalidInput
from incumbent.server import health, inference_v2, invocations, metrics
from incumbent.server.access import mlflow_right
from incumbent.server.api.answering import answer
from incumbent.server.api.table import OPERATIONS
from incumbent.server.auth import pages as log_in_pages
from incumbent.server.auth import provider_pages
from incumbent.server.auth import style as log_in_style
from incumbent.server.errors import HttpProblem
from incumbent.server.group import Write
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.paths import FILE_PATHS as MLFLOW_FILE_PATHS
from incumbent.server.mlflow.paths import PATHS as MLFLOW_PATHS
from incumbent.server.mlflow.paths import STEADY
from incumbent.server.pages import compare, home, ledger, models, pipelines, run, runs, slots, static_files
from incumbent.usecases.rights import METRICS, PREDICT, PUBLIC, READ, RIGHTS, SESSION

Answerer = Callable[[Server, Request], Response | Write]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table.

    Attributes:
        right: What whoever asks has to have, from `incumbent.usecases.rights`; there is no route without one.
        body: "stream" for a route that reads `request.pieces`: its body has a higher limit, and is never whole in memory.
        is_steady: What it answers rests on the request and the metadata store alone, so that it holds until somebody commits.

    Raises:
        InvalidInput: There is no such right, so the server does not start.
    """

    method: str
    path: str
    answer: Answerer
    right: str
    body: Literal["whole", "stream"] = "whole"
    is_steady: bool = False

    def __post_init__(self) -> None:
        if self.right not in RIGHTS:
            raise InvalidInput(f"{self.method} {self.path}: {self.right!r} is no right; a route takes one of {', '.join(RIGHTS)}")


ROUTES = (
    Route("GET", "/", home.show_home, READ),
    Route("POST", "/", home.try_prediction, PREDICT),
    Route("GET", "/home.css", static_files.get_style, PUBLIC),
    Route("GET", "/pages.js", static_files.get_script, PUBLIC),
    Route("GET", "/runs", runs.show_runs, READ),
    Route("GET", "/runs/compare", compare.show_comparison, READ),
    Route("GET", "/runs/{run}", run.show_run, READ),
    Route("GET", "/pipelines", pipelines.show_pipelines, READ),
    Route("GET", "/pipelines/{pipeline}", pipelines.show_pipeline, READ),
    Route("GET", "/models", models.show_models, READ),
    Route("GET", "/models/{model}", models.show_model, READ),
    Route("GET", "/models/{model}/{number}", models.show_version, READ),
    Route("GET", "/slots/{slot}", slots.show_slot, READ),
    Route("GET", "/ledger", ledger.show_ledger, READ),
    Route("GET", "/ledger/{seq}", ledger.show_entry, READ),
    Route("GET", "/healthz", health.get_health, PUBLIC),
    Route("GET", "/readyz", health.get_readiness, PUBLIC),
    Route("GET", "/metrics", metrics.get_metrics, METRICS),
    *(
        Route(one.method, one.full_path, partial(answer, one), one.right, "stream" if one.takes_stream else "whole", one.is_steady)
        for one in OPERATIONS
    ),
    Route("GET", "/v2", inference_v2.get_server, PUBLIC),
    Route("GET", "/v2/health/live", inference_v2.get_live, PUBLIC),
    Route("GET", "/v2/health/ready", inference_v2.get_ready, PUBLIC),
    Route("GET", "/v2/models/{slot}", inference_v2.get_model, READ),
    Route("GET", "/v2/models/{slot}/ready", inference_v2.get_model_ready, READ),
    Route("POST", "/v2/models/{slot}/infer", inference_v2.infer, PREDICT),
    Route("GET", "/v2/models/{slot}/versions/{version}", inference_v2.get_model, READ),
    Route("GET", "/v2/models/{slot}/versions/{version}/ready", inference_v2.get_model_ready, READ),
    Route("POST", "/v2/models/{slot}/versions/{version}/infer", inference_v2.infer, PREDICT),
    Route("POST", "/slots/{slot}/invocations", invocations.invoke, PREDICT),
    Route("GET", "/log-in", log_in_pages.show_log_in, PUBLIC),
    Route("POST", "/log-in", log_in_pages.do_log_in, PUBLIC),
    Route("GET", log_in_style.PATH, log_in_style.get_style, PUBLIC),
    Route("GET", "/log-in/provider", provider_pages.begin_at_provider, PUBLIC),
    Route("GET", "/log-in/callback", provider_pages.finish_at_provider, PUBLIC),
    Route("POST", "/log-out", log_in_pages.do_log_out, SESSION),
    Route("GET", "/set-up/{secret}", log_in_pages.show_set_up, PUBLIC),
    Route("POST", "/set-up/{secret}", log_in_pages.do_set_up, PUBLIC),
    Route("GET", "/password", log_in_pages.show_password, SESSION),
    Route("POST", "/password", log_in_pages.do_password, SESSION),
    *(Route(method, path, answer, mlflow_right(method, path), is_steady=answer in STEADY) for method, path, answer in MLFLOW_PATHS),
    *(
        Route(method, path, answer, mlflow_right(method, path), "stream" if method == "PUT" else "whole")
        for method, path, answer in MLFLOW_FILE_PATHS
    ),
)

_Pattern = Sequence[bytes]


class RouteIndex:
    """A table of routes, made to be searched.

    Attributes:
        plain: Method and path of a route without placeholders -> it.
        by_beginning: Segments before a route's first placeholder -> its place in the table, the route, all its segments.
    """

    def __init__(self, table: Sequence[Route]) -> None:
        self.plain = {(one.method, one.path.encode("ascii")): one for one in table if "{" not in one.path}
        self.by_beginning: dict[tuple[bytes, ...], list[tuple[int, Route, _Pattern]]] = {}
        for place, route in enumerate(table):
            pattern = route.path.encode("ascii").split(b"/")[1:]
            beginning = tuple(itertools.takewhile(lambda part: not part.startswith(b"{"), pattern))
            self.by_beginning.setdefault(beginning, []).append((place, route, pattern))


INDEX = RouteIndex(ROUTES)


def routes_table() -> str:
    """Return the table of routes and the rights that they ask for, in Markdown."""
    return "| method | path | right |\n|---|---|---|\n" + "".join(f"| {one.method} | `{one.path}` | `{one.right}` |\n" for one in ROUTES)


def find_route(method: str, raw_path: bytes) -> tuple[Route, Mapping[str, str]]:
    """Return the route of a request and what its placeholders stand for. HEAD goes where GET goes.

    Raises:
        HttpProblem: No such path (404), or the path knows other methods (405, with Allow).
        InvalidInput: A segment is not UTF-8.
    """
    wanted = "GET" if method == "HEAD" else method
    if (wanted, raw_path) in INDEX.plain:
        return INDEX.plain[wanted, raw_path], {}
    segments = raw_path.split(b"/")[1:]
    allowed: set[str] = set()
    known = (INDEX.by_beginning.get(tuple(segments[:count]), ()) for count in range(len(segments) + 1))
    for _, route, pattern in sorted(itertools.chain.from_iterable(known), key=lambda one: one[0]):
        values = _match(pattern, segments)
        if values is not None:
            if route.method == wanted:
                return route, values
            allowed |= {route.method, "HEAD"} if route.method == "GET" else {route.method}
    if allowed:
        methods = ", ".join(sorted(allowed))
        raise HttpProblem(405, f"{method} is not known at this path; it takes {methods}", {"allow": methods})
    raise HttpProblem(404, "there is nothing at this path; the '/' in a slot's name is written %2F in an address")


def _match(pattern: _Pattern, segments: list[bytes]) -> dict[str, str] | None:
    if pattern[-1].endswith(b"*}") and len(segments) > len(pattern):
        last = len(pattern) - 1
        segments = [*segments[:last], b"/".join(segments[last:])]
    if len(pattern) != len(segments):
        return None
    values = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith(b"{"):
            values[part.strip(b"{*}").decode("ascii")] = segment
        elif part != segment:
            return None
    try:
        return {name: unquote_to_bytes(segment).decode("utf-8") for name, segment in values.items()}
    except UnicodeDecodeError:
        raise InvalidInput("the address is not UTF-8") from None
