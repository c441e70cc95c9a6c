"""`incumbent reproduce`: run a recorded run again from its record and compare every digest."""

import argparse
from pathlib import Path

from incumbent.bootstrap.clean_room import reproduce_in_clean_room
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli.command import print_json
from incumbent.cli.display import Display
from incumbent.cli.terminal import say
from incumbent.config import find_root, read_settings
from incumbent.pipeline.comparison import Tolerance
from incumbent.usecases.register import find_version_run
from incumbent.usecases.reproduce import Reproduction, reproduce
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent reproduce run-0abc12                 in the present environment, which it compares with the recorded one
  incumbent reproduce run-0abc12 --clean-room    builds the recorded environment anew first
  incumbent reproduce flights-late@1 --rtol 1e-9

exit code: 0 bit-exact, or numerically equal within the tolerance; 4 different.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("run", metavar="RUN|MODEL@VERSION", help="run id (or a prefix of it), or a registered version")
    parser.add_argument("--clean-room", action="store_true", help="install the recorded distributions into a new environment first")
    parser.add_argument("--canonical", action="store_true", help="where bytes differ, compare canonical content")
    parser.add_argument("--rtol", type=float, default=Tolerance().relative, help="relative tolerance of numbers (default %(default)g)")
    parser.add_argument("--atol", type=float, default=Tolerance().absolute, help="absolute tolerance of numbers (default %(default)g)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_workspace(read_settings(find_root(Path.cwd())))
    run_id = _find_run(ws, arguments.run)
    tolerance = Tolerance(arguments.rtol, arguments.atol)
    with Display(is_quiet=arguments.json) as display:
        if arguments.clean_room:
            found = reproduce_in_clean_room(ws, run=run_id, tolerance=tolerance, is_canonical=arguments.canonical, listen=display.show)
        else:
            found = reproduce(ws, run=run_id, tolerance=tolerance, is_canonical=arguments.canonical, listen=display.show)
    if arguments.json:
        print_json(found.to_json())
    else:
        say("\n".join(render_reproduction(found)))
    return 4 if found.verdict == "differs" else 0


def _find_run(ws: Workspace, name: str) -> str:
    return find_version_run(ws, name) if "@" in name else name


def render_reproduction(found: Reproduction) -> list[str]:
    """Return a reproduction as lines."""
    width = max((len(stage.stage) for stage in found.stages), default=0)
    lines = [f"  {note}" for note in found.notes]
    for stage in found.stages:
        name = stage.stage if stage.item is None else f"{stage.stage}[{stage.item}]"
        lines.append(f"  {stage.verdict:<9} {name:<{width}}  {stage.detail}".rstrip())
    if found.parted_at:
        lines.append(f"they part at stage {found.parted_at}; in its recipe:")
        lines += [f"  {difference}" for difference in found.recipe_differences] or [
            "  nothing differs: the stage is not deterministic, or it read what nobody watched"
        ]
    lines.append(f"run {found.run_id}: {found.verdict}")
    return lines
