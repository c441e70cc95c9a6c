"""`incumbent plan`: what a run would do, and why, before it does it."""

import argparse

from incumbent.cli.command import print_json
from incumbent.cli.pipeline_arguments import add_pipeline_arguments, choose, tell_progress
from incumbent.cli.terminal import say
from incumbent.pipeline.plan import Plan, StagePlan
from incumbent.usecases.plan_pipeline import plan_pipeline

EXAMPLES = """
examples:
  incumbent plan
  incumbent plan --edited features        what an edit of that stage would rerun
  incumbent plan --set train.depth=8 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_pipeline_arguments(parser)
    parser.add_argument("--edited", action="append", default=[], metavar="STAGE", help="take this stage as edited; repeatable")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    chosen = choose(arguments, arguments.pipeline)
    plan = plan_pipeline(
        chosen.ws,
        pipeline=chosen.pipeline,
        config=chosen.config,
        seed=chosen.seed,
        edited=arguments.edited,
        policy=chosen.settings.policy,
        say=tell_progress,
    )
    if arguments.json:
        print_json(plan.to_json())
    else:
        say("\n".join(render_plan(plan)))
    return 0


def render_plan(plan: Plan) -> list[str]:
    """Return a plan as lines; of very many hits only the number."""
    width = max(len(name) for name in plan.stages)
    counts = plan.count()
    shown = [stage for stage in plan.stages.values() if stage.state != "hit" or len(plan.stages) <= 50]
    lines = [f"  {stage.state:<6} {stage.stage:<{width}}  {render_reason(stage)}".rstrip() for stage in shown]
    for stage in plan.stages.values():
        lines += [f"  widened {stage.stage}: {reason}" for reason in stage.widened]
    lines.append(f"{plan.pipeline}: {counts['run']} to run, {counts['waits']} waiting to see, {counts['hit']} cached")
    return lines


def render_reason(stage: StagePlan) -> str:
    """Return the first reason in words."""
    items = f"{stage.items[0]} of {stage.items[1]} items cached" if stage.items and stage.state == "run" else ""
    if stage.state == "waits":
        above = f"below {', '.join(stage.waits_for)}"
        return f"{above}; {stage.differences[0]}{_more(stage)}" if stage.differences else f"{above}; spared if the bytes come out the same"
    if not stage.differences:
        return items
    return "; ".join(part for part in (f"{stage.differences[0]}{_more(stage)}", items) if part)


def _more(stage: StagePlan) -> str:
    return f" (and {len(stage.differences) - 1} more)" if len(stage.differences) > 1 else ""
