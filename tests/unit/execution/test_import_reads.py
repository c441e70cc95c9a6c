"""Whose door a read during an import is laid at, what is said of it, and what a job carries to a worker."""

import hashlib
import sys
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import Conflict, Corrupt
from incumbent.execution.advice import advise, advise_import
from incumbent.execution.import_reads import ImportRead, ImportReads
from incumbent.execution.job import Job
from incumbent.execution.loading import import_modules, refuse_changed
from incumbent.execution.project_files import ProjectFiles


def frame_in(root: Path, *files: tuple[str, str]) -> FrameType:
    """Return a frame behind which these (path, code) are at work, the innermost last; each calls `step()`."""
    found: list[FrameType] = []

    def step(depth: int = 0) -> None:
        if depth == len(files):
            found.append(sys._getframe())
            return
        path, text = files[depth]
        exec(compile(text, str(root / path), "exec"), {"step": lambda: step(depth + 1)})

    step()
    return found[0]


IN_FUNCTION = "def work():\n    step()\n\nwork()\n"


def test_a_read_is_laid_at_the_door_of_the_module_that_is_being_imported_and_of_no_importer(tmp_path: Path) -> None:
    reads = ImportReads(ProjectFiles(tmp_path), frozenset({"pipe.py", "lib/a.py"}))
    frame = frame_in(tmp_path, ("pipe.py", "step()"), ("lib/a.py", IN_FUNCTION))
    assert reads.list_files(frame) == ({"lib/a.py"}, True)


def test_a_module_that_the_reader_does_not_know_passes_the_read_on_to_its_importer(tmp_path: Path) -> None:
    reads = ImportReads(ProjectFiles(tmp_path), frozenset({"pipe.py", "lib/a.py"}))
    frame = frame_in(tmp_path, ("pipe.py", "step()"), ("lib/a.py", "step()"), ("hidden.py", "step()"))
    assert reads.list_files(frame) == ({"lib/a.py"}, True)


def test_without_project_code_on_the_stack_it_concerns_every_stage(tmp_path: Path) -> None:
    files, is_import = ImportReads(ProjectFiles(tmp_path), frozenset({"pipe.py"})).list_files(sys._getframe())
    assert not is_import
    read = ImportRead("file", "x.txt", "", "", files)
    assert read.concerns(frozenset({"anything.py"}))
    assert read.concerns(frozenset())


def test_a_read_concerns_the_stages_whose_code_comes_from_one_of_its_files() -> None:
    read = ImportRead("env", "RATE", "", "a.py:1", frozenset({"a.py", "b.py"}))
    assert read.concerns(frozenset({"b.py", "c.py"}))
    assert not read.concerns(frozenset({"c.py"}))


@pytest.mark.parametrize("words", [advise, advise_import])
@pytest.mark.parametrize(
    ("kind", "name", "cure"),
    [
        ("env", "RATE", "@stage(env=('RATE',))"),
        ("file", "data/x.csv", "incumbent.source.file('data/x.csv')"),
        ("file", "data/", "incumbent.source.folder('data')"),
        ("file", "hidden.py", "import it by name at the head of the file"),
    ],
)
def test_the_words_name_the_stage_the_place_what_was_read_and_the_cure(words, kind, name, cure) -> None:
    text = words("train", kind, name, "lib/a.py:3")
    for part in ("stage 'train'", "(lib/a.py:3)", name, cure, "policy warn"):
        assert part in text
    assert "()" not in words("train", kind, name, "")


def put(root: Path, name: str, text: str) -> str:
    (root / f"{name}.py").write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def test_only_the_bytes_that_the_keys_were_made_from_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    good = put(tmp_path, "kept_source", "X = 1\n")
    import_modules(tmp_path, [("kept_source.py", "kept_source", "")], {"kept_source.py": good})
    old = put(tmp_path, "edited_source", "X = 1\n")
    put(tmp_path, "edited_source", "X = 2\n")
    with pytest.raises(Conflict, match=r"edited_source\.py changed while the run was starting; run again; nothing was recorded"):
        import_modules(tmp_path, [("edited_source.py", "edited_source", "")], {"edited_source.py": old})
    with pytest.raises(Conflict, match="while the run was going on"):
        refuse_changed(tmp_path, "going on")
    assert "edited_source" not in sys.modules


JOB = Job(Path("/p"), Path("/p/.incumbent"), "m:f", "x", {"a": ("p.py", "p", "a")}, {"a": frozenset({"p.py"})}, {"q.py": "00"}, "sha256")


def test_a_job_survives_its_way_to_a_worker() -> None:
    assert Job.from_json(JOB.to_json()) == JOB
    assert JOB.known_files == {"p.py", "q.py"}


@given(st.sampled_from(sorted(JOB.to_json())), st.sampled_from([None, 1, "md5", [], True]))
def test_what_is_no_job_is_corrupt(field: str, value) -> None:
    document = {**JOB.to_json(), field: value}
    if isinstance(value, str) and field not in ("algorithm", "places", "paths", "contents"):
        return  # any text will do there
    with pytest.raises(Corrupt):
        Job.from_json(document)
