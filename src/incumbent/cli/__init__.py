"""The command line: finds the command, reads its arguments, calls one use case, renders.

Commands are a table, and a command's module is imported when it is asked for: `incumbent --version` imports none.
"""

import importlib
import json
import sys

from incumbent.base.version import __version__
from incumbent.bootstrap import standing

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("incumbent.cli.demo", "the whole story on real data"),
    "init": ("incumbent.cli.init", "make a project that runs at once"),
    "run": ("incumbent.cli.run", "run a pipeline; only what changed is run"),
    "plan": ("incumbent.cli.plan", "which stages would rerun, which are cached, and why"),
    "why": ("incumbent.cli.why", "the first input of a stage that differs from the last run"),
    "reproduce": ("incumbent.cli.reproduce", "run a recorded run again from its record and compare every digest"),
    "runs": ("incumbent.cli.runs", "list, show, compare and search runs"),
    "import": ("incumbent.cli.import_mlflow", "bring an MLflow store over, whole"),
    "artifacts": ("incumbent.cli.artifacts", "list, get, verify and collect stored artifacts"),
    "register": ("incumbent.cli.register", "register an artifact as the next version of a model"),
    "propose": ("incumbent.cli.propose", "make a version a candidate in a slot"),
    "holdouts": ("incumbent.cli.holdouts", "frozen evaluation data, and how often each was looked at"),
    "policies": ("incumbent.cli.policies", "the gate policies, per model or tier"),
    "schemas": ("incumbent.cli.schemas", "what a model's rows have to be: inferred, edited, registered"),
    "testscore": ("incumbent.cli.testscore", "the ML Test Score: run its tests, attest by hand, show what is earned"),
    "evaluate": ("incumbent.cli.evaluate", "judge a candidate by its gate policy, against what is live"),
    "sign-off": ("incumbent.cli.sign_off", "sign for a version, as validator or approver"),
    "promote": ("incumbent.cli.promote", "put a candidate into Production, if nothing stands in the way"),
    "roll-back": ("incumbent.cli.roll_back", "point a slot at the version before"),
    "archive": ("incumbent.cli.archive", "reject a candidate, or retire what is live"),
    "live": ("incumbent.cli.live", "what is live, who approved it, on which evidence, what to roll back to"),
    "models": ("incumbent.cli.models", "list and show models and versions"),
    "slots": ("incumbent.cli.slots", "list and show slots, now or at a past time"),
    "tiers": ("incumbent.cli.tiers", "risk tiers: of each model, and what each asks for"),
    "findings": ("incumbent.cli.findings", "issues that are open, and what they block"),
    "users": ("incumbent.cli.users", "who is known here, and in which roles"),
    "keys": ("incumbent.cli.keys", "the keys that people sign with"),
    "accounts": ("incumbent.cli.accounts", "who can log in to a server"),
    "tokens": ("incumbent.cli.tokens", "what programs show to a server"),
    "webhooks": ("incumbent.cli.webhooks", "addresses that are told of what happens here"),
    "witnesses": ("incumbent.cli.witnesses", "whose cosignatures of the ledger count"),
    "ledger": ("incumbent.cli.ledger", "the log of every governance act: show, verify, prove, attack it"),
    "trace": ("incumbent.cli.trace", "lineage of a prediction, run, version or digest"),
    "server": ("incumbent.server.command", "serve what is live over HTTP"),
    "doctor": ("incumbent.cli.doctor", "check the workspace and the machine"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code (docs/reference/exit-codes.md)."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        _print_help()
        return 0
    if arguments[0] in {"-V", "--version"}:
        print(f"incumbent {__version__}")
        return 0
    if arguments[0] == "run":
        record = standing.find(arguments[1:])
        if record is not None:
            print(json.dumps(record["json"], indent=2, ensure_ascii=False) if "--json" in arguments else record["text"])
            return 0
    command: int = importlib.import_module("incumbent.cli.command").call(COMMANDS, arguments)
    return command


def _print_help() -> None:
    print("usage: incumbent COMMAND [OPTION…]\n\nCarries a model from raw data to a live, monitored, accountable asset.\n")
    for name, (_, text) in COMMANDS.items():
        print(f"  {name:<11} {text}")
    print("\n`incumbent COMMAND --help` shows its options and examples. `incumbent --version` prints the version.")
