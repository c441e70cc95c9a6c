"""`incumbent run --sweep`: reads the axes, runs each combination, shows them side by side."""

import argparse
from collections.abc import Mapping, Sequence

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.trials import Axis, Range, run_trials
from incumbent.cli.command import print_json
from incumbent.cli.display import Display
from incumbent.cli.pipeline_arguments import Chosen, parse_value
from incumbent.cli.terminal import say
from incumbent.pipeline.config import Config, merge_setting, resolve_config
from incumbent.pipeline.graph import Graph
from incumbent.usecases.run_pipeline import RunResult, run_pipeline
from incumbent.usecases.sweep import SweepResult, expand_grid, sweep


def run_sweep(chosen: Chosen, arguments: argparse.Namespace) -> int:
    """Run a sweep as the arguments of `run` say."""
    axes = _read_axes(arguments.sweep)
    metric = arguments.maximize or arguments.minimize
    if bool(arguments.trials) != bool(metric):
        raise InvalidInput("--trials N goes with --maximize METRIC or --minimize METRIC, and they with it")
    graph = chosen.ws.code.read(chosen.pipeline).graph
    name = graph.name
    _check_axes(graph, chosen.config, axes)
    with Display(is_quiet=arguments.json) as display:

        def run_one(config: Config, parent: str) -> RunResult:
            return run_pipeline(
                chosen.ws,
                pipeline=chosen.pipeline,
                config=config,
                seed=chosen.seed,
                experiment=arguments.experiment or chosen.settings.experiment,
                executor=arguments.executor,
                policy=arguments.undeclared or chosen.settings.policy,
                parent=parent,
                listen=display.show,
            )

        if arguments.trials:
            found = run_trials(
                chosen.ws, name=name, base=chosen.config, axes=axes, trials=arguments.trials, metric=metric,
                is_maximized=bool(arguments.maximize), run_one=run_one, seed=chosen.seed, experiment=arguments.experiment,
            )  # fmt: skip
        else:
            combinations = expand_grid({path: _values(path, axis) for path, axis in axes.items()})
            found = sweep(
                chosen.ws, name=name, base=chosen.config, combinations=combinations, run_one=run_one, experiment=arguments.experiment
            )
    _print(found, arguments.json)
    return 1 if found.failed else 0


def _read_axes(texts: Sequence[str]) -> dict[str, Axis]:
    axes: dict[str, Axis] = {}
    for text in texts:
        path, axis = parse_axis(text)
        if path in axes:
            raise InvalidInput(f"--sweep {path} is given twice; put its values together: --sweep {path}=A,B")
        axes[path] = axis
    return axes


def _check_axes(graph: Graph, base: Config, axes: Mapping[str, Axis]) -> None:
    """Check every value of every axis before the first combination runs."""
    for path, axis in axes.items():
        values = (axis.low, axis.high) if isinstance(axis, Range) else axis
        for value in values:
            config = {stage: dict(given) for stage, given in base.items()}
            for other, first in axes.items():
                merge_setting(config, other, first.low if isinstance(first, Range) else first[0])
            merge_setting(config, path, value)
            resolve_config(graph, config)


def parse_axis(text: str) -> tuple[str, Axis]:
    """Return (path, values or range) of `STAGE.KEY=A,B,…` or `STAGE.KEY=LOW..HIGH[:log]`.

    Raises:
        InvalidInput: It has neither form.

    >>> parse_axis("train.lr=0.01,0.1"), parse_axis("train.lr=0.001..0.1:log")
    (('train.lr', [0.01, 0.1]), ('train.lr', Range(low=0.001, high=0.1, is_log=True)))
    """
    path, equals, rest = text.partition("=")
    if not equals or "." not in path:
        raise InvalidInput(f"--sweep {text}: expected STAGE.KEY=A,B,… or STAGE.KEY=LOW..HIGH[:log]")
    bounds, _, scale = rest.partition(":")
    low_text, dots, high_text = bounds.partition("..")
    if dots:
        low, high = parse_value(low_text), parse_value(high_text)
        if isinstance(low, int | float) and isinstance(high, int | float) and low < high and scale in {"", "log"}:
            if scale == "log" and low <= 0:
                raise InvalidInput(f"--sweep {text}: a log range must begin above 0")
            return path, Range(low, high, scale == "log")
        raise InvalidInput(f"--sweep {text}: expected LOW..HIGH[:log] with two numbers, the lower first")
    found = [parse_value(value) for value in _split(rest)]
    if not found:
        raise InvalidInput(f"--sweep {text}: expected one or more values after the =")
    if len({repr(value) for value in found}) < len(found):
        raise InvalidInput(f"--sweep {text}: a value is given twice")
    return path, found


def _split(text: str) -> list[str]:
    """Split at commas that are not inside brackets or quotes, so that a value may be a list."""
    parts, depth, quote, start = [], 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
        depth += (character in "[{") - (character in "]}")
    return [part for part in (*parts, text[start:]) if part.strip()]


def _values(path: str, axis: Axis) -> Sequence[Json]:
    if isinstance(axis, Range):
        raise InvalidInput(f"--sweep {path}: a range needs --trials N and --maximize or --minimize METRIC")
    return axis


def _print(found: SweepResult, is_json: bool) -> None:
    rows: list[Json] = [
        {
            "run_id": result.run_id,
            "settings": dict(settings),
            "state": result.state,
            "hits": result.hits,
            "ran": result.ran,
            "metrics": dict(result.metrics),
        }
        for settings, result in found.trials
    ]
    if is_json:
        print_json({"parent_id": found.parent_id, "trials": rows})
        return
    for settings, result in found.trials:
        values = "  ".join(f"{path}={value}" for path, value in settings.items())
        say(f"  {result.run_id}  {values}  {_metrics(result.metrics)}  ({result.ran} run, {result.hits} cached)")
    say(f"sweep {found.parent_id}: {len(found.trials)} runs, {found.failed} failed")


def _metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in sorted(metrics.items()))
