"""`incumbent testscore`: run the tests of the ML Test Score on a version, attest those done by hand, show what it has earned."""

import argparse

from incumbent.bootstrap.models import open_model_host
from incumbent.cli.command import print_json
from incumbent.cli.here import add_allow_pickle
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.gates.policy import Scoring
from incumbent.gates.test_score import POINTS, VALID_DAYS
from incumbent.registry.names import parse_version_name
from incumbent.usecases.attest import attest
from incumbent.usecases.examine import TESTS, examine
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A test passes, fails, is undecided (too few rows) or does not apply, with the reason. `run` exits with 1 when one failed or is undecided.
docs/how-to/test-a-model.md says what each asks.

examples:
  incumbent testscore run flights-late@2                    every test; data as the gate policy names them
  incumbent testscore run flights-late@2 --test serves --test skew
  incumbent testscore run flights-late@2 --holdout march --label late --output late_probability
  incumbent testscore run flights-late@2 --test reproducible   retrains by the recipe; only where it is named
  incumbent testscore run flights-late@2 --test subgroups --group origin
  INCUMBENT_ACTOR=vera incumbent testscore attest flights-late@2 data-6 --reason "added a feature in two days; see issue 812"
  incumbent testscore show flights-late@2                   each of the 28 points, with its ledger entries or what is missing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="run|attest|show", required=True)
    running = verbs.add_parser("run", help="run tests and record what they found")
    running.add_argument("version", metavar="MODEL@VERSION")
    running.add_argument(
        "--test", action="append", choices=[*TESTS], default=None, dest="tests", help="one of them (default: all but those that train)"
    )
    running.add_argument("--slot", default=None, help="examined for this slot (the drill of a roll-back needs one)")
    running.add_argument("--holdout", default=None, help="another holdout than the policy's")
    running.add_argument("--training", default=None, help="the run's output that holds the training rows")
    running.add_argument("--label", default=None, help="column with the truth; needs --output")
    running.add_argument("--output", default=None, help="column of the answers that is scored; needs --label")
    running.add_argument("--group", action="append", default=[], dest="groups", help="column of the holdout with groups to compare")
    add_allow_pickle(running)
    attesting = verbs.add_parser("attest", help="sign that one of the 28 tests was done by hand (validators): half a point")
    attesting.add_argument("version", metavar="MODEL@VERSION")
    attesting.add_argument("item", choices=[*POINTS], metavar="ITEM", help="one of the 28, such as data-6")
    attesting.add_argument("--reason", required=True, help="what was done, what it gave, where that is written down")
    attesting.add_argument("--failed", action="store_true", help="the test did not pass: it earns nothing until it does")
    showing = verbs.add_parser("show", help="the score that the ledger's evidence earns")
    showing.add_argument("version", metavar="MODEL@VERSION")
    showing.add_argument("--valid-days", type=int, default=VALID_DAYS, help=f"older evidence has expired (default: {VALID_DAYS})")
    set_verbs(((running, _run), (attesting, _attest), (showing, _show)))
    running.set_defaults(parser=running)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _run(ws: Workspace, arguments: argparse.Namespace) -> int:
    if (arguments.label is None) != (arguments.output is None):
        arguments.parser.error("--label and --output belong together")
    model, version = parse_version_name(arguments.version)
    host = open_model_host(ws, allow_pickle=arguments.allow_pickle)
    try:
        made = examine(
            ws,
            host,
            model=model,
            version=version,
            tests=arguments.tests,
            slot=arguments.slot,
            holdout=arguments.holdout,
            training=arguments.training,
            groups=arguments.groups,
            scoring=Scoring(arguments.label, arguments.output) if arguments.label is not None else None,
        )
    finally:
        host.close()
    if arguments.json:
        print_json(made.to_json())
    else:
        print_table(["layer", "test", "outcome", "why"], [[r.layer, r.test, r.outcome, r.reason] for r in made.results])
        say(f"recorded in ledger entry {made.seq}")
    return int(any(result.outcome in {"failed", "undecided"} for result in made.results))


def _attest(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, version = parse_version_name(arguments.version)
    done = attest(
        ws, model=model, version=version, point=arguments.item, reason=arguments.reason, result="failed" if arguments.failed else "passed"
    )
    if arguments.json:
        print_json(done.to_json())
        return 0
    worth = "half a point" if done.result == "passed" else "no point"
    say(f"{done.person} attests that {done.point} ({POINTS[done.point]}) {done.result} by hand on {done.version}: {worth}")
    say(f"  ledger entry {done.seq}")
    return 0


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, version = parse_version_name(arguments.version)
    score = get_test_score(ws, model=model, version=version, valid_days=arguments.valid_days)
    if arguments.json:
        print_json(score.to_json())
        return 0
    rows = [
        [p.point, f"{p.score:g}", POINTS[p.point], f"entry {', '.join(map(str, p.entries))}: {p.reason}" if p.entries else p.reason]
        for p in score.points
    ]
    print_table(["point", "score", "test", "evidence, or what is missing"], rows)
    say("; ".join(f"{layer} {total:g} of 7" for layer, total in score.sections.items()))
    say(f"ML Test Score {score.final:g} (the least of the sections): {score.band}")
    return 0
