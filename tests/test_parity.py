"""One use case, several faces: each public verb has a command, or stands here with the reason why not."""

import inspect

import incumbent
from incumbent.cli import COMMANDS

SPELLED = {"run_pipeline": "run", "plan_pipeline": "plan", "search_runs": "runs"}
"""Python name -> command, where they are not the same word: in Python a bare `run` opens a run in a script."""

PYTHON_ALONE = {
    "stage": "marks a function",
    "run": "a block in a script; the command `run` is run_pipeline",
    "log_metric": "called from inside a stage",
    "pack_bundle": "called from inside a stage",
    "pack_model": "called from inside a stage",
    "open_bundle": "called from inside a stage or a test",
    "champion_challenger": "a pure function, EQ V7.3; the command evaluate applies a whole policy",
    "psi": "a pure function, EQ V7.4",
}

COMMAND_ALONE = {
    "demo": "tells a story",
    "init": "writes files for a beginner",
    "why": "renders the plan of one stage, which plan_pipeline gives",
    "import": "brings a whole store over, once, at a terminal",
    "artifacts": "keeps house in a workspace",
    "models": "lists for people; live and trace give values",
    "slots": "lists for people; live gives values",
    "users": "admits people, by an admin at a terminal",
    "keys": "makes keys on this machine",
    "accounts": "makes links for people, on the server's machine",
    "tokens": "makes secrets that are shown once, at a terminal",
    "webhooks": "carry what happens here elsewhere; by an admin at a terminal",
    "witnesses": "registers keys, by an admin at a terminal",
    "ledger": "for auditors; everything in it is made by the other verbs",
    "schemas": "files to draft, edit and record; evaluate and testscore hold rows to them",
    "testscore": "tests recorded by a person or CI; evaluate runs those that a policy requires",
    "policies": "files to record; evaluate judges by them",
    "tiers": "files and judgements to record",
    "findings": "a desk for people",
    "holdouts": "freezes data and counts looks; evaluate takes them",
    "server": "runs until it is stopped",
    "doctor": "looks at the machine for a person",
}


def public_verbs():
    return {name for name in incumbent.__all__ if inspect.isfunction(getattr(incumbent, name))}


def test_every_public_verb_has_a_command_or_a_reason_to_have_none():
    missing = {name for name in public_verbs() - PYTHON_ALONE.keys() if SPELLED.get(name, name.replace("_", "-")) not in COMMANDS}
    assert missing == set()


def test_every_command_has_a_public_verb_or_a_reason_to_have_none():
    spelled = {SPELLED.get(name, name.replace("_", "-")) for name in public_verbs() - PYTHON_ALONE.keys()}
    assert set(COMMANDS) - spelled - COMMAND_ALONE.keys() == set()


def test_the_lists_of_exceptions_hold_nothing_that_is_gone():
    assert set(PYTHON_ALONE) <= public_verbs()
    assert set(SPELLED) <= public_verbs()
    assert set(COMMAND_ALONE) <= set(COMMANDS)
