"""`incumbent runs`: list, search, show, compare and export runs, tell others of their lineage, and add notes to them."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.base.metric import MetricPoint
from incumbent.base.shown import show_line
from incumbent.bootstrap.carriers import open_carrier
from incumbent.bootstrap.lineage import open_catalogue
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.config import read_settings
from incumbent.tracking.compare import Row, RunDetails, flatten, stage_name
from incumbent.tracking.manifest import number_json, stage_document
from incumbent.tracking.record import artifact_document, run_document
from incumbent.tracking.run import Run
from incumbent.tracking.search import Combination, Comparison, Condition, Query, parse_query
from incumbent.usecases import log_run
from incumbent.usecases.drain_spools import drain_spools
from incumbent.usecases.openlineage import get_lineage_events, make_catalogue, send_lineage
from incumbent.usecases.stage_logs import list_stage_logs
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent runs ls --experiment credit
  incumbent runs search "metrics.auc > 0.9 and params.depth = 6 order by metrics.auc desc"
  incumbent runs search "state in ('failed', 'killed') and started_at > '2013-01-31'"
  incumbent runs search "tags.`git branch` like 'feature/%' or not (params.lr < 0.1)"
  incumbent runs show run-0a1b2c                      a unique beginning of an id will do
  incumbent runs show run-0a1b2c --verify             compute the seal again from what is stored
  incumbent runs log run-0a1b2c                       what its stages printed
  incumbent runs compare run-0a1b2c run-3d4e5f        only what differs; --all for everything
  incumbent runs note run-0a1b2c "the one we showed to the board"
  incumbent runs export run-0a1b2c --output run.json  everything, with every metric point
  incumbent runs lineage run-0a1b2c                   as OpenLineage events, one a line

fields of a search: metrics.NAME (its last value), params.NAME, tags.NAME, and of the run itself: state, name, experiment,
pipeline, run_id, parent_id, started_at, ended_at, duration_s, commit, seed.
operators: = != < <= > >= like ilike in not-in; and, or, not, parentheses; order by FIELD [desc], ...
"""
_VALUE_SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|search|show|log|compare|note|export|lineage", required=True)

    def verb(name: str, run_verb: Callable[[Workspace, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(run_verb=run_verb)
        if name not in ("note", "export", "lineage"):
            sub.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
        return sub

    ls = verb("ls", _ls, "list runs, newest first")
    ls.add_argument("--experiment", help="only the runs of this experiment")
    search = verb("search", _search, "list the runs that a query matches")
    search.add_argument("query", metavar="QUERY", help='such as "metrics.auc > 0.9 order by metrics.auc desc"; see `runs --help`')
    for sub in (ls, search):
        sub.add_argument("--limit", type=int, default=log_run.SEARCH_LIMIT, help="at most so many runs (default: %(default)s)")
        sub.add_argument("--offset", type=int, default=0, help="leave out so many first")
    show = verb("show", _show, "show all that is known of a run")
    show.add_argument("run", metavar="RUN")
    show.add_argument("--verify", action="store_true", help="compute the seal again; exit code 4 if the run is not what was sealed")
    log = verb("log", _log, "print what the stages of a run printed")
    log.add_argument("run", metavar="RUN")
    log.add_argument("stage", metavar="STAGE", nargs="?", default="", help="only this stage")
    compare = verb("compare", _compare, "show where runs differ")
    compare.add_argument("runs", metavar="RUN", nargs="+")
    compare.add_argument("--all", action="store_true", help="show what they share as well")
    note = verb("note", _note, "add a note to a run, sealed or not")
    note.add_argument("run", metavar="RUN")
    note.add_argument("text", metavar="TEXT")
    export = verb("export", _export, "write a run, with every metric point, as one JSON document")
    export.add_argument("run", metavar="RUN")
    export.add_argument("--output", type=Path, metavar="FILE", help="where to (default: stdout)")
    lineage = verb("lineage", _lineage, "write what a run took and gave as OpenLineage events, one a line")
    lineage.add_argument("run", metavar="RUN")
    lineage.add_argument("--output", type=Path, metavar="FILE", help="where to (default: stdout)")
    lineage.add_argument(
        "--send", nargs="?", const="", metavar="URL",
        help="send them to this server of OpenLineage instead (default: that of INCUMBENT_LINEAGE_URL, with its key)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_here()
    try:
        for loss in drain_spools(ws).losses:
            say(f"incumbent: {loss}", file=sys.stderr)
        code: int = arguments.run_verb(ws, arguments)
        return code
    finally:
        ws.store.close()


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    condition = None if arguments.experiment is None else Comparison("attributes", "experiment", "=", arguments.experiment)
    return _list(ws, Query(condition), arguments)


def _search(ws: Workspace, arguments: argparse.Namespace) -> int:
    return _list(ws, parse_query(arguments.query), arguments)


def _list(ws: Workspace, query: Query, arguments: argparse.Namespace) -> int:
    runs = log_run.search_runs(ws, query=query, limit=arguments.limit, offset=arguments.offset)
    points = log_run.get_last_points(ws, run_ids=[one.run_id for one in runs])
    if arguments.json:
        listed: list[Json] = [{**run_document(one), "metrics": _last_values(points.get(one.run_id, {}))} for one in runs]
        print_json({"runs": listed})
        return 0
    if not runs:
        say("no run matches" if query != Query() else "no runs yet; `incumbent run` makes one", file=sys.stderr)
        return 0
    fields = list(dict.fromkeys(_fields(query)))
    headers = ["RUN", "STATE", "STARTED", "DURATION", "EXPERIMENT", "NAME", *(f"{entity}.{name}" for entity, name in fields)]
    rows = [
        [one.run_id, one.state, show_time(one.started_at), _duration(one), one.experiment, one.name]
        + [_cell(entity, name, one, points.get(one.run_id, {})) for entity, name in fields]
        for one in runs
    ]
    print_table(headers, rows)
    return 0


def _fields(query: Query) -> Iterator[tuple[str, str]]:
    """Yield what a query asks of params, metrics and tags: a list shows what it was searched by."""
    pending: list[Condition] = [] if query.condition is None else [query.condition]
    while pending:
        one = pending.pop()
        if isinstance(one, Combination):
            pending.extend(one.parts[::-1])
        elif one.entity != "attributes":
            yield one.entity, one.name
    yield from ((key.entity, key.name) for key in query.order if key.entity != "attributes")


def _cell(entity: str, name: str, one: Run, points: Mapping[str, MetricPoint]) -> str:
    if entity == "metrics":
        return f"{points[name].value:.6g}" if name in points else "-"
    values: Mapping[str, Json] = one.params if entity == "params" else dict(one.tags)
    return _text(values[name]) if name in values else "-"


def _last_values(points: Mapping[str, MetricPoint]) -> Document:
    return {name: _last_value(point) for name, point in points.items()}


def _log(ws: Workspace, arguments: argparse.Namespace) -> int:
    logs = list(list_stage_logs(ws, run_id=arguments.run, stage=arguments.stage))
    if arguments.json:
        print_json([{"stage": stage, "text": text} for stage, text in logs])
        return 0
    for stage, text in logs:
        say(f"--- {stage}\n{text.rstrip()}")
    if not logs:
        say("nothing was printed")
    return 0


def _last_value(point: MetricPoint) -> Document:
    return {"last": number_json(point.value), "step": point.step, "at": point.at.isoformat()}


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    details = log_run.get_run(ws, run_id=arguments.run)
    points = log_run.get_points(ws, run_id=details.run.run_id)
    seal = log_run.verify_seal(ws, run_id=details.run.run_id) if arguments.verify else None
    if arguments.json:
        print_json({**_details_document(details, points), **({"seal_verified": True} if seal else {})})
        return 0
    for line in _render(details, points, is_verified=seal is not None):
        say(line)
    return 0


def _details_document(details: RunDetails, points: Mapping[str, Sequence[MetricPoint]]) -> Document:
    metrics: Document = {name: {**_last_value(details.metrics[name]), **_range(history)} for name, history in points.items()}
    return {
        **run_document(details.run),
        "metrics": metrics,
        "stages": [stage_document(stage) for stage in details.stages],
        "artifacts": [artifact_document(one) for one in details.artifacts],
        "notes": [{"at": note.at.isoformat(), "actor": note.actor, "text": note.text} for note in details.notes],
        "environment": details.environment,
    }


def _range(history: Sequence[MetricPoint]) -> Document:
    """Smallest and largest value; NaN is neither, unless there is nothing else."""
    values = [point.value for point in history if not math.isnan(point.value)] or [math.nan]
    return {"points": len(history), "min": number_json(min(values)), "max": number_json(max(values))}


def _render(details: RunDetails, points: Mapping[str, Sequence[MetricPoint]], *, is_verified: bool) -> Iterator[str]:
    one = details.run
    yield f"{one.run_id}  {one.name}"
    yield from _block(_about(one, is_verified=is_verified))
    yield from _section("params", [(name, _text(value)) for name, value in sorted(one.params.items())])
    yield from _section("metrics", [(name, _metric_text(details.metrics[name], history)) for name, history in points.items()])
    for direction in ("input", "output"):
        found = [artifact for artifact in details.artifacts if artifact.direction == direction]
        lines = [(each.name, f"{each.artifact.digest}  {each.artifact.size} bytes  {each.media_type}") for each in found]
        yield from _section(f"{direction}s", lines)
    stages = [(stage_name(each), f"{each.state:<7} {each.wall_s:7.2f} s  {each.why}".rstrip()) for each in details.stages]
    yield from _section("stages", stages)
    yield from _section("tags", sorted(one.tags.items()))
    environment = dict(details.environment)
    distributions = environment.pop("distributions", None)
    lines = [(name, _text(value)) for name, value in flatten(environment)]
    if isinstance(distributions, dict):
        lines.append(("distributions", f"{len(distributions)}, listed by --json"))
    yield from _section("environment", lines)
    yield from _section("notes", [(show_time(note.at), f"{note.actor}: {note.text}") for note in details.notes])


def _metric_text(last: MetricPoint, history: Sequence[MetricPoint]) -> str:
    text = f"{last.value:.6g} at step {last.step}"
    if len(history) == 1:
        return text
    span = _range(history)
    return f"{text}   min {_number(span['min'])}   max {_number(span['max'])}   {len(history)} points"


def _number(value: Json) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _about(one: Run, *, is_verified: bool) -> list[tuple[str, str]]:
    code = one.code
    commit = f"{code.commit}{', with changes ' + code.tree if code.is_dirty else ''}" if code.commit else "not in a git repository"
    facts = [(name, _text(value)) for name, value in one.facts.items() if name not in ("config", "environment", "error", "sources")]
    seal = "none: the run is not over" if one.manifest is None else f"{one.manifest}{' (verified)' if is_verified else ''}"
    lines = [
        ("experiment", one.experiment),
        ("state", f"{one.state}: {one.facts['error']}" if "error" in one.facts else one.state),
        ("started", show_time(one.started_at)),
        ("duration", _duration(one)),
        ("pipeline", one.pipeline),
        ("parent", one.parent_id or ""),
        ("seed", "" if one.seed is None else str(one.seed)),
        ("commit", commit),
        ("seal", seal),
        *facts,
    ]
    return [(name, text) for name, text in lines if text]


def _section(title: str, lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    if lines:
        yield f"\n{title}"
        yield from _block(lines)


def _block(lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        yield f"  {name:<{width}}  {show_line(text)}"


def _duration(one: Run) -> str:
    return "-" if one.ended_at is None else f"{(one.ended_at - one.started_at).total_seconds():.2f} s"


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _compare(ws: Workspace, arguments: argparse.Namespace) -> int:
    comparison = log_run.compare(ws, run_ids=arguments.runs)
    rows = comparison.rows if arguments.all else comparison.differences
    if arguments.json:
        found: list[Json] = [
            {"section": row.section, "name": row.name, "same": row.is_same, "values": list(row.values), "has": list(row.has)}
            for row in rows
        ]
        print_json({"runs": list(comparison.run_ids), "rows": found})
        return 0
    if not rows:
        say(f"no difference in {len(comparison.rows)} fields", file=sys.stderr)
        return 0
    print_table(["", "FIELD", *comparison.run_ids], [_compared(row) for row in rows])
    return 0


def _compared(row: Row) -> list[str]:
    cells = [_short(_text(value)) if has else "-" for value, has in zip(row.values, row.has, strict=True)]
    return [row.section, row.name, *cells]


def _short(text: str) -> str:
    head, _, digits = text.rpartition(":")
    if len(digits) >= 64 and head.endswith(("blake3", "sha256")):
        return f"{head}:{digits[:12]}…"
    return text if len(text) <= _VALUE_SHOWN else f"{text[: _VALUE_SHOWN - 1]}…"


def _note(ws: Workspace, arguments: argparse.Namespace) -> int:
    note = log_run.add_note(ws, run_id=arguments.run, text=arguments.text)
    say(f"noted on {note.run_id}")
    return 0


def _export(ws: Workspace, arguments: argparse.Namespace) -> int:
    details = log_run.get_run(ws, run_id=arguments.run)
    points = log_run.get_points(ws, run_id=details.run.run_id)
    histories: Document = {
        name: [[point.step, point.at.isoformat(), number_json(point.value)] for point in history] for name, history in points.items()
    }
    document: Document = {**_details_document(details, points), "points": histories}
    if arguments.output is None:
        print_json(document)
        return 0
    _write(arguments.output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return 0


def _lineage(ws: Workspace, arguments: argparse.Namespace) -> int:
    if arguments.send is not None:
        catalogue = make_catalogue(arguments.send, "") if arguments.send else open_catalogue(read_settings(ws.root))
        if catalogue is None:
            raise InvalidInput("--send without an address, and INCUMBENT_LINEAGE_URL names none")
        answers = send_lineage(ws, carrier=open_carrier(), catalogue=catalogue, run=arguments.run)
        if not 200 <= answers[-1].status < 300:
            raise Unavailable(f"{catalogue.url} did not take event {len(answers)}: {answers[-1].detail or answers[-1].status}")
        say(f"sent {len(answers)} events")
        return 0
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in get_lineage_events(ws, arguments.run))
    if arguments.output is None:
        say(lines, end="")
    else:
        _write(arguments.output, lines)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
