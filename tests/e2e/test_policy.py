"""What counts as a hit under each policy on undeclared inputs."""

import pytest
from command import incumbent, incumbent_json, ran, write

PIPELINE = """
import os
import incumbent as inc

@inc.stage
def mode() -> str:
    return os.environ.get("MODE", "none")

pipeline = inc.Pipeline("policy", [mode])
"""


@pytest.fixture
def project(tmp_path):
    write(tmp_path, {"pipe.py": PIPELINE, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'})
    return tmp_path


def test_what_nobody_watched_is_no_hit_where_undeclared_inputs_fail(project):
    incumbent(project, "run", "--undeclared", "off", env={"MODE": "x"})
    assert incumbent_json(project, "plan", env={"MODE": "z"})["stages"][0]["state"] == "run"
    done = incumbent(project, "run", env={"MODE": "z"}, code=1)
    assert "MODE" in done.stdout


def test_under_off_anything_is_a_hit(project):
    incumbent(project, "run", "--undeclared", "off", env={"MODE": "x"})
    assert ran(incumbent_json(project, "run", "--undeclared", "off", env={"MODE": "z"})) == []


def test_under_warn_a_hit_stands_while_the_undeclared_input_does(project):
    assert ran(incumbent_json(project, "run", "--undeclared", "warn", env={"MODE": "x"})) == ["mode"]
    assert ran(incumbent_json(project, "run", "--undeclared", "warn", env={"MODE": "x"})) == []
    assert ran(incumbent_json(project, "run", "--undeclared", "warn", env={"MODE": "z"})) == ["mode"]


def test_what_ran_under_warn_is_no_hit_under_fail(project):
    incumbent(project, "run", "--undeclared", "warn", env={"MODE": "x"})
    incumbent(project, "run", env={"MODE": "x"}, code=1)


def test_what_ran_unwatched_is_no_hit_under_warn(project):
    incumbent(project, "run", "--undeclared", "off", env={"MODE": "x"})
    assert ran(incumbent_json(project, "run", "--undeclared", "warn", env={"MODE": "x"})) == ["mode"]
