"""`incumbent demo`: the whole story on real data, from published tables to the lineage of one live answer."""

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
import urllib.request
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput, Refused, Unavailable
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli.background_server import BackgroundServer, start_server, stop_server
from incumbent.cli.demo_folder import FEATURES, check_needs, commit, edit_line, make_project, own_environment
from incumbent.cli.demo_people import Office
from incumbent.cli.terminal import say
from incumbent.cli.trace import render_lineage
from incumbent.config import read_settings
from incumbent.registry.model import ModelVersion
from incumbent.usecases.progress import Event
from incumbent.usecases.run_pipeline import RunResult, run_pipeline
from incumbent.usecases.trace import trace
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent demo
  incumbent demo --no-browser --port 9000 --folder /tmp/incumbent-demo
"""
MODEL, SLOT, PIPELINE = "flights-late", "flights-late/nyc", "pipelines/flights.py:pipeline"
STOP_AFTER_S = 3600
PORT = 8765
LINE = "RUSH_HOURS = (16, 19)"
COMMENTED = "RUSH_HOURS = (16, 19)  # by the timetable, not by the clock on the wall"
WIDENED = "RUSH_HOURS = (15, 20)  # by the timetable, not by the clock on the wall"
UPSTREAM, DOWNSTREAM = ["ingest", "validate"], ["features", "train", "evaluate", "register", "serve"]
SHOWN, BATCH = 5, 1000
KEYS = Path(".incumbent") / "keys-of-people"
"""Where the private keys of the demo's people are. Real people have theirs on their own machines."""

