"""The engine against the edits that every peer gets wrong somewhere: what reruns, stage by stage, after a real edit.

Four stages load -> prep -> train -> ev; `prep` uses a helper and a constant of its own module and a helper of an imported
one. Each row is an edit and the stages that must rerun: no other (needless), and not one less (stale).
"""

import pytest
from command import incumbent_json, ran, write

PIPELINE = """
import os
import incumbent as inc
import project_helpers

SCALE = 3

def local_helper(x: int) -> int:
    return x + 1

def unrelated() -> int:
    return 0

@inc.stage(env=("REGION",))
def load() -> int:
    return 5 + len(os.environ.get("REGION", ""))

@inc.stage
def prep(load: int) -> int:
    # a comment
    return local_helper(load) * SCALE + project_helpers.imported_helper(load)

@inc.stage
def train(prep: int) -> list[int]:
    return [prep, prep + 1]

@inc.stage
def ev(train: list[int]) -> int:
    return sum(train)

pipeline = inc.Pipeline("matrix", [load, prep, train, ev])
"""
HELPERS = """
def imported_helper(x: int) -> int:
    return x * 10
"""
BELOW_PREP = ["prep", "train", "ev"]
ROWS = {
    "no change": (None, []),
    "comment in prep": (("# a comment", "# another comment"), []),
    "unrelated function edited": (("return 0", "return 1"), []),
    "helper of the same module edited, result changes": (("return x + 1", "return x + 2"), BELOW_PREP),
    "module constant edited": (("SCALE = 3", "SCALE = 4"), BELOW_PREP),
    "helper of an imported module edited": (("return x * 10", "return x * 20"), BELOW_PREP),
    "prep edited, output identical": (("return local_helper(load) * SCALE", "return SCALE * local_helper(load)"), ["prep"]),
    "prep edited, output differs": (("return local_helper(load) * SCALE", "return 1 + local_helper(load) * SCALE"), BELOW_PREP),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    write(
        folder, {"pipe.py": PIPELINE, "project_helpers.py": HELPERS, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'}
    )
    assert ran(incumbent_json(folder, "run")) == ["load", "prep", "train", "ev"]
    return folder


@pytest.mark.parametrize("edit", ROWS)
def test_an_edit_reruns_exactly_what_it_reaches_and_its_revert_nothing(project, edit):
    change, expected = ROWS[edit]
    files = {"pipe.py": PIPELINE, "project_helpers.py": HELPERS}
    if change is not None:
        assert sum(text.count(change[0]) for text in files.values()) == 1
        write(project, {path: text.replace(*change) for path, text in files.items()})
    planned = {stage["stage"]: stage["state"] for stage in incumbent_json(project, "plan")["stages"]}
    assert [stage for stage, state in planned.items() if state != "hit"] in ([], BELOW_PREP)
    assert (planned["prep"] == "run") == ("prep" in expected)
    assert ran(incumbent_json(project, "run")) == expected
    write(project, files)
    assert ran(incumbent_json(project, "run")) == [], "going back to an earlier edit is a hit"


def test_a_declared_environment_variable_reruns_what_reads_it_and_all_below(project):
    assert ran(incumbent_json(project, "run", env={"REGION": "eu"})) == ["load", "prep", "train", "ev"]
    assert ran(incumbent_json(project, "run")) == []


def test_why_names_the_symbol_of_an_imported_module_and_shows_its_diff(project):
    write(project, {"project_helpers.py": HELPERS.replace("x * 10", "x * 30")})
    try:
        found = incumbent_json(project, "why", "prep")
        assert found["plan"]["state"] == "run"
        assert found["plan"]["differences"][0]["kind"] == "code"
        assert found["plan"]["differences"][0]["name"] == "project_helpers.py::imported_helper"
        diff = found["code"]["project_helpers.py::imported_helper"]
        assert "-    return x * 10" in diff
        assert "+    return x * 30" in diff
        assert [cause["stage"] for cause in incumbent_json(project, "why", "ev")["causes"]] == ["prep"]
    finally:
        write(project, {"project_helpers.py": HELPERS})


def test_plan_edited_shows_a_stage_and_all_below_it_and_nothing_above(project):
    stages = incumbent_json(project, "plan", "--edited", "train")["stages"]
    assert {stage["stage"]: stage["state"] for stage in stages} == {"load": "hit", "prep": "hit", "train": "run", "ev": "waits"}
