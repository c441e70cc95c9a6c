"""The code reader over real folders: references, errors in words, pipelines built by code, editable installs, git."""

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.digest import parse_digest
from incumbent.base.errors import IncumbentError, InvalidInput, NotFound
from incumbent.execution.code_reader import ProjectCodeReader
from incumbent.execution.git_version import _parse_status
from incumbent.execution.pipeline_loader import decode_description

STAGES = "import incumbent as inc\n@inc.stage\ndef a() -> int: return 1\n@inc.stage\ndef b(a: int) -> int: return a\n"
PLAIN = STAGES + "p = inc.Pipeline('x', [a, b])\n"


def write(root: Path, **files: str) -> Path:
    for key, text in files.items():
        file = root / (key.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    "reference",
    ["pipes/credit.py:p", "pipes/credit.py", "./pipes/credit.py:p", "pipes/../pipes/credit.py", "pipes.credit:p", "pipes.credit"],
)
def test_a_pipeline_is_named_by_file_or_module(tmp_path, reference):
    code = ProjectCodeReader(write(tmp_path, pipes__credit=PLAIN)).read(reference)
    assert list(code.graph.stages) == ["a", "b"]
    assert code.files == ("pipes/credit.py",)
    assert code.is_static


def test_modules_are_searched_where_the_interpreter_would(tmp_path):
    main = PLAIN.replace("return 1", "return near.f() + top.f() + deep.f()").replace("import inc", "import near, top, deep, inc")
    main = main.replace("import incumbent as inc", "import near, top, deep\nimport incumbent as inc")
    write(
        tmp_path,
        pipes__credit=main,
        pipes__near="def f(): return 1",
        near="def f(): return 2",
        top="def f(): return 3",
        src__deep="def f(): return 4",
    )
    code = ProjectCodeReader(tmp_path).read("pipes/credit.py")
    assert code.files == ("pipes/credit.py", "pipes/near.py", "src/deep.py", "top.py")
    spec = code.graph.stages["a"]
    assert (spec.path, spec.module, spec.symbol) == ("pipes/credit.py", "credit", "a")


