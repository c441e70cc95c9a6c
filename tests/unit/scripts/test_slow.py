"""`--slow`: long forms are left out with a reason without it, short forms never are."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SUITE = """
import pytest

@pytest.mark.parametrize("rounds", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_rounds(rounds):
    print(f"rounds {rounds}")

@pytest.mark.slow
def test_shortens_itself(is_slow):
    print(f"slow {is_slow}")
"""


@pytest.mark.parametrize(
    ("options", "told", "untold"),
    [
        ([], ["rounds 1\n", "slow False\n", "2 passed, 1 skipped", "in full only with --slow:"], "rounds 40"),
        (["--slow"], ["rounds 1\n", "rounds 40\n", "slow True\n", "3 passed"], "skipped"),
    ],
    ids=["short", "slow"],
)
def test_a_long_form_runs_with_slow_alone_and_a_short_one_always(tmp_path, monkeypatch, options, told, untold):
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    config = ["-c", str(ROOT / "pyproject.toml"), "-p", "conftest", "-p", "no:cacheprovider", "-s", "-rs", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *config, *options, str(suite)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in told:
        assert text in done.stdout
    assert untold not in done.stdout
