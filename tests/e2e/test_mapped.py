"""Mapped stages: one run per item, each item cached alone."""

import pytest
from command import incumbent, incumbent_json, write

PIPELINE = """
from pathlib import Path
import incumbent as inc

@inc.stage(map_over="days")
def load(days: Path) -> int:
    return int(days.read_text())

@inc.stage(map_over="load")
def square(load: int) -> int:
    return load * load

@inc.stage
def total(square: list[int]) -> int:
    return sum(square)

pipeline = inc.Pipeline("mapped", [load, square, total], sources={"days": inc.source.folder("days", pattern="*.txt")})
"""
SETTINGS = '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'


@pytest.fixture
def project(tmp_path):
    write(tmp_path, {"pipe.py": PIPELINE, "pyproject.toml": SETTINGS, **{f"days/{n}.txt": str(n) for n in (1, 2, 3)}})
    return tmp_path


def count(document, state):
    return [(stage["stage"], stage["item"]) for stage in document["stages"] if stage["state"] == state]


def test_each_item_runs_once_and_the_list_keeps_its_order(project):
    first = incumbent_json(project, "run")
    assert sorted(count(first, "ran"), key=str) == sorted(
        [("load", 0), ("load", 1), ("load", 2), ("square", 0), ("square", 1), ("square", 2), ("total", None)], key=str
    )
    digest = next(stage for stage in first["stages"] if stage["stage"] == "total")["outputs"]["total"]
    incumbent(project, "artifacts", "get", digest, "--output", str(project / "total.bin"))


def test_a_new_item_reruns_itself_and_what_gathers(project):
    incumbent(project, "run")
    write(project, {"days/0.txt": "7"})  # it sorts before the others, which all move one place
    again = incumbent_json(project, "run")
    assert [name for name, _ in count(again, "ran")] == ["load", "square", "total"]


def test_an_item_that_squares_to_the_same_spares_the_rest(project):
    incumbent(project, "run")
    write(project, {"days/2.txt": "-2"})
    again = incumbent_json(project, "run")
    assert [name for name, _ in count(again, "ran")] == ["load", "square"], "4 = (-2) * (-2): total is spared"


EMPTY = """
import incumbent as inc

@inc.stage
def rows() -> list[int]:
    return []

@inc.stage(map_over="rows")
def square(rows: int) -> int:
    return rows * rows

@inc.stage
def total(square: list[int]) -> int:
    return sum(square)

pipeline = inc.Pipeline("empty", [rows, square, total])
"""


def test_no_items_at_all_give_an_empty_list(project):
    write(project, {"pipe.py": EMPTY})
    done = incumbent_json(project, "run")
    assert count(done, "ran") == [("rows", None), ("total", None)]


def test_the_plan_counts_items(project):
    incumbent(project, "run")
    write(project, {"days/4.txt": "4"})
    [load] = [stage for stage in incumbent_json(project, "plan")["stages"] if stage["stage"] == "load"]
    assert load["items"] == [3, 4]


TWICE = """
import pathlib
import incumbent as inc

@inc.stage
def rows() -> list[int]:
    return [3, 3, 4]

@inc.stage(map_over="rows")
def square(rows: int) -> int:
    with open(pathlib.Path(__file__).with_name("calls.txt"), "a") as file:
        file.write("x")
    return rows * rows

@inc.stage
def total(square: list[int]) -> int:
    return sum(square)

pipeline = inc.Pipeline("twice", [rows, square, total])
"""


def test_equal_items_run_once(project):
    write(project, {"pipe.py": TWICE})
    done = incumbent_json(project, "run", "--undeclared", "off")
    assert done["state"] == "finished"
    assert (project / "calls.txt").read_text() == "xx"
    assert sorted(count(done, "ran") + count(done, "hit"), key=str) == [
        ("rows", None),
        ("square", 0),
        ("square", 1),
        ("square", 2),
        ("total", None),
    ]
