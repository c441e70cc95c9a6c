"""Whoever had a part in a commit is found: on real repositories, with hostile names."""

import os
import subprocess

import pytest

from incumbent.base.errors import Unavailable
from incumbent.execution.git_authors import list_authors


def git(folder, *arguments, **names):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "c", **names}
    done = subprocess.run(["git", *arguments], cwd=folder, env={**clean, **known}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder, author, committer, message="x"):
    names = {"GIT_AUTHOR_EMAIL": author, "GIT_COMMITTER_EMAIL": committer}
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message, **names)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def folder(tmp_path):
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_author_committer_and_co_authors_of_every_commit_are_found(folder):
    first = commit(folder, "ann@example.com", "ann@example.com")
    second = commit(
        folder, "ben@example.com", "bot@example.com", "y\n\nCo-authored-by: Cy <cy@example.com>\nCo-authored-by: D <d@example.com>"
    )
    assert list_authors(folder, second) == [
        (second, "ben@example.com"), (second, "bot@example.com"), (second, "cy@example.com"), (second, "d@example.com"),
        (first, "ann@example.com"),
    ]  # fmt: skip
    assert {address for _, address in list_authors(folder, second, first)} == {
        "ben@example.com", "bot@example.com", "cy@example.com", "d@example.com",
    }  # fmt: skip


def test_a_separator_in_a_trailer_hides_nobody(folder):
    made = commit(folder, "ann@example.com", "ann@example.com", "y\n\nCo-authored-by: e\x1fvil <e@example.com>")
    assert {address for _, address in list_authors(folder, made)} == {"ann@example.com", "e@example.com"}


def test_a_start_that_is_not_here_gives_more_and_never_less(folder):
    made = commit(folder, "ann@example.com", "ann@example.com")
    assert list_authors(folder, made, "0" * 40) == [(made, "ann@example.com")]
    assert list_authors(folder, "") == []


def test_a_shallow_clone_and_an_unknown_commit_are_no_answer(folder, tmp_path_factory):
    commit(folder, "ann@example.com", "ann@example.com")
    made = commit(folder, "ben@example.com", "ben@example.com")
    shallow = tmp_path_factory.mktemp("shallow") / "clone"
    git(folder, "clone", "--quiet", "--depth", "1", f"file://{folder}", str(shallow))
    with pytest.raises(Unavailable, match="this clone is shallow"):
        list_authors(shallow, made)
    with pytest.raises(Unavailable, match="cannot be listed"):
        list_authors(folder, "1" * 40)
