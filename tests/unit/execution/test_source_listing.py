import contextlib
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incumbent.base.errors import IncumbentError, InvalidInput, NotFound
from incumbent.execution.sources.listing import list_files, locate


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    return root


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(root, folder, pattern="**/*"):
    return [name for name, _ in list_files(locate(root, folder), pattern).files]


TREE = ("data/a.csv", "data/b.txt", "data/sub/a.csv", "data/sub/deep/c.csv", "data/.hidden.csv", "data/.git/x.csv", "data/A[1].csv")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*", ["A[1].csv", "a.csv", "b.txt", "sub/a.csv", "sub/deep/c.csv"]),
        ("**", ["A[1].csv", "a.csv", "b.txt", "sub/a.csv", "sub/deep/c.csv"]),
        ("*", ["A[1].csv", "a.csv", "b.txt"]),
        ("*.csv", ["A[1].csv", "a.csv"]),
        ("**/*.csv", ["A[1].csv", "a.csv", "sub/a.csv", "sub/deep/c.csv"]),
        ("*/*.csv", ["sub/a.csv"]),
        ("sub/**/*.csv", ["sub/a.csv", "sub/deep/c.csv"]),
        ("**/deep/**", ["sub/deep/c.csv"]),
        ("**/**/c.csv", ["sub/deep/c.csv"]),
        ("?.txt", ["b.txt"]),
        ("[!b]*", ["A[1].csv", "a.csv"]),
        ("A[[]1].csv", ["A[1].csv"]),
        (".*", [".hidden.csv"]),
        (".git/*", [".git/x.csv"]),
        ("**/.*/*.csv", [".git/x.csv"]),
    ],
)
def test_a_pattern_chooses_files_and_they_come_sorted(root, pattern, expected):
    make(root, *TREE)
    assert names(root, "data", pattern) == expected


def test_our_own_folder_is_left_out_unless_it_is_named(root):
    make(root, "a.csv", ".incumbent/blobs/x", ".other/x")
    assert names(root, ".") == ["a.csv"]
    assert names(root, ".", ".*/**") == [".other/x"]
    assert names(root, ".", ".incumbent/**") == [".incumbent/blobs/x"]


@pytest.mark.parametrize("pattern", ["/etc/*", "../*", "a/../b", "a//b", "a/", ".", "./a"])
def test_a_pattern_that_leaves_the_folder_is_refused(root, pattern):
    make(root, "data/a.csv")
    with pytest.raises(InvalidInput, match="is not a pattern inside a folder"):
        names(root, "data", pattern)


def test_an_empty_folder_and_a_pattern_without_a_match_are_errors(root):
    (root / "data").mkdir()
    with pytest.raises(InvalidInput, match=r"no file in .*data matches '\*\*/\*'"):
        names(root, "data")
    make(root, "data/a.csv")
    with pytest.raises(InvalidInput, match=r"no file in .*data matches '\*\.parquet'"):
        names(root, "data", "*.parquet")


@pytest.mark.parametrize("location", ["..", "../data", "data/../../x", "../project2/x"])
def test_a_relative_path_may_not_leave_the_project(root, location):
    make(root.parent, "data/x", "x", "project2/x")
    with pytest.raises(InvalidInput, match=r"leaves the project .*; declare data that lives elsewhere by its absolute path"):
        locate(root, location)


def test_dots_that_stay_inside_are_legal(root):
    make(root, "data/a.csv")
    place = locate(root, "data/../data/./a.csv")
    assert (place.path, place.name) == (str(root / "data/a.csv"), "a.csv")


def test_an_absolute_path_outside_is_legal_because_the_pipeline_says_it(root, tmp_path):
    make(tmp_path, "elsewhere/a.csv")
    place = locate(root, str(tmp_path / "elsewhere/a.csv"))
    assert (place.path, place.name) == (str(tmp_path / "elsewhere/a.csv"), "a.csv")


