"""A run's page: what it was given, what it measured, stage by stage what happened and why, what it gave, where that went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.metric import MetricPoint
from incumbent.registry.lineage import Step
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.chart import Chart, Series, draw_chart
from incumbent.server.pages.render import link, page, problems_as_pages
from incumbent.server.pages.words import show_value
from incumbent.tracking.compare import flatten, stage_name
from incumbent.usecases.log_run import get_points, get_run
from incumbent.usecases.trace import trace

CHARTS_MAX = 24
SERIES_MAX = 6
STEPS_MAX = 200
_SHOWN_ELSEWHERE = {"config", "environment", "error", "sources"}
_LABELS = {"pipeline": "defined in", "policy": "undeclared reads", "widened": "keys widened"}
"""What a fact says, where its name alone would not."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its title."""

    title: str
    chart: Chart


@problems_as_pages
def show_run(server: Server, request: Request) -> Response:
    """Show a run."""
    ws = server.ws
    details = get_run(ws, run_id=request.path["run"])
    one = details.run
    is_log = request.read_query().get("scale") == "log"
    groups = group_series(list(details.metrics))[:CHARTS_MAX]
    drawn = [name for group in groups for name in group]
    points = get_points(ws, run_id=one.run_id, names=drawn)
    environment = dict(details.environment)
    distributions = environment.pop("distributions", None)
    lineage = trace(ws, one.run_id)
    facts = {_LABELS.get(name, name): value for name, value in one.facts.items() if name not in _SHOWN_ELSEWHERE and value not in ({}, [])}
    return page(
        "run.html", f"Run {one.name or one.run_id}", room="/runs", details=details, run=one, is_log=is_log,
        other_scale=link("runs", one.run_id, scale=None if is_log else "log"),
        figures=list_figures(groups, points, is_log=is_log), stage_name=stage_name,
        params=_texts(one.params), facts=_texts(facts), tags=sorted(one.tags.items()),
        counts={n: len(found) for n, found in points.items()},
        environment=[(name, show_value(value)) for name, value in flatten(environment)],
        distributions=sorted(distributions.items()) if isinstance(distributions, dict) else [],
        uses=_first(list(lineage.tell(lineage.uses))), origins=_first(list(lineage.tell(lineage.origins))), error=one.facts.get("error"),
    )  # fmt: skip


def _texts(values: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [(name, show_value(value)) for name, value in sorted(values.items())]


def _first(steps: list[Step]) -> list[Step]:
    return steps[:STEPS_MAX]


def group_series(names: Sequence[str]) -> list[list[str]]:
    """Return metrics that belong in one picture together: those whose last word, after "." or "/", is the same.

    >>> group_series(["train/loss", "valid/loss", "lr"])
    [['train/loss', 'valid/loss'], ['lr']]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.replace("/", ".").rpartition(".")[2], []).append(name)
    return [group[at : at + SERIES_MAX] for group in groups.values() for at in range(0, len(group), SERIES_MAX)]


def list_figures(groups: Sequence[Sequence[str]], points: Mapping[str, Sequence[MetricPoint]], *, is_log: bool) -> list[Figure]:
    """Return a figure for each group in which something was logged more than once."""
    figures = []
    for group in groups:
        series = [to_series(name, points[name]) for name in group if len(points.get(name, ())) > 1]
        if series:
            figures.append(Figure(", ".join(one.name for one in series), draw_chart(series, is_log=is_log)))
    return figures


def to_series(name: str, points: Sequence[MetricPoint]) -> Series:
    """Return points as a series, by step; points of one step stay in the order in which they were logged."""
    ordered = sorted(points, key=lambda point: point.step)
    return Series(name, [float(point.step) for point in ordered], [point.value for point in ordered])
