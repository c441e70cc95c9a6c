"""The two runners, by the front door: a project on disk, real worker processes, a real blob store."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_project import Project, words

from incumbent.base.errors import InvalidInput


@pytest.fixture(params=["local", "inline"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    made = Project(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def isolated(tmp_path: Path) -> Iterator[Project]:
    """Only the runner with worker processes: what ends a process cannot be survived inline."""
    made = Project(tmp_path, "local")
    yield made
    made.close()


def test_a_stage_gets_its_inputs_config_seed_and_rng_and_its_result_is_stored(project: Project) -> None:
    project.write("""
        @stage
        def it(rows: list, *, factor: float = 1.0, seed: int = 0, rng=None) -> dict:
            return {"sum": sum(rows) * factor, "seed": seed, "drawn": float(rng.random()), "kind": type(factor).__name__}
    """)
    runner = project.open()
    runner.start(project.code("it"))
    task = replace(project.task("it", {"rows": project.put([1, 2, 3], "list")}), config={"factor": 2}, injected=("seed", "rng"))
    runner.submit(task)
    (outcome,) = runner.wait(60)
    assert outcome.state == "done", outcome.failure
    import numpy as np

    assert project.get(outcome.outputs["it"], dict) == {
        "sum": 12.0, "seed": 11, "drawn": float(np.random.Generator(np.random.PCG64(11)).random()), "kind": "float",
    }  # fmt: skip
    assert outcome.resources.wall_s > 0
    assert outcome.resources.rss_bytes_max > 1 << 20


def test_all_chance_that_a_seed_reaches_is_the_same_in_each_attempt(project: Project) -> None:
    text = """
        import random
        @stage
        def it() -> list:
            import numpy as np
            import polars as pl
            return [random.random(), float(np.random.rand()), pl.Series(range(1000)).sample(3).to_list()]
    """
    first, second = project.run(text), project.run(text)
    assert first.state == second.state == "done", first.failure
    assert first.outputs == second.outputs
    other = project.run(text, change=lambda task: replace(task, seed=12))
    assert other.outputs != first.outputs


def test_a_users_exception_is_told_with_its_place_and_the_users_frames_only(project: Project) -> None:
    outcome = project.run("""
        def check(rows):
            raise ValueError("no rows left")

        @stage
        def it() -> int:
            return check([])
    """)
    assert outcome.state == "failed"
    assert words(outcome) == f"ValueError: no rows left (pipelines/{project.module}.py:6 in check)"
    assert outcome.failure is not None
    assert not outcome.failure.is_final
    assert "in it" in outcome.failure.traceback
    assert "in check" in outcome.failure.traceback
    assert "incumbent" not in outcome.failure.traceback.replace(str(project.root), "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'text'", "annotated int"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise MemoryError('all of it')", "MemoryError: all of it"),
        ("class Odd(Exception):\n        def __str__(self): raise OSError\n    raise Odd", "cannot be shown"),
        ("def deep(): deep()\n    deep()", "RecursionError"),
    ],
)
def test_each_way_to_fail_in_python_is_a_failure_in_words(project: Project, body: str, said: str) -> None:
    outcome = project.run(f"\n@stage\ndef it() -> int:\n    {body}\n", change=lambda task: replace(task, produces={"it": "int"}))
    assert outcome.state == "failed"
    assert said in words(outcome)


@pytest.mark.parametrize(
    ("returned", "said"),
    [("None", "returned None"), ("(1,)", "returned 1 values"), ("(1, 2, 3)", "returned 3 values"), ("{1}", "returned one set")],
)
def test_a_stage_of_two_outputs_that_returns_something_else_is_refused_for_good(project: Project, returned: str, said: str) -> None:
    outcome = project.run(
        f"\n@stage\ndef it():\n    return {returned}\n", change=lambda task: replace(task, produces={"left": "", "right": ""})
    )
    assert outcome.state == "failed"
    assert said in words(outcome)
    assert "left, right" in words(outcome)
    assert outcome.failure is not None
    assert outcome.failure.is_final


def test_an_output_over_its_limit_is_refused_and_the_limit_is_named(project: Project) -> None:
    outcome = project.run(
        "\n@stage\ndef it() -> bytes:\n    return b'x' * 100_000\n",
        change=lambda task: replace(task, produces={"it": "bytes"}, output_bytes_max=1000),
    )
    assert outcome.state == "failed"
    assert "output_bytes_max" in words(outcome)
    assert "1000" in words(outcome)


def test_a_value_that_nothing_can_store_is_refused(project: Project) -> None:
    outcome = project.run("\n@stage\ndef it():\n    return (n for n in range(3))\n")
    assert outcome.state == "failed"
    assert "cannot be stored" in words(outcome)


def test_an_input_that_does_not_verify_is_named_by_its_digest(project: Project) -> None:
    project.write("\n@stage\ndef it(rows: list) -> int:\n    return len(rows)\n")
    rows = project.put(list(range(1000)), "list")
    (blob,) = [
        path
        for path in (project.root / ".incumbent/blobs").rglob("*")
        if path.is_file() and rows.digest.partition(":")[2][4:] in str(path).replace("/", "")
    ]
    os.chmod(blob, 0o600)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    runner = project.open()
    runner.start(project.code("it"))
    runner.submit(project.task("it", {"rows": rows}))
    (outcome,) = runner.wait(60)
    assert outcome.state == "corrupt_input", outcome
    assert outcome.failure is not None
    assert outcome.failure.digest == rows.digest


def test_metrics_travel_with_the_outcome_nan_included(project: Project) -> None:
    outcome = project.run("""
        from incumbent.usecases.log_metric import log_metric
        @stage
        def it() -> int:
            for step in range(3):
                log_metric("loss", 1 / (step + 1), step)
            log_metric("bad", float("nan"))
            return 1
    """)
    assert [(point.name, point.value, point.step) for point in outcome.metrics[:3]] == [
        ("loss", 1.0, 0),
        ("loss", 0.5, 1),
        ("loss", 1 / 3, 2),
    ]
    assert outcome.metrics[3].value != outcome.metrics[3].value


def test_an_edit_of_equal_length_within_one_second_is_run(project: Project) -> None:
    for number in (1, 2):
        outcome = project.run(f"\n@stage\ndef it() -> int:\n    return {number}\n")
        (source,) = (project.root / "pipelines").glob("*.py")
        os.utime(source, (1_700_000_000, 1_700_000_000))
        assert project.get(outcome.outputs["it"]) == number


def test_a_module_that_cannot_be_imported_is_told_with_its_line(project: Project) -> None:
    project.write("\nimport nothing_of_that_name\n")
    runner = project.open()
    with pytest.raises(InvalidInput, match=r"cannot be imported: ModuleNotFoundError.*flow_.*\.py:5"):
        runner.start(project.code("it"))


def test_types_that_only_classes_settle_are_settled_before_anything_runs(project: Project) -> None:
    project.write("""
        class Base: pass
        class Child(Base): pass
        class Other: pass
        @stage
        def it() -> int:
            return 1
    """)
    name = project.module
    good = ("stage 'a' gives 'a'", f"{name}.Child", "stage 'b' takes 'a'", f"{name}.Base")
    bad = ("stage 'a' gives 'a'", f"{name}.Other", "stage 'b' takes 'a'", f"{name}.Base")
    runner = project.open()
    assert runner.start(project.code("it", unsettled=(good, bad))) == [
        f"types do not fit: stage 'a' gives 'a' as {name}.Other, and stage 'b' takes 'a'"
    ]


def test_what_a_stage_prints_is_kept_native_prints_too(isolated: Project) -> None:
    outcome = isolated.run("""
        @stage
        def it() -> int:
            print("from python")
            os.write(2, b"from below\\n")
            os.system("echo from a child")
            return 1
    """)
    log = isolated.log(outcome)
    assert all(line in log for line in ("from python", "from below", "from a child"))
    assert isolated.run("\n@stage\ndef it() -> int:\n    return 1\n").log is None
