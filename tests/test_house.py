"""The house rules that no other tool holds: length, names, light imports, locks, documents that must be there."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import incumbent

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "incumbent"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "__pycache__")
PYTHON = sorted([*SOURCES, *(path for folder in ("tests", "bench", "docs", "scripts") for path in (ROOT / folder).rglob("*.py"))])
HEAVY = {
    "numpy",
    "sqlalchemy",
    "alembic",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "msgspec",
    "asyncio",
    "uvicorn",
    "git",
    "sklearn",
    "lightgbm",
}


def name_of(path):
    return str(path.relative_to(ROOT))


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("no git history here: the files of a source archive were checked before it was made")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_files_and_functions_stay_short(path):
    source = path.read_text()
    assert source.count("\n") <= 400, f"{name_of(path)}: split it along its nouns, not into _utils"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 70, f"{name_of(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_left_open_or_named_after_nothing(path):
    source = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", source)
    assert not re.search(r"^class \w*(Manager|Helper|Factory|Base|Util)\b|^class Base[A-Z]", source, re.MULTILINE)
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}
    assert not re.search(r"except (Exception|BaseException)?:?\s*\n\s*pass\b", source), "say what is caught and why it is no matter"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_stage_is_a_pipeline_stage_and_never_a_status(path):
    if path.parent.parts[-2:] in {("server", "mlflow"), ("execution", "mlflow_source")}:
        return  # the two places that speak MLflow's words
    found = re.search(
        r"current_stage|model_stage|version_stage|stage\s*(=|==|in|:)\s*[\(\[\"']*(Staging|Production|Archived)", path.read_text()
    )
    assert found is None, f"{name_of(path)}: {found}; a model version has a status in a slot (docs/glossary.md)"


@pytest.mark.parametrize("path", [path for path in SOURCES if path != PACKAGE / "__init__.py"], ids=name_of)
def test_nothing_inside_uses_the_public_face(path):
    """A module that needs the names of `incumbent` itself makes a circle; the version may be read from it."""
    if "demo_project" in path.parts:
        return  # a user's project, shipped as data
    tree = ast.parse(path.read_text())
    rooms = {entry.stem for entry in PACKAGE.iterdir()}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "incumbent":
            names = {alias.name for alias in node.names}
            assert names <= rooms | {"__version__"}, f"{name_of(path)}:{node.lineno} imports {names} from the top"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "incumbent":
            assert node.attr in rooms | {"__version__"}, f"{name_of(path)}:{node.lineno} uses incumbent.{node.attr}"


def _functions(path):
    return {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def _use_cases():
    """(file, function) of every function of usecases/ that a face imports."""
    faces = [PACKAGE / "__init__.py", *(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "server").glob("*.py")]
    for face in faces:
        if not face.exists():
            continue
        for node in ast.walk(ast.parse(face.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("incumbent.usecases."):
                path = PACKAGE / "usecases" / f"{node.module.split('.')[2]}.py"
                functions = _functions(path)
                yield from ((path, functions[alias.name]) for alias in node.names if alias.name in functions)


READERS = re.compile(r"(get|find|list)_|trace$")
"""Verbs that only read may take what they read about by position: `trace(ws, subject)`."""


def test_a_use_case_takes_a_workspace_first_and_everything_else_by_keyword():
    ports = {node.name for node in ast.parse((PACKAGE / "usecases" / "ports.py").read_text()).body if isinstance(node, ast.ClassDef)}
    for path, function in _use_cases():
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        kinds = [ast.unparse(a.annotation) if a.annotation else "" for a in positional]
        where = f"{name_of(path)}:{function.lineno} {function.name}"
        if "Workspace" not in [*kinds, *(ast.unparse(a.annotation) for a in arguments.kwonlyargs if a.annotation)]:
            continue  # a pure function of values, which a face may use to render
        assert (positional[0].arg, kinds[0]) == ("ws", "Workspace"), f"{where}: (ws: Workspace, *, …)"
        assert function.returns is not None, where
        if not READERS.match(function.name):
            assert set(kinds[1:]) <= ports, f"{where}: what is no port is given by keyword"


def _loaded_modules(code):
    script = f"import sys\n{code}\nimport json; sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


VERSION = """
sys.argv = ["incumbent", "--version"]
from incumbent.cli import main
try:
    code = main()
except SystemExit as end:
    code = end.code
assert not code, code
"""


@pytest.mark.parametrize("code", ["import incumbent", VERSION], ids=["import incumbent", "incumbent --version"])
def test_starting_loads_nothing_heavy(code):
    assert _loaded_modules(code) & HEAVY == set()


def test_the_server_starts_without_the_parts_of_scipy_that_only_judging_needs():
    """`import scipy` loads a part at its first use, `from scipy import special` at once: a third of the server's start."""
    assert _loaded_modules("import incumbent.server.serve") & {"scipy.special", "scipy.optimize", "scipy.linalg"} == set()