BOOSTED: Mapping[str, Json] = {"learning_rate": 0.06, "leaves": 31, "rounds": 120}
_ANSWER_TIMEOUT_S = 90
_DIGEST = re.compile(r"\w+:[0-9a-f]{64}")
_DIGEST_SHOWN = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--no-browser", action="store_true", help="do not open the page at the end")
    parser.add_argument("--port", type=int, default=None, help=f"port of the served model (default {PORT}, or a free one if it is taken)")
    parser.add_argument("--folder", type=Path, default=Path("incumbent-demo"), help="where the project goes (default: incumbent-demo)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.port is not None and not 0 <= arguments.port <= 65535:
        raise InvalidInput(f"--port {arguments.port}: a port is 0 (any free one) to 65535")
    check_needs()
    folder = arguments.folder.resolve()
    stop_server(folder)

    _chapter("A project: seven stages over 336,776 flights that left New York in 2013")
    first = make_project(folder)
    say(f"  {folder}, commit {first[:12]}")
    settings = read_settings(folder, {**own_environment(), "INCUMBENT_KEYS": str(folder / KEYS)})
    ws = open_workspace(replace(settings, actor="ann"))  # whoever runs the demo is Ann, also where their account is called omar
    office = Office(ws, MODEL, SLOT, settings.actor)
    try:
        trained = _train(ws, folder)
        first_version = _place(office, folder, trained)
        ports = (PORT, 0) if arguments.port is None else (arguments.port,)
        server = start_server(folder, ports=ports, stop_after_s=STOP_AFTER_S, environment=own_environment())
        asked = _ask(server, trained)
        _chapter("Where did the first of these answers come from?")
        say(f"  $ incumbent trace {asked}")
        say("\n".join(f"  {line}" for line in render_lineage(trace(ws, asked))))
        _challenge(office, first_version)
        _ask_once(server, trained)
        _chapter("Complaints come in: one command goes back to the version before")
        version = office.roll_back("complaints from the desk at Newark")
        _ask_once(server, trained)
        _audit(folder)
    finally:
        ws.store.close()
    _close(server, folder, f"{version.model}@{version.version}")
    if not arguments.no_browser and _has_screen():
        webbrowser.open(server.address)
    return 0


def _train(ws: Workspace, folder: Path) -> RunResult:
    """Tell of the three runs: everything, nothing, and what one feature reaches."""
    _chapter("First run: nothing is known yet, so every stage runs")
    before = _run(ws)
    _show_metrics(before)

    _chapter("A comment is edited: nothing reruns")
    edit_line(folder, LINE, COMMENTED)
    say(f"  {FEATURES}: {COMMENTED}")
    _expect(_run(ws), ran=[])

    _chapter("One feature is edited: it reruns with all that stands below it, and nothing else")
    edit_line(folder, COMMENTED, WIDENED)
    say(f"  {FEATURES}: {WIDENED}")
    say(f"  commit {commit(folder, 'features: count 15:00 to 20:59 as the evening rush')[:12]}")
    after = _run(ws)
    _expect(after, ran=DOWNSTREAM)
    _show_metrics(after, before)
    return after


def _place(office: Office, folder: Path, result: RunResult) -> ModelVersion:
    _chapter("Six people, a risk tier, a holdout and a policy: from here on the rules hold for everybody")
    office.open(folder, result)
    _chapter("The bundle becomes a version; evidence and two signatures bring it live")
    version = office.register(result)
    office.judge(version, "passed")
    office.sign("vera", version)
    office.sign("omar", version)
    office.promote(version, "first version of the demo")
    return version


def _challenge(office: Office, champion: ModelVersion) -> None:
    """Tell of the challengers: one that may not pass, one that may, and what is tried in between."""
    _chapter("A challenger that counts late flights three times: better by AUC, and its probabilities lie")
    lying = office.register(_run(office.ws, {**BOOSTED, "late_weight": 3.0}))
    office.judge(lying, "failed")
    office.refuse(lambda: office.promote(lying, "better by AUC"), "guardrail calibration_error")

    _chapter("A challenger that is better and honest; but its author may not approve it")
    honest = office.register(_run(office.ws, BOOSTED))
    office.judge(honest, "passed")
    office.refuse(lambda: office.sign("ann", honest), "ann may not approve")
    office.sign("omar", honest)

    _chapter("After Omar's approval the bundle is changed: it is another version, and his approval does not carry over")
    changed = office.register(_run(office.ws, {**BOOSTED, "rounds": 110}))
    office.judge(changed, "passed")
    office.refuse(lambda: office.promote(changed, "nearly the same"), "void: omar's sign-off")
    office.sign("vera", changed)
    office.sign("omar", changed)
    office.promote(changed, f"better than {champion.model}@{champion.version} on March, within all guardrails")


def _audit(folder: Path) -> None:
    """Verify the ledger, and let it be attacked on a copy, by the very commands."""
    _chapter("Every act and every refusal stands in the ledger. Is it whole?")
    _command(folder, "ledger", "verify")
    _chapter("And if somebody with the database, or even with its key, wished it otherwise? On a copy:")
    _command(folder, "ledger", "attack")


def _command(folder: Path, *arguments: str) -> None:
    say(f"  $ incumbent {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "incumbent", *arguments], cwd=folder, env=own_environment(), capture_output=True, text=True, check=False
    )
    say(textwrap.indent(done.stdout, "  "), end="")
    if done.returncode != 0:
        raise Corrupt(f"`incumbent {' '.join(arguments)}` left with {done.returncode}: {done.stderr.strip()}; please report this")


def _ask(server: BackgroundServer, result: RunResult) -> str:
    """Send flights of March over HTTP, print the answers beside what came true, and return the id of the first."""
    _chapter("Requests: flights of March, which training never saw")
    facts, late = _choose_flights(result)
    path = f"api/v1/slots/{quote(SLOT, safe='')}/predict"
    say(f"  POST {server.address}{path}")
    first = ""
    for row, came_true in list(zip(facts, late, strict=True))[:SHOWN]:
        answer, headers = _post(server.address + path, {"rows": [row]})
        first = first or headers["x-incumbent-prediction"]
        flight = f"{row['month']:02}-{row['day']:02} {row['hour']:02}:{row['minute']:02} {row['carrier']} {row['origin']}-{row['dest']}"
        probability = answer["rows"][0]["late_probability"]
        truth = "late" if came_true else "on time"
        say(f"  {flight}, left {row['dep_delay']:+4} min: {probability:4.0%} late    (it was {truth})    {headers['x-incumbent-version']}")
    batch, headers = _post(server.address + path, {"rows": facts})
    right = sum(answer["is_late"] == came_true for answer, came_true in zip(batch["rows"], late, strict=True))
    say(f"  all {len(facts):,} in one request: {right / len(facts):.1%} right    {headers['x-incumbent-prediction']}")
    return first


def _ask_once(server: BackgroundServer, result: RunResult) -> None:
    """Send one flight, and print who answered."""
    facts, _ = _choose_flights(result)
    answer, headers = _post(f"{server.address}api/v1/slots/{quote(SLOT, safe='')}/predict", {"rows": facts[:1]})
    say(f"  the next request is answered by {headers['x-incumbent-version']}: {answer['rows'][0]['late_probability']:.0%} late")


def _choose_flights(result: RunResult) -> tuple[list[dict[str, Any]], list[bool]]:
    """Return facts and labels of flights spread over March; those with facts that training never saw missing are left out."""
    facts: Any = result.outputs["facts"]
    features: Any = result.outputs["features"]
    nullable = {column["name"]: column["nullable"] for column in _signature(result)["inputs"]}
    march = [row for row, month in enumerate(facts["month"].to_list()) if month == 3]
    rows = facts[march[:: max(1, len(march) // BATCH)]].to_dicts()
    labels = features["late"][march[:: max(1, len(march) // BATCH)]].to_list()
    whole = [place for place, row in enumerate(rows) if all(value is not None or nullable[name] for name, value in row.items())][:BATCH]
    spread = sorted(whole, key=lambda place: (place % 211, place))
    return [rows[place] for place in spread], [labels[place] for place in spread]


def _signature(result: RunResult) -> dict[str, Any]:
    card: Any = result.outputs["card"]
    signature: dict[str, Any] = card["signature"]
    return signature


def _post(url: str, document: object) -> tuple[dict[str, Any], dict[str, str]]:
    request = urllib.request.Request(  # noqa: S310 - the address is that of the server we started
        url, json.dumps(document).encode(), {"content-type": "application/json"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment cannot reach our loopback
    try:
        with direct.open(request, timeout=_ANSWER_TIMEOUT_S) as answer:
            return json.load(answer), dict(answer.headers)
    except OSError as error:
        raise Unavailable(f"the server at {url} gave no answer: {error}; its log is server.log in the demo's folder") from error


def _run(ws: Workspace, train: Mapping[str, Json] | None = None) -> RunResult:
    config = {"train": dict(train)} if train else None
    result = run_pipeline(ws, pipeline=PIPELINE, config=config, listen=_show)
    if result.failure is not None:
        raise Refused(f"stage {result.failure.stage} failed: {result.failure.message}\n{result.failure.traceback}".rstrip())
    say(f"  run {result.run_id}: {result.ran} run, {result.hits} cached")
    return result


def _show(event: Event) -> None:
    match event.kind:
        case "done":
            why = _DIGEST.sub(lambda found: f"{found[0][:_DIGEST_SHOWN]}…", event.text)
            say(f"  ran     {event.stage:<9} {event.wall_s:5.1f} s    {why}", flush=True)
        case "hit":
            say(f"  cached  {event.stage}", flush=True)
        case "warning" | "retry":
            say(f"  {event.kind}: {event.stage} {event.text}", flush=True)
        case _:
            pass


def _expect(result: RunResult, *, ran: Sequence[str]) -> None:
    """Hold the story to what it says: a demo whose cache is wrong must not end as if it were right."""
    found = [stage.stage for stage in result.stages if stage.state == "ran"]
    if sorted(found) != sorted(ran):
        raise Corrupt(f"expected to run {', '.join(ran) or 'nothing'}, but ran {', '.join(found) or 'nothing'}: please report this")


def _show_metrics(result: RunResult, before: RunResult | None = None) -> None:
    for name in ("auc", "accuracy", "log_loss", "brier"):
        change = f"    was {before.metrics[name]:.4f}" if before else ""
        say(f"  {name:<9} {result.metrics[name]:.4f} on {result.metrics['n']:,.0f} flights of March{change}")


def _close(server: BackgroundServer, folder: Path, version: str) -> None:
    _chapter(f"{version} answers at {server.address}")
    say(f"  It runs in the background (process {server.pid}) and stops by itself after an hour; to stop it now: kill {server.pid}")
    say(f"  Go on from here: cd {os.path.relpath(folder)}, then `incumbent live`, `incumbent runs ls`, `incumbent plan --edited train`")


def _chapter(title: str) -> None:
    say(f"\n{title}", flush=True)


def _has_screen() -> bool:
    return sys.stdout.isatty() and (
        sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )
