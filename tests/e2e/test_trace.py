"""Lineage over real runs: past the cache, through lists, up to data and down to what came of it."""

import pytest
from blake3 import blake3
from command import incumbent, incumbent_json, write

PIPELINE = """
from pathlib import Path
import incumbent as inc

@inc.stage
def split(table: Path) -> list[int]:
    return [int(line) for line in table.read_text().split()]

@inc.stage(map_over="split")
def square(split: int) -> int:
    return split * split

@inc.stage
def total(square: list[int]) -> int:
    return sum(square)

@inc.stage
def told(total: int, *, word: str = "sum") -> str:
    return f"{word} {total}"

pipeline = inc.Pipeline("sums", [split, square, total, told], sources={"table": inc.source.file("table.txt")})
"""
STAGES = {"split", "square[0]", "square[1]", "square[2]", "total", "told"}


@pytest.fixture
def project(tmp_path):
    write(tmp_path, {"pipe.py": PIPELINE, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n', "table.txt": "1 2 3"})
    return tmp_path


def names(lineage, side, kind):
    reached = {lineage["subject"]} | {link["target"] for link in lineage[side]}
    return {lineage["nodes"][node]["name"] for node in reached if lineage["nodes"][node]["kind"] == kind}


def output(run, stage):
    return next(entry["outputs"][stage] for entry in run["stages"] if entry["stage"] == stage)


def test_an_output_is_traced_through_mapped_stages_up_to_the_source(project):
    run = incumbent_json(project, "run")
    lineage = incumbent_json(project, "trace", output(run, "told"))
    assert names(lineage, "origins", "stage") == STAGES
    data = [node for node in lineage["nodes"].values() if node["kind"] == "data"]
    assert [(node["name"], node["digest"]) for node in data] == [("table.txt", f"blake3:{blake3(b'1 2 3').hexdigest()}")]


def test_a_source_is_traced_down_through_mapped_stages_to_all_that_came_of_it(project):
    incumbent(project, "run")
    lineage = incumbent_json(project, "trace", f"blake3:{blake3(b'1 2 3').hexdigest()}")
    assert names(lineage, "uses", "stage") == STAGES


def test_a_stage_from_the_cache_has_the_lineage_of_the_run_that_took_it(project):
    first = incumbent_json(project, "run")
    second = incumbent_json(project, "run", "--set", "told.word=all")
    assert output(first, "total") == output(second, "total")
    lineage = incumbent_json(project, "trace", output(second, "told"))
    told = next(node for node in lineage["nodes"].values() if (node["kind"], node["name"]) == ("stage", "told"))
    assert (told["facts"]["run"], told["facts"]["config"]) == (second["run_id"], {"word": "all"})
    assert names(lineage, "origins", "stage") == STAGES
    down = incumbent_json(project, "trace", output(first, "total"))
    assert sorted(node["digest"] for node in down["nodes"].values() if node["name"] == "told" and node["kind"] == "artifact") == sorted(
        [output(first, "told"), output(second, "told")]
    )


def test_a_run_is_traced_to_all_its_stages_and_to_the_code_of_each(project):
    run = incumbent_json(project, "run")
    lineage = incumbent_json(project, "trace", run["run_id"])
    assert names(lineage, "origins", "stage") == STAGES
    symbols = {symbol for node in lineage["nodes"].values() if node["kind"] == "code" for symbol in node["facts"]["symbols"]}
    assert {"pipe.py::split", "pipe.py::square", "pipe.py::total", "pipe.py::told"} <= symbols


def test_a_long_chain_is_traced_to_its_end(tmp_path):
    stages = "\n".join(f"@inc.stage\ndef s{n}(s{n - 1}: int) -> int:\n    return s{n - 1} + 1\n" for n in range(1, 400))
    chain = f"import incumbent as inc\n\n@inc.stage\ndef s0() -> int:\n    return 0\n\n{stages}\n"
    chain += f"pipeline = inc.Pipeline('chain', [{', '.join(f's{n}' for n in range(400))}])\n"
    write(tmp_path, {"pipe.py": chain, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'})
    run = incumbent_json(tmp_path, "run")
    lineage = incumbent_json(tmp_path, "trace", output(run, "s399"))
    assert names(lineage, "origins", "stage") == {f"s{n}" for n in range(400)}
    text = incumbent(tmp_path, "trace", output(run, "s0")).stdout
    assert "gave artifact s399" in text


@pytest.mark.parametrize(("subject", "code"), [("blake3:00", 2), ("blake3:" + "0" * 64, 3), ("m@1", 3), ("???", 2), ("prediction-x", 3)])
def test_what_cannot_be_traced_has_an_exit_code_and_a_sentence(project, subject, code):
    done = incumbent(project, "trace", subject, code=code)
    assert done.stderr.startswith("incumbent: ")
    assert len(done.stderr.strip().splitlines()) == 1
