"""The Python API from a plain script, with the mistakes that a first script makes."""

import os
import subprocess
import sys

from command import incumbent, write

STAGES = """
import incumbent as inc

@inc.stage
def one() -> int:
    print("one was here")
    return 1

@inc.stage
def two(one: int, *, fail: bool = False, seed: int) -> int:
    print("two was here")
    if fail:
        raise ValueError("as asked")
    return one + 1

p = inc.Pipeline("script", [one, two])
"""
GUARDED = """
if __name__ == "__main__":
    result = inc.run_pipeline(p, config={"two": {"fail": %s}})
    print(result.outputs["two"], result.hits, result.ran)
"""


def run_script(folder, timeout_s=90):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_a_guarded_script_runs_its_own_pipeline(tmp_path):
    write(tmp_path, {"script.py": STAGES + GUARDED % "False"})
    done = run_script(tmp_path)
    assert (done.stdout, done.returncode) == ("2 0 2\n", 0), done.stderr
    assert run_script(tmp_path).stdout == "2 2 0\n"


def test_a_script_that_would_start_itself_without_end_is_refused_once(tmp_path):
    write(tmp_path, {"script.py": STAGES + "print(inc.run_pipeline(p).outputs)"})
    done = run_script(tmp_path)
    assert done.returncode != 0
    assert 'if __name__ == "__main__":' in done.stderr
    assert incumbent(tmp_path, "runs", "ls", "--json").stdout.count('"run_id"') <= 1, "none inside it"


def test_a_failed_stage_is_an_error_of_the_script(tmp_path):
    write(tmp_path, {"script.py": STAGES + GUARDED % "True"})
    done = run_script(tmp_path)
    assert done.returncode == 1
    assert "stage two failed: ValueError: as asked" in done.stderr


def test_what_stages_print_is_kept_and_its_end_is_shown_with_a_failure(tmp_path):
    write(tmp_path, {"script.py": STAGES})
    done = incumbent(tmp_path, "run", "script.py:p", "--set", "two.fail=true", code=1)
    assert "  | two was here" in done.stdout
    run = done.stdout.rpartition("incumbent runs log ")[2].strip()
    assert incumbent(tmp_path, "runs", "log", run).stdout == "--- one\none was here\n--- two\ntwo was here\n"
    assert incumbent(tmp_path, "runs", "log", run, "one").stdout == "--- one\none was here\n"
    assert "has no stage 'three'" in incumbent(tmp_path, "runs", "log", run, "three", code=3).stderr


def test_a_file_is_named_as_seen_from_the_folder_one_stands_in(tmp_path):
    write(tmp_path, {"script.py": STAGES, "pyproject.toml": "", "sub/keep.txt": ""})
    assert "2 run" in incumbent(tmp_path / "sub", "run", "../script.py:p").stdout
