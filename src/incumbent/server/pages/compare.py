"""Runs side by side: what differs is marked, in words too; metrics with a history are drawn one over the other."""

from urllib.parse import parse_qs

from incumbent.base.errors import InvalidInput
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.chart import Series, draw_chart
from incumbent.server.pages.render import link, page, problems_as_pages
from incumbent.server.pages.run import CHARTS_MAX, SERIES_MAX, Figure, to_series
from incumbent.server.pages.words import ABSENT, show_value
from incumbent.usecases.log_run import compare, get_points

RUNS_MAX = SERIES_MAX
"""As many as can be told apart in a chart."""


@problems_as_pages
def show_comparison(server: Server, request: Request) -> Response:
    """Show runs side by side."""
    ids = read_ids(request.query)
    fields = request.read_query()
    comparison = compare(server.ws, run_ids=ids)
    has_all, is_log = fields.get("all") == "1", fields.get("scale") == "log"
    rows = comparison.rows if has_all else comparison.differences
    joined = ",".join(comparison.run_ids)
    return page(
        "compare.html", f"Compare {len(comparison.run_ids)} runs", room="/runs", comparison=comparison, has_all=has_all, is_log=is_log,
        rows=[(row, [show_value(v) if has else ABSENT for v, has in zip(row.values, row.has, strict=True)]) for row in rows],
        other=link("runs", "compare", ids=joined, all=None if has_all else "1", scale="log" if is_log else None),
        other_scale=link("runs", "compare", ids=joined, all="1" if has_all else None, scale=None if is_log else "log"),
        figures=_list_figures(server, comparison.run_ids, is_log=is_log),
    )  # fmt: skip


def read_ids(query: str) -> list[str]:
    """Return the runs that an address names: `ids` given several times, or once with commas.

    Raises:
        InvalidInput: Fewer than two, or too many.

    >>> read_ids("ids=run-a&ids=run-b,run-c")
    ['run-a', 'run-b', 'run-c']
    """
    found = [one.strip() for text in parse_qs(query, max_num_fields=200).get("ids", []) for one in text.split(",")]
    ids = list(dict.fromkeys(one for one in found if one))
    if not 2 <= len(ids) <= RUNS_MAX:
        raise InvalidInput(f"comparing takes two to {RUNS_MAX} runs, not {len(ids)}: tick them in the runs table")
    return ids


def _list_figures(server: Server, run_ids: tuple[str, ...], *, is_log: bool) -> list[Figure]:
    drawn: dict[str, list[Series]] = {}
    for run_id in run_ids:
        for name, points in get_points(server.ws, run_id=run_id).items():
            if len(points) > 1:
                one = to_series(name, points)
                drawn.setdefault(name, []).append(Series(run_id, one.x, one.y))
    return [Figure(name, draw_chart(series, is_log=is_log)) for name, series in sorted(drawn.items())[:CHARTS_MAX]]
