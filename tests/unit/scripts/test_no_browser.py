"""Without a browser the pages are not tested, and CI says so and fails: before it spends its minutes, and after, if it came so far."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_ci_stops_before_the_tests_where_no_browser_is_and_none_can_be_installed(tmp_path):
    for name in ("bash", "dirname", "id"):
        (tmp_path / name).symlink_to(shutil.which(name))
    command = ["bash", str(ROOT / ".ci" / "run"), "tests"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no browser on PATH, and the pages are tested in one: install chromium" in done.stderr
    assert "passed in" not in done.stdout


def test_a_skip_for_want_of_a_browser_fails_in_ci(tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/e2e/test_pages.py", "-k", "reads_the_page and ledger"]
    environment = {**os.environ, "PATH": str(tmp_path), "CI": "true"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "skips that CI does not accept" in done.stdout
    assert "no browser on PATH: install chromium" in done.stdout
