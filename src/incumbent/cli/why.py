"""`incumbent why`: the first input of a stage that differs from the last run, both values, and the code's diff."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.pipeline_arguments import add_setting_arguments, choose, tell_progress
from incumbent.cli.plan import render_reason
from incumbent.cli.terminal import say
from incumbent.usecases.plan_pipeline import Explanation, explain_stage

EXAMPLES = """
examples:
  incumbent why train
  incumbent why features pipelines/credit.py:pipeline --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("stage", metavar="STAGE", help="name of the stage")
    parser.add_argument("pipeline", nargs="?", default="", metavar="PIPELINE", help="by default the one that pyproject.toml names")
    add_setting_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    chosen = choose(arguments, arguments.pipeline)
    found = explain_stage(
        chosen.ws,
        stage=arguments.stage,
        pipeline=chosen.pipeline,
        config=chosen.config,
        seed=chosen.seed,
        policy=chosen.settings.policy,
        say=tell_progress,
    )
    if arguments.json:
        print_json(found.to_json())
    else:
        say("\n".join(render_explanation(found)))
    return 0


def render_explanation(found: Explanation) -> list[str]:
    """Return an explanation as lines."""
    plan = found.plan
    against = f" (compared with run {found.last_run})" if found.last_run else ""
    if plan.state == "hit":
        lines = [f"{plan.stage} would not rerun: none of its inputs differs; its output is that of run {found.made_by or found.last_run}"]
    elif plan.state == "waits":
        lines = [f"{plan.stage} waits to see what {', '.join(plan.waits_for)} will give{against}"]
        lines += [f"  {cause.stage} reruns: {render_reason(cause)}" for cause in found.causes]
        lines += [f"  and whatever that is: {difference}" for difference in plan.differences]
    else:
        lines = [f"{plan.stage} would rerun{against}:"]
        lines += [f"  {difference}" for difference in plan.differences]
    for symbol, diff in found.code.items():
        lines += ["", f"{symbol}:", *(f"    {line}" for line in diff.splitlines()[2:])]
    lines += [f"  key widened to whole modules: {reason}" for reason in plan.widened]
    return lines
