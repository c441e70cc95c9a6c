"""`incumbent tiers`: which risk tier each model is held to, and what each tier asks for."""

import argparse
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.cli.command import print_json
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.governance.assessment import LEVELS
from incumbent.governance.tier import DEFAULT_TIERS, TierPolicy
from incumbent.usecases.tiers import assess_tier, get_tiers, list_assessments, list_tiers, set_tiers
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
Tier 1 is the highest. The tables of docs/reference/tiers.md give it from exposure, purpose and inherent risk.

examples:
  incumbent tiers ls
  incumbent tiers show flights-late        every assessment of it
  incumbent tiers assess flights-late --exposure medium --purpose medium --inherent medium --reason "informs rebooking"
  incumbent tiers assess demo --exposure low --purpose low --inherent low --tier 3 --reason "shown to customers"
  incumbent tiers print > tiers.toml       what each tier asks for, as a file to edit
  incumbent tiers set tiers.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|show|assess|print|set", required=True)
    ls = verbs.add_parser("ls", help="list models with their tiers, and what each tier asks for")
    show = verbs.add_parser("show", help="every assessment of a model")
    show.add_argument("model", metavar="MODEL")
    assess = verbs.add_parser("assess", help="put a model into a tier")
    assess.add_argument("model", metavar="MODEL")
    assess.add_argument("--exposure", required=True, choices=LEVELS, help="how many people or how much money depend on it")
    assess.add_argument("--purpose", required=True, choices=LEVELS, help="how much its answers decide")
    assess.add_argument("--inherent", required=True, choices=LEVELS, help="how easily it goes wrong unseen")
    assess.add_argument("--tier", type=int, choices=[1, 2, 3, 4], default=None, help="another tier than the tables give, with the reason")
    assess.add_argument("--reason", default="", help="why, in words")
    show_text = verbs.add_parser("print", help="print the built-in tier policy as TOML, to edit")
    change = verbs.add_parser("set", help="set what each tier asks for, from a TOML file (approvers)")
    change.add_argument("file", type=Path, metavar="FILE.toml")
    change.add_argument("--reason", default="", help="why, in words")
    set_verbs(((ls, _ls), (show, _show), (assess, _assess), (show_text, _print), (change, _set)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    policy, models = get_tiers(ws), list_tiers(ws)
    if arguments.json:
        listed: dict[str, Json] = {name: {"tier": tier.number, "is_assessed": tier.assessment is not None} for name, tier in models.items()}
        print_json({"models": listed, "policy": policy.to_json()})
        return 0
    if models:
        print_table(["model", "tier"], [[name, tier.words] for name, tier in models.items()])
        say()
    _print_policy(policy)
    return 0


def _print_policy(policy: TierPolicy) -> None:
    rows = [
        [
            str(rule.tier), str(rule.validators), str(rule.approvers), str(rule.witnesses), f"{rule.valid_days} days",
            "allowed" if rule.self_approval else "no", str(rule.roll_back_approvals),
        ]
        for rule in policy.rules
    ]  # fmt: skip
    print_table(["tier", "validators", "approvers", "witnesses", "good for", "self-approval", "approvals of a roll-back"], rows)
    say(f"a model that nobody assessed counts as tier {policy.unassessed}, once people are registered here")


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_assessments(ws, arguments.model)
    if arguments.json:
        print_json({"assessments": [*found]})
    elif not found:
        raise NotFound(f"nobody assessed {arguments.model[:80]!r}; `incumbent tiers assess` does")
    else:
        rows = [
            [str(a["entry"]), str(a["tier"]), *(str(a[k]) for k in ("exposure", "purpose", "inherent", "assessed_by", "reason"))]
            for a in found
        ]
        print_table(["entry", "tier", "exposure", "purpose", "inherent", "by", "reason"], rows)
    return 0


def _assess(ws: Workspace, arguments: argparse.Namespace) -> int:
    made = assess_tier(
        ws,
        model=arguments.model,
        exposure=arguments.exposure,
        purpose=arguments.purpose,
        inherent=arguments.inherent,
        reason=arguments.reason,
        tier=arguments.tier,
    )
    if arguments.json:
        print_json(made.to_json())
    else:
        say(f"{made.model} is in tier {made.tier}{' (an override of the tables)' if made.is_override else ''}")
    return 0


def _print(_ws: Workspace, arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json({"toml": DEFAULT_TIERS})
    else:
        say(DEFAULT_TIERS, end="")
    return 0


def _set(ws: Workspace, arguments: argparse.Namespace) -> int:
    policy = set_tiers(ws, text=read_text(arguments.file), reason=arguments.reason)
    if arguments.json:
        print_json(policy.to_json())
    else:
        _print_policy(policy)
    return 0


def read_text(path: Path) -> str:
    """Return the text of a policy's file. Raises NotFound when it cannot be read, InvalidInput when it is no text."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text in UTF-8: {error}") from error
