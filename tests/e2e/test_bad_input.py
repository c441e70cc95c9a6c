"""What bad input gets: one clear paragraph on stderr, the right exit code, no traceback, nothing lost."""

import os
import sqlite3

import pytest
from command import incumbent, incumbent_json, ran, write

PIPELINE = """
from pathlib import Path
import incumbent as inc

@inc.stage
def load(table: Path) -> str:
    return table.read_text()

@inc.stage
def count(load: str, *, least: int = 1) -> int:
    return max(least, len(load))

pipeline = inc.Pipeline("bad", [load, count], sources={"table": inc.source.file("data/table.csv")})
"""
FILES = {"pipe.py": PIPELINE, "data/table.csv": "a,b\n1,2\n", "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'}


@pytest.fixture
def project(tmp_path):
    write(tmp_path, FILES)
    return tmp_path


def says(folder, *arguments, code, words):
    done = incumbent(folder, *arguments, code=code)
    text = " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in text
    for word in [words] if isinstance(words, str) else words:
        assert word in text, text
    return text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["why", "laod"], 3, "did you mean 'load'"),
        (["plan", "--edited", "nothing"], 3, "has no stage 'nothing'"),
        (["run", "--set", "count.least=many"], 2, "count.least='many' is a str, and the stage takes int"),
        (["run", "--set", "count=1"], 2, "expected STAGE.KEY=VALUE"),
        (["run", "--set", "cuont.least=1"], 2, "did you mean 'count'"),
        (["run", "--seed", "-1"], 2, "out of range"),
        (["run", "missing.py:pipeline"], 3, "missing.py"),
        (["run", "pipe.py:nothing"], 3, "nothing"),
        (["run", "../pipe.py:pipeline"], 2, ".."),
        (["run", "--sweep", "count.least=1..5"], 2, "needs --trials"),
        (["runs", "show", "run-000000"], 3, "run-000000"),
        (["reproduce", "run-000000"], 3, "run-000000"),
        (["nonsense"], 2, "there is no command 'nonsense'"),
        (["rnu"], 2, "Did you mean `incumbent run`"),
    ],
)
def test_a_wrong_argument_is_told_in_one_paragraph(project, arguments, code, words):
    says(project, *arguments, code=code, words=words)


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"pipe.py": "def broken(:\n"}, 2, "pipe.py"),
        ({"pipe.py": PIPELINE.replace("def count(load: str", "def count(loda: str")}, 2, "Did you mean 'load'"),
        ({"pipe.py": PIPELINE.replace("def count(load: str", "def count(load: int")}, 2, "types do not fit"),
        ({"pipe.py": PIPELINE.replace("[load, count]", "[load, load, count]")}, 2, "two stages named 'load'"),
        ({"pipe.py": PIPELINE.replace("data/table.csv", "../table.csv")}, 2, ".."),
        ({"pipe.py": PIPELINE.replace("data/table.csv", "data/none.csv")}, 3, "data/none.csv"),
        ({"pipe.py": PIPELINE.replace("@inc.stage\ndef count", "@inc.stage(retries=-1)\ndef count")}, 2, "retries"),
        ({"pyproject.toml": "[tool.incumbent\n"}, 2, "pyproject.toml"),
        ({"pyproject.toml": "[tool.incumbent]\npipelin = 'x'\n"}, 2, "no setting 'pipelin'"),
        ({"pyproject.toml": ""}, 2, "no pipeline named"),
    ],
)
def test_a_broken_project_is_found_before_anything_runs(project, files, code, words):
    write(project, files)
    says(project, "run", code=code, words=words)
    write(project, {"pyproject.toml": FILES["pyproject.toml"]})
    assert "run-" not in incumbent(project, "runs", "ls", "--json").stdout, "no run was recorded"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return str(load)", "int"),
        ("    raise ValueError('no such month')", ["ValueError: no such month", "pipe.py:"]),
        ("    raise SystemExit(3)", "SystemExit"),
        ("    import os; os._exit(7)", "7"),
        ("    import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("    import numpy; return int(numpy.random.default_rng().integers(9))", ["unseeded", "numpy.random", "pipe.py:11"]),
        ("    return len(open('data/other.csv').read())", "data/other.csv"),
        ("    import os; return len(os.environ.get('SECRET_REGION', ''))", "SECRET_REGION"),
        ("    return lambda: 1", "int"),
    ],
)
def test_a_stage_that_misbehaves_fails_the_run_and_keeps_what_was_done(project, body, words):
    write(project, {"pipe.py": PIPELINE.replace("    return max(least, len(load))", body), "data/other.csv": "x"})
    done = incumbent(project, "run", code=1)
    text = done.stdout + done.stderr
    for word in [words] if isinstance(words, str) else words:
        assert word in text, text
    write(project, {"pipe.py": PIPELINE})
    assert ran(incumbent_json(project, "run")) == ["count"], "the stage above it stayed cached"