def test_a_link_that_leads_out_of_the_project_is_refused_wherever_it_is(root, tmp_path):
    make(tmp_path, "elsewhere/a.csv")
    make(root, "data/b.csv")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    (root / "data/out.csv").symlink_to("../../elsewhere/a.csv")
    for location in ("out", "out/a.csv", "data/out.csv"):
        with pytest.raises(InvalidInput, match=r"a symbolic link leads to .*absolute path"):
            locate(root, location)
    with pytest.raises(InvalidInput, match=r"out\.csv is a symbolic link that leads out of .*elsewhere/a.csv"):
        names(root, "data")


def test_links_that_stay_inside_are_followed(root):
    make(root, "store/2013/a.csv", "data/b.csv")
    (root / "data/linked").symlink_to("../store")
    (root / "data/one.csv").symlink_to("../store/2013/a.csv")
    assert names(root, "data") == ["b.csv", "linked/2013/a.csv", "one.csv"]
    (root / "latest").symlink_to("data")
    assert names(root, "latest") == names(root, "data")


def test_loops_and_broken_links_are_named(root):
    make(root, "data/a.csv")
    (root / "loop").symlink_to("loop")
    with pytest.raises(InvalidInput, match="loop cannot be used: it is a loop of symbolic links"):
        locate(root, "loop")
    (root / "gone").symlink_to("nowhere")
    with pytest.raises(NotFound, match="does not exist"):
        locate(root, "gone")
    with pytest.raises(InvalidInput, match="loop cannot be used: it is a loop"):
        names(root, ".")
    (root / "loop").unlink()
    (root / "gone").unlink()
    (root / "data/back").symlink_to("..")
    with pytest.raises(InvalidInput, match="is a symbolic link to a folder that it is in"):
        names(root, ".")
    (root / "data/back").unlink()
    (root / "data/gone.csv").symlink_to("nowhere.csv")
    with pytest.raises(NotFound, match=r"gone.csv is a symbolic link to nowhere.csv, which does not exist"):
        names(root, "data")


def test_pipes_sockets_and_devices_are_named_and_never_opened(root):
    make(root, "data/a.csv")
    os.mkfifo(root / "data/pipe")
    with pytest.raises(InvalidInput, match=r"pipe is a named pipe, not a regular file"):
        names(root, "data")
    (root / "data/pipe").unlink()
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(root / "data/s"))
        with pytest.raises(InvalidInput, match=r"/s is a socket, not a regular file"):
            names(root, "data")
    assert names(root, "data", "*.csv") == ["a.csv"]


def test_names_that_are_not_utf8_are_named_by_their_bytes(root):
    make(root, "data/a.csv")
    (root / "data" / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"x")
    with pytest.raises(InvalidInput, match=r"the file name b'caf\\xe9.csv' is not UTF-8; rename it"):
        names(root, "data")
    assert names(root, "data", "a*") == ["a.csv"]


def test_the_root_has_no_name_so_that_a_clone_in_another_folder_gives_the_same_data(root):
    make(root, "a.csv")
    assert locate(root, ".").name == ""
    assert locate(root, "a.csv").name == "a.csv"


def test_a_name_too_long_or_through_a_file_is_bad_input(root):
    make(root, "a.csv")
    with pytest.raises(InvalidInput, match="its name is too long"):
        locate(root, "x" * 300)
    with pytest.raises(InvalidInput, match="leads through a file"):
        locate(root, "a.csv/b")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(location=st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text), pattern=st.text(min_size=1, max_size=20))
def test_any_location_and_pattern_end_in_files_or_in_an_error_of_ours(root, location, pattern):
    make(root, "data/a.csv")
    for place, glob in ((location, "**/*"), ("data", pattern)):
        with contextlib.suppress(IncumbentError):
            assert list_files(locate(root, place), glob).files


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.sets(
        st.lists(st.text("ab.*[\n é", min_size=1, max_size=4), min_size=1, max_size=3)
        .filter(lambda parts: not any(part in (".", "..") or part.startswith(".") for part in parts))
        .map("/".join),
        min_size=1,
        max_size=6,
    )
)
def test_every_visible_file_is_found_whatever_its_name(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("any")
    kept = set()
    for name in sorted(files):
        try:
            make(root, name)
        except OSError:
            continue  # one name is a file and another wants it as a folder
        kept.add(name)
    assert names(root, ".") == sorted(kept)