def test_the_short_way_of_a_run_loads_next_to_nothing():
    """An all-cached run is over before a real one would have imported its modules (bench/cached.py)."""
    loaded = _loaded_modules("import incumbent.cli")
    assert {name for name in loaded if name.startswith("incumbent.")} <= {
        "incumbent.base", "incumbent.base.version", "incumbent.bootstrap", "incumbent.bootstrap.standing", "incumbent.cli",
    }  # fmt: skip
    assert loaded & {"argparse", "blake3", "dataclasses", "inspect", "pathlib", "sqlite3", "subprocess", "tomllib", "typing"} == set()


def test_every_public_name_exists_and_is_documented():
    for name in incumbent.__all__:
        value = getattr(incumbent, name)
        assert name == "__version__" or isinstance(value, type | dict | tuple | str) or value.__doc__, name


def _pins(lock):
    """Return {(name, marker): (version, hashes)} of a lock file."""
    pins, current = {}, None
    for line in lock.read_text().splitlines():
        if line.startswith("    --hash="):
            pins[current][1].add(line.strip(" \\"))
        elif line and not line.startswith("#"):
            requirement, _, marker = line.removesuffix(" \\").partition(" ; ")
            name, _, version = requirement.partition("==")
            current = (name, marker)
            pins[current] = (version, set())
    return pins


@pytest.mark.parametrize(("small", "large"), [("build", "demo"), ("demo", "test")])
def test_each_lock_is_part_of_the_next_so_that_one_venv_serves_both_scripts(small, large):
    few, many = (_pins(ROOT / "requirements" / f"{name}.lock") for name in (small, large))
    assert few.items() <= many.items()
    assert all(version and hashes for version, hashes in many.values())


def test_every_requirement_of_the_project_is_locked():
    wanted = set(re.findall(r'^\s*"([a-z0-9-]+)(?:\[[a-z,]+\])?[>=]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    assert {"numpy", "sqlalchemy", "uvicorn"} <= wanted
    assert wanted <= {name for name, _ in _pins(ROOT / "requirements" / "test.lock")}


REGISTRIES = re.compile(r"(pypi|pythonhosted|npmjs|conda|anaconda|pytorch|crates|jfrog|rubygems)\.(org|com|io)", re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(?<![\w.}])/(root|work|home/\w+|Users/\w+|opt/(wheels|pypi\S*)|tmp/w)(/|\b)")
OWN_WORDS = {"tests/test_house.py"}


def test_no_tracked_file_names_a_package_registry_or_a_path_of_some_machine():
    for path in tracked_files():
        if name_of(path) in OWN_WORDS or path.suffix in {".png", ".svg", ".parquet"}:
            continue
        text = path.read_text(errors="replace")
        for pattern in (REGISTRIES, MACHINE_PATHS):
            found = pattern.search(text)
            assert found is None, f"{name_of(path)}: {found[0]!r}"
        if path.suffix == ".lock":
            assert "://" not in text, f"{name_of(path)} holds an address; remake it with scripts/lock.sh"


def test_registry_lock_files_of_uv_are_not_tracked():
    assert not {path.name for path in tracked_files()} & {"uv.lock", "pylock.toml", "poetry.lock"}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")), ids=name_of)
def test_every_decision_record_says_what_it_costs(path):
    text = path.read_text()
    for heading in ("## Context", "## Decision", "## Consequences", "### Negative"):
        assert re.search(rf"^{heading}", text, re.MULTILINE), f"{name_of(path)} has no {heading!r}"


def test_the_changelog_opens_with_this_version():
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] in {"Unreleased", incumbent.__version__}


def test_the_package_says_that_it_is_typed_and_how_it_is_licensed():
    assert (PACKAGE / "py.typed").exists()
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_the_page_on_hostile_input_names_tests_that_are_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/explanation/hostile-input.md").read_text()))
    there = {name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert named
    assert named <= there, named - there


def test_no_temporary_name_can_be_guessed():
    """In shared folders only what `tempfile` opens itself; beside our own files, names of chance (`secrets`)."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.match(r"/(var/)?tmp\b|/dev/shm", node.value), f"{name_of(path)}:{node.lineno}"
            if isinstance(node, ast.Attribute | ast.Name):
                assert (node.attr if isinstance(node, ast.Attribute) else node.id) not in {"mktemp", "gettempdir"}, name_of(path)
