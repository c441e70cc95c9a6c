"""The short way of `incumbent run` gives the answer of an earlier run only while everything it depends on is as it was."""

import os
import time

import pytest
from command import incumbent, incumbent_json, ran, write
from test_bad_input import FILES, PIPELINE


@pytest.fixture
def project(tmp_path):
    write(tmp_path, FILES)
    time.sleep(0.2)  # files younger than the run are not trusted by stat
    incumbent(tmp_path, "run")
    time.sleep(0.2)
    incumbent(tmp_path, "run")
    assert "nothing to do" in incumbent(tmp_path, "run").stdout
    return tmp_path


def test_an_unchanged_project_has_nothing_to_do_and_makes_no_run(project):
    before = incumbent_json(project, "runs", "ls")
    assert "nothing to do" in incumbent(project, "run").stdout
    assert incumbent_json(project, "runs", "ls") == before
    again = incumbent_json(project, "run")
    assert (again["ran"], again["hits"], ran(again)) == (0, 2, [])
    assert (incumbent_json(project, "run")["hits"], incumbent_json(project, "runs", "ls")) == (2, incumbent_json(project, "runs", "ls"))


def change_source(folder):
    write(folder, {"pipe.py": PIPELINE.replace("max(least", "min(least")})


def change_data(folder):
    write(folder, {"data/table.csv": "a,b\n1,2\n3,4\n"})


def change_data_in_secret(folder):
    path = folder / "data" / "table.csv"
    before = path.stat()
    path.write_text(path.read_text().replace("1", "7"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_settings(folder):
    write(folder, {"pyproject.toml": FILES["pyproject.toml"] + "[tool.incumbent.config.count]\nleast = 100\n"})


def remove_an_output(folder):
    for blob in (folder / ".incumbent" / "blobs").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 0:
            blob.unlink()


@pytest.mark.parametrize("change", [change_source, change_data, change_data_in_secret, change_settings, remove_an_output])
def test_any_change_leads_to_a_real_run(project, change):
    change(project)
    done = incumbent_json(project, "run")
    assert ran(done), done


def test_a_comment_leads_to_a_real_plan_which_reruns_nothing(project):
    write(project, {"pipe.py": PIPELINE + "\n# a remark\n"})
    done = incumbent(project, "run")
    assert "nothing to do" not in done.stdout
    assert "2 cached" in done.stdout


def test_another_seed_or_setting_is_another_question(project):
    assert ran(incumbent_json(project, "run", "--seed", "3")) == ["load", "count"]
    assert ran(incumbent_json(project, "run", "--set", "count.least=99")) == ["count"]


def test_damaged_standings_are_passed_over(project):
    for path in (project / ".incumbent" / "standing").iterdir():
        path.write_bytes(os.urandom(200))
    assert "2 cached" in incumbent(project, "run").stdout


def test_another_python_path_is_another_question(project):
    done = incumbent(project, "run", env={"PYTHONPATH": str(project / "elsewhere")})
    assert "nothing to do" not in done.stdout


def test_a_deleted_database_is_not_passed_over(project):
    for path in (project / ".incumbent").glob("incumbent.db*"):
        path.unlink()
    assert ran(incumbent_json(project, "run")) == ["load", "count"]


def test_a_module_that_shadows_another_leads_to_a_real_run(project):
    text = PIPELINE.replace("import incumbent as inc", "import incumbent as inc\nfrom lib import LEAST").replace("max(least", "max(LEAST")
    write(project, {"pipe.py": text, "src/lib.py": "LEAST = 500\n"})
    time.sleep(0.2)
    for _ in range(3):
        incumbent(project, "run")
        time.sleep(0.2)
    assert "nothing to do" in incumbent(project, "run").stdout
    write(project, {"lib.py": "LEAST = 900\n"})
    assert ran(incumbent_json(project, "run")) == ["count"]


def test_a_folder_with_a_project_of_its_own_is_that_project(project):
    write(project / "nested", {"pyproject.toml": ""})
    incumbent(project / "nested", "run", code=2)
