"""One use case, several faces: each public verb has a command, or stands here with the reason why not."""

import inspect
import os
import re

import pytest

import incumbent
from incumbent import api
from incumbent.bootstrap.workspace import open_workspace
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

IN_SLOT = {"model": "m", "version": 1, "slot": "s"}
OVER_HTTP = {
    "search_runs": {}, "live": {"slot": "s"}, "trace": {"subject": "m@1"}, "register": {"model": "m", "run": "run-1"},
    "propose": IN_SLOT, "evaluate": IN_SLOT, "archive": {**IN_SLOT, "reason": "r"},
    "promote": {**IN_SLOT, "reason": "r"}, "roll_back": {"slot": "s", "reason": "r"},
}  # fmt: skip
"""Verb that a server's workspace takes in Python -> how it is called. `run` does, too; it needs no server to begin (test_log_to_server)."""

NOT_OVER_HTTP = {
    "run_pipeline": ({"pipeline": "p.py:p"}, "it executes the caller's files, with cache and store at hand"),
    "plan_pipeline": ({"pipeline": "p.py:p"}, "it reads the caller's files, and what they gave before"),
    "reproduce": ({"run": "run-1"}, "it executes code of before, with the store at hand"),
    "sign_off": (
        {**IN_SLOT, "capacity": "approver"},
        "the key that signs is its person's, and would have to be shown what the server prepared",
    ),
    "roll_back": ({"slot": "s", "reason": "r", "break_glass": True}, "with a broken glass it is signed, as a sign-off is"),
}
"""Verb that a server's workspace refuses in Python -> (how it is called, why)."""


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


@pytest.fixture
def far(tmp_path, monkeypatch):
    """A project of a server that is not there."""
    (tmp_path / ".incumbent").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("INCUMBENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INCUMBENT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.mark.parametrize("verb", OVER_HTTP)
def test_a_verb_that_a_server_does_asks_the_server(far, verb):
    with pytest.raises(incumbent.Unavailable, match="cannot be reached"):
        getattr(incumbent, verb)(**OVER_HTTP[verb])


@pytest.mark.parametrize("verb", NOT_OVER_HTTP)
def test_a_verb_that_needs_the_workspace_itself_says_so_and_makes_none(far, tmp_path, verb):
    with pytest.raises(incumbent.InvalidInput, match="INCUMBENT_URL names a server"):
        getattr(incumbent, verb)(**NOT_OVER_HTTP[verb][0])
    assert list((tmp_path / ".incumbent").iterdir()) == []


def test_every_verb_of_the_python_api_goes_over_http_or_says_that_it_does_not(far, tmp_path):
    verbs = {name for name, function in vars(api).items() if inspect.isfunction(function) and function.__module__ == api.__name__}
    public = {name for name in verbs if not name.startswith("_")}
    assert public == OVER_HTTP.keys() | NOT_OVER_HTTP.keys() | {"run"}
    with pytest.raises(incumbent.InvalidInput) as told:
        open_workspace(api.read_settings(tmp_path))
    listed = re.findall(r"\w+", str(told.value).partition("Python has ")[2].partition(";")[0])
    assert set(listed) - {"and"} == OVER_HTTP.keys() | {"run"}, "what the refusal tells the reader is what there is"
