"""What holds for every test: `--slow`, and no test is skipped in CI without a reason that CI accepts."""

import compileall
import os
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "src" / "incumbent"

ACCEPTED_SKIPS = (
    "not on this platform:",
    "no other Python here:",
    "no git history here:",
    "the superuser may read any file",
    "memory ends with the store",
    "in full only with --slow:",
)
"""A skip in CI (CI=true) must open with one of these: what CI cannot have, not what it should have had; and the long form of a suite."""

collect_ignore = ["src/incumbent/storage/migrations/env.py", "src/incumbent/demo_project"]
"""Not for doctest: the one runs inside of Alembic alone, the other is a user's project that is shipped as data."""


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the fault and soak suites in full, not in their short form")


@pytest.fixture(scope="session")
def is_slow(request):
    """Whether to run a suite marked `slow` in full; without --slow it runs in a short form, and is never left out."""
    return request.config.getoption("--slow")


def pytest_collection_modifyitems(config, items):
    """Skip long forms without --slow. A suite that asks for `is_slow` shortens itself; others have cases without the mark."""
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="in full only with --slow: the cases without the mark are the short form")
    for item in items:
        if item.get_closest_marker("slow") is not None and "is_slow" not in item.fixturenames:
            item.add_marker(skip)


class SkipWatch:
    """Collects skips, and fails the session in CI if one has a reason that is not on the list."""

    def __init__(self):
        self.refused = []

    def pytest_runtest_logreport(self, report):
        self._note(report)

    def pytest_collectreport(self, report):
        self._note(report)

    def _note(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
            if not reason.startswith(ACCEPTED_SKIPS):
                self.refused.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session):
        if self.refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.refused:
            terminalreporter.section("skips that CI does not accept")
            for line in self.refused:
                terminalreporter.line(line)


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return
    if os.environ.get("CI") == "true":  # the controller hears of every skip
        config.pluginmanager.register(SkipWatch(), "skip-watch")
    # An installed package is compiled. A checkout is not where PYTHONDONTWRITEBYTECODE is set, and each of a thousand commands that the
    # tests start would compile what it imports anew, which takes it twice as long as all that it is tested for.
    compileall.compile_dir(PACKAGE, quiet=2, rx=re.compile("demo_project"))
