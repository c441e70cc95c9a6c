"""`incumbent run`: run a pipeline, show it live, say what was run and what was spared."""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from typing import cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.base.shown import show_marks
from incumbent.bootstrap.standing_record import leave_standing
from incumbent.cli import plan as plan_command
from incumbent.cli.command import print_json
from incumbent.cli.display import Display
from incumbent.cli.pipeline_arguments import Chosen, add_pipeline_arguments, choose
from incumbent.cli.sweep import run_sweep
from incumbent.cli.terminal import say
from incumbent.usecases.run_pipeline import RunResult, run_pipeline

LOG_LINES_SHOWN = 20

EXAMPLES = """
examples:
  incumbent run                                      the pipeline that pyproject.toml names
  incumbent run pipelines/credit.py:pipeline --set train.depth=6 --seed 7
  incumbent run --dry-run                            say what would run, run nothing
  incumbent run --sweep train.lr=0.01,0.1 --sweep train.depth=2,4
  incumbent run --sweep train.lr=0.001..0.3:log --trials 20 --maximize auc      (needs the extra: sweep)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_pipeline_arguments(parser)
    parser.add_argument(
        "--executor", choices=["local", "inline"], default="local", help="worker processes, or this process (for a debugger)"
    )
    parser.add_argument("--experiment", default="", help="group of runs (default: the pipeline's name)")
    parser.add_argument("--undeclared", choices=["fail", "warn", "off"], default=None, help="what an input outside of the key does")
    parser.add_argument("--dry-run", action="store_true", help="the same as `incumbent plan`")
    parser.add_argument("--edited", action="append", default=[], help=argparse.SUPPRESS)
    sweep = parser.add_argument_group("sweeps")
    sweep.add_argument("--sweep", action="append", default=[], metavar="STAGE.KEY=A,B,…", help="run once per combination; repeatable")
    sweep.add_argument("--trials", type=int, default=0, help="let Optuna choose this many combinations from ranges A..B or lists")
    goal = sweep.add_mutually_exclusive_group()
    goal.add_argument("--maximize", metavar="METRIC", default="", help="metric that the trials drive up")
    goal.add_argument("--minimize", metavar="METRIC", default="", help="metric that the trials drive down")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.sweep and arguments.dry_run:
        raise InvalidInput("--dry-run plans one run, and a sweep is many: plan one with `incumbent plan --set …`")
    if not arguments.sweep and (arguments.trials or arguments.maximize or arguments.minimize):
        raise InvalidInput("--trials, --maximize and --minimize steer a sweep: say what to vary with --sweep STAGE.KEY=LOW..HIGH")
    if arguments.dry_run:
        return plan_command.run(arguments)
    began_ns = time.time_ns()
    chosen = choose(arguments, arguments.pipeline)
    if arguments.sweep:
        return run_sweep(chosen, arguments)
    with Display(is_quiet=arguments.json) as display:
        result = run_pipeline(
            chosen.ws,
            pipeline=chosen.pipeline,
            config=chosen.config,
            seed=chosen.seed,
            experiment=arguments.experiment or chosen.settings.experiment,
            executor=arguments.executor,
            policy=arguments.undeclared or chosen.settings.policy,
            listen=display.show,
        )
    document = describe(result)
    text = summarise(result, _tail(chosen, result))
    if arguments.json:
        print_json(document)
    else:
        say(text)
    if result.failure is None:
        _leave(chosen, result, began_ns)
    return 0 if result.failure is None else 1


def _leave(chosen: Chosen, result: RunResult, began_ns: int) -> None:
    name = result.prepared.graph.name
    count = len(result.prepared.graph.stages)
    text = f"{name}: {count} stages, all cached; nothing to do (run {result.run_id} stands)"
    told = describe(result)
    stages = [{**stage, "state": "hit", "why": ""} for stage in cast(list[Document], told["stages"])]
    document: Json = {**told, "hits": result.hits + result.ran, "ran": 0, "stages": cast(Json, stages)}
    leave_standing(chosen.ws, chosen.settings, result, sys.argv[2:], began_ns=began_ns, text=show_marks(text), document=document)


def describe(result: RunResult) -> Document:
    """Return a result as the document of --json."""
    stages: list[Json] = [
        {
            "stage": stage.stage,
            "item": stage.item,
            "state": stage.state,
            "key": stage.key,
            "outputs": {name: str(artifact.digest) for name, artifact in stage.outputs.items()},
            "why": stage.why,
            "log": stage.log,
            "wall_s": round(stage.wall_s, 6),
            "cpu_s": round(stage.cpu_s, 6),
            "rss_bytes_max": stage.rss_bytes_max,
        }
        for stage in result.stages
    ]
    failure: Json = None
    if result.failure is not None:
        failure = {"stage": result.failure.stage, "message": result.failure.message, "traceback": result.failure.traceback}
    return {
        "run_id": result.run_id,
        "state": result.state,
        "hits": result.hits,
        "ran": result.ran,
        "metrics": {name: value if math.isfinite(value) else str(value) for name, value in result.metrics.items()},
        "stages": stages,
        "failure": failure,
    }


def _tail(chosen: Chosen, result: RunResult) -> list[str]:
    """Return the last lines that the stage which failed had printed."""
    if result.failure is None or result.failure.log is None:
        return []
    printed = chosen.ws.blobs.get(result.failure.log).decode("utf-8", errors="replace").rstrip().splitlines()
    return [f"  | {line}" for line in printed[-LOG_LINES_SHOWN:]]


def summarise(result: RunResult, printed: Sequence[str] = ()) -> str:
    """Return the closing lines for a person; `printed` is the end of what the stage that failed had printed."""
    name = result.prepared.graph.name
    if result.failure is not None:
        lines = [f"{name}: stage {result.failure.stage} failed: {result.failure.message}"]
        if result.failure.traceback:
            lines.append(result.failure.traceback.rstrip())
        lines += printed
        lines.append(f"run {result.run_id} failed; what was finished is kept. All that it printed: incumbent runs log {result.run_id}")
        return "\n".join(lines)
    parts = [f"{result.ran} run" if result.ran else "", f"{result.hits} cached" if result.hits else ""]
    lines = [f"{name}: {', '.join(part for part in parts if part) or 'no stages'}; run {result.run_id}"]
    if result.metrics:
        lines.append("  " + "  ".join(f"{metric} {value:.6g}" for metric, value in sorted(result.metrics.items())))
    return "\n".join(lines)