def test_an_endless_stage_is_stopped_at_its_time_limit(project):
    write(
        project,
        {
            "pipe.py": PIPELINE.replace("@inc.stage\ndef count", "@inc.stage(timeout_s=1)\ndef count").replace(
                "    return max(least, len(load))", "    while True: pass"
            )
        },
    )
    assert "1 s" in incumbent(project, "run", code=1).stdout


def test_an_output_over_its_limit_is_refused(project):
    write(
        project,
        {
            "pipe.py": PIPELINE.replace("@inc.stage\ndef load", "@inc.stage(output_bytes_max=10)\ndef load").replace(
                "return table.read_text()", "return 'x' * 100"
            )
        },
    )
    assert "10" in incumbent(project, "run", code=1).stdout


def test_a_failing_stage_is_tried_again_as_often_as_it_says(project):
    body = "    import pathlib; p = pathlib.Path(__file__).with_name('tries.txt'); p.open('a').write('x'); raise ValueError('again')"
    text = PIPELINE.replace("@inc.stage\ndef count", "@inc.stage(retries=2, retry_delay_s=0.01)\ndef count")
    write(project, {"pipe.py": text.replace("    return max(least, len(load))", body)})
    incumbent(project, "run", "--undeclared", "off", code=1)
    assert (project / "tries.txt").read_text() == "xxx"


def test_a_file_that_is_no_database_is_left_alone(project):
    (project / ".incumbent").mkdir()
    (project / ".incumbent" / "incumbent.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    says(project, "run", code=4, words="incumbent.db")
    assert (project / ".incumbent" / "incumbent.db").read_bytes().startswith(b"this is not")


def test_a_workspace_of_a_newer_version_is_refused_and_untouched(project):
    incumbent(project, "run")
    path = project / ".incumbent" / "incumbent.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE settings SET value = '9999' WHERE name IN ('format', 'revision')")
    connection.close()
    says(project, "run", "--seed", "1", code=2, words="newer version")


def test_a_flipped_bit_is_found_on_read_and_the_stage_is_rebuilt(project):
    first = incumbent_json(project, "run")
    digest = next(stage for stage in first["stages"] if stage["stage"] == "load")["outputs"]["load"]
    [blob] = (project / ".incumbent" / "blobs").rglob(f"*{digest[-40:]}*")
    good = blob.read_bytes()
    os.chmod(blob, 0o644)
    blob.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    os.chmod(blob, 0o444)
    assert incumbent(project, "artifacts", "get", digest, "--output", str(project / "out"), code=4).stderr
    write(project, {"pipe.py": PIPELINE.replace("max(least, len(load))", "max(least, 2 * len(load))")})
    again = incumbent_json(project, "run")
    assert ran(again) == ["load", "count"]
    assert next(stage for stage in again["stages"] if stage["stage"] == "load" and stage["state"] == "ran")["outputs"]["load"] == digest
    incumbent(project, "artifacts", "verify")


def test_todays_table_changing_in_silence_shows_as_a_changed_data_digest(project):
    incumbent(project, "run")
    write(project, {"data/table.csv": "a,b\n1,3\n"})
    found = incumbent_json(project, "why", "load")
    [difference] = found["plan"]["differences"]
    assert difference["kind"] == "data"
    assert difference["name"] == "table"
    assert difference["old"] != difference["new"]


def test_a_same_size_edit_with_a_restored_time_is_caught(project):
    incumbent(project, "run")
    path = project / "data" / "table.csv"
    before = path.stat()
    path.write_text("a,b\n9,2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ran(incumbent_json(project, "run"))[0] == "load"