def test_a_file_in_a_package_is_named_from_the_top_of_the_package(tmp_path):
    write(tmp_path, app__init="", app__steps="def f(): return 1")
    (tmp_path / "app" / "init.py").rename(tmp_path / "app" / "__init__.py")
    write(tmp_path, app__pipe=PLAIN.replace("import incumbent", "from .steps import f\nimport incumbent").replace("return 1", "return f()"))
    code = ProjectCodeReader(tmp_path).read("app/pipe.py")
    assert code.graph.stages["a"].module == "app.pipe"
    assert "app/steps.py::f" in dict(code.closures["a"].leaves)


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("../outside.py:p", InvalidInput, "leads out of the project"),
        ("/etc/passwd.py:p", InvalidInput, "leads out of the project"),
        ("link.py:p", InvalidInput, "leads out of the project"),
        ("absent.py:p", NotFound, "there is no file absent.py in the project"),
        ("absent.module:p", NotFound, "there is no module 'absent.module' in the project"),
        ("folder.py", InvalidInput, "is not a Python file"),
        ("folder/", InvalidInput, "is not a Python file"),
        ("good.py:", InvalidInput, "names no pipeline; expected FILE.py:NAME"),
        (":p", InvalidInput, "names no pipeline"),
        ("", InvalidInput, "names no pipeline"),
        ("good.py:no-name", InvalidInput, "names no pipeline"),
        ("good.py:q", NotFound, "good.py binds no name 'q'"),
        ("a\0b.py:p", InvalidInput, "is not a path"),
        ("x" * 5000 + ".py:p", InvalidInput, "is not a path"),
        ("odd-name.py:p", InvalidInput, "is no module name; rename the file"),
        ("broken.py:p", InvalidInput, "broken.py is not valid Python, line 1"),
        ("latin.py:p", InvalidInput, "latin.py is not valid Python"),
        ("importer.py:p", InvalidInput, "broken.py is not valid Python, line 1"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_paragraph(tmp_path, reference, error, message):
    root = write(tmp_path / "root", good=PLAIN, broken="def (", importer="import broken\n" + PLAIN)
    (root / "odd-name.py").write_text(PLAIN)
    (root / "latin.py").write_bytes(b"x = '\xe9'\n")
    (root / "folder.py").mkdir()
    write(tmp_path, outside=PLAIN)
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(error) as caught:
        ProjectCodeReader(root).read(reference)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read any file")
def test_an_unreadable_file_is_refused(tmp_path):
    root = write(tmp_path, good=PLAIN)
    (root / "good.py").chmod(stat.S_IWUSR)
    with pytest.raises(InvalidInput, match=r"good\.py cannot be read: Permission denied"):
        ProjectCodeReader(root).read("good.py")


def test_a_file_is_parsed_again_only_when_its_stat_changes(tmp_path):
    reader = ProjectCodeReader(write(tmp_path, good=PLAIN))
    first = reader.read("good.py").closures["a"].digest
    assert reader.read("good.py").closures["a"].digest == first
    before = (tmp_path / "good.py").stat()
    write(tmp_path, good=PLAIN.replace("return 1", "return 2"))
    os.utime(tmp_path / "good.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reader.read("good.py").closures["a"].digest != first


def test_the_digest_algorithm_is_the_workspace_s(tmp_path):
    closure = ProjectCodeReader(write(tmp_path, good=PLAIN), "sha256").read("good.py").closures["a"]
    assert {parse_digest(digest)[0] for digest in (closure.digest, *(leaf for _, leaf in closure.leaves))} == {"sha256"}


BUILT = STAGES + (
    "def make(n):\n  @inc.stage(name=f'm{n}')\n"
    "  def inner(b: int, *, k: int = n, t: tuple = (n,)) -> 'list[int]': return [b * n]\n  return inner\n"
    "third = make(3)\nprint('noise on stdout')\n"
    "p = inc.Pipeline('x', [a, b, third] + [make(n) for n in (4, 5)], sources={'f': inc.source.file('x.csv')})\n"
)


def test_a_pipeline_built_by_code_is_described_by_a_child_that_imports_it(tmp_path):
    code = ProjectCodeReader(write(tmp_path, pipes__built=BUILT)).read("pipes/built.py")
    assert not code.is_static
    assert list(code.graph.stages) == ["a", "b", "m3", "m4", "m5"]
    assert [spec.symbol for spec in code.graph.stages.values()] == ["a", "b", "third", "p[m4]", "p[m5]"]
    assert {spec.path for spec in code.graph.stages.values()} == {"pipes/built.py"}
    third = code.graph.stages["m3"]
    assert (third.config[0].name, third.config[0].type, third.config[0].default) == ("k", "int", 3)
    assert third.outputs[0].type == "list[int]"
    assert code.closures["m3"].widened == ()
    assert {"pipes/built.py::make", "pipes/built.py::third"} <= set(dict(code.closures["m3"].leaves))
    assert list(dict(code.closures["m4"].leaves)) == ["pipes/built.py"]
    assert code.closures["m4"].widened == ("pipes/built.py: no module-level name binds the stage",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import not_there_at_all\np = make()\n", "ModuleNotFoundError: No module named 'not_there_at_all' (built.py:1"),
        ("p = 1 / 0\n", "ZeroDivisionError: division by zero (built.py:1"),
        ("import sys\nsys.exit(3)\np = make()\n", "built.py cannot be imported"),
        ("import os\nos._exit(7)\np = make()\n", "built.py ended the interpreter that imported it (status 7)"),
        ("p = list(range(3))\n", "'p' is list, not a Pipeline"),
        (STAGES + "p = inc.Pipeline('x', [n for n in (b,)])\n", "takes 'a', and no stage or source gives it"),
    ],
)
def test_a_file_that_cannot_be_imported_gives_the_user_s_own_line(tmp_path, source, message):
    with pytest.raises(InvalidInput) as caught:
        ProjectCodeReader(write(tmp_path, built=source)).read("built.py:p")
    assert message in str(caught.value)
    assert "Traceback" not in str(caught.value)


@given(st.binary(max_size=200) | st.sampled_from([b'{"error": 3}', b'{"symbol": "p", "name": "x", "stages": [{}], "sources": {}}']))
@settings(deadline=None)
def test_any_bytes_from_a_child_are_a_description_or_refused(data):
    with contextlib.suppress(IncumbentError):
        decode_description(data, "a.py")


def test_an_editable_install_is_project_code(tmp_path, monkeypatch):
    """A `.pth` line and setuptools' finder are the two forms that installers write."""
    site, root = tmp_path / "site-packages", tmp_path / "root"
    write(site, numpy_like="def f(): return 1")
    write(tmp_path / "one", first__core="def f(): return 1")
    write(tmp_path / "two", second__core="def f(): return 1")
    for package in ("one/first", "two/second"):
        (tmp_path / package / "__init__.py").touch()
    (site / "_first.pth").write_text(f"{tmp_path / 'one'}\nimport os\n# note\n")
    (site / "__editable___second_finder.py").write_text(f"MAPPING: dict[str, str] = {{'second': {str(tmp_path / 'two' / 'second')!r}}}\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    used = PLAIN.replace("import incumbent", "import first.core, numpy_like\nfrom second.core import f\nimport incumbent")
    write(root, pipe=used.replace("return 1", "return first.core.f() + f() + numpy_like.f()"))
    before = ProjectCodeReader(root).read("pipe.py").closures["a"]
    assert {"editable:first/core.py::f", "editable:second/core.py::f"} <= set(dict(before.leaves))
    assert before.imports == {"numpy_like"}
    write(tmp_path / "one", first__core="def f(): return 2")
    assert ProjectCodeReader(root).read("pipe.py").closures["a"].digest != before.digest


def test_a_rebuilt_extension_of_the_project_counts_by_its_bytes(tmp_path):
    write(tmp_path, pipe=PLAIN.replace("import incumbent", "import fast\nimport incumbent").replace("return 1", "return fast.f()"))
    (tmp_path / "fast.abi3.so").write_bytes(b"\x7fELF one")
    before = ProjectCodeReader(tmp_path).read("pipe.py").closures
    assert "fast.abi3.so" in dict(before["a"].leaves)
    (tmp_path / "fast.abi3.so").write_bytes(b"\x7fELF two")
    after = ProjectCodeReader(tmp_path).read("pipe.py").closures
    assert after["a"].digest != before["a"].digest
    assert after["b"].digest == before["b"].digest


def test_the_text_of_a_symbol_is_shown_as_written_now_or_at_another_time(tmp_path):
    reader = ProjectCodeReader(write(tmp_path, good="T = {}\n\n\n@mark\ndef f():\n    return 1  # why\n\n\nT['x'] = 2\n"))
    assert reader.symbol_text("good.py", "f") == "@mark\ndef f():\n    return 1  # why\n"
    assert reader.symbol_text("good.py", "T") == "T = {}\nT['x'] = 2\n"
    assert reader.symbol_text("good.py", "f", "def f(): return 0\n") == "def f(): return 0\n"
    assert reader.symbol_text("good.py", "").startswith("T = {}")
    with pytest.raises(NotFound, match=r"good\.py does not define 'g'"):
        reader.symbol_text("good.py", "g")
    with pytest.raises(InvalidInput, match="leads out of the project"):
        reader.symbol_text("../x.py", "g")
    with pytest.raises(NotFound):
        reader.symbol_text("gone.py", "g")


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_version_is_the_commit_and_a_digest_of_what_differs(tmp_path):
    reader = ProjectCodeReader(write(tmp_path, good=PLAIN))
    assert (reader.version().commit, reader.version().is_dirty) == ("", False)
    git(tmp_path, "init")
    assert (reader.version().commit, reader.version().is_dirty) == ("", True)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    clean = reader.version()
    assert (clean.commit, clean.is_dirty, clean.tree) == (git(tmp_path, "rev-parse", "HEAD"), False, "")
    write(tmp_path, good=PLAIN + "# note\n")
    one = reader.version()
    assert (one.commit, one.is_dirty) == (clean.commit, True)
    assert parse_digest(one.tree)[0] == "blake3"
    (tmp_path / "new file é.py").write_text("x = 1")
    two = reader.version()
    (tmp_path / "new file é.py").write_text("x = 2")
    three = reader.version()
    (tmp_path / "good.py").unlink()
    assert len({one.tree, two.tree, three.tree, reader.version().tree}) == 4
    (tmp_path / ".incumbent").mkdir()
    (tmp_path / ".incumbent" / "incumbent.db").write_text("state")
    assert reader.version().tree == reader.version().tree


def test_without_git_there_is_no_version(tmp_path, monkeypatch):
    git(write(tmp_path, good=PLAIN), "init")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ProjectCodeReader(tmp_path).version().commit == ""


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_output_of_git_is_taken_without_a_stumble(data):
    commit, changed = _parse_status(data)
    assert isinstance(commit, str)
    assert all(isinstance(path, bytes) for path in changed)
