"""Addresses of files: whatever comes in, what goes out is a path that stays inside, or InvalidInput."""

from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.server.errors import HttpProblem
from incumbent.server.files import find_range
from incumbent.usecases.logged_files import Place, check_path, parse_place

PIECES = st.sampled_from(["..", ".", "", "a", "b.txt", "%2e", "%2f", "%5c", "%25", "\\", "C:", "\0", "ü", "100%", " ", "%00", "\n", "~"])
PATHS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=6).map("/".join), st.lists(PIECES, max_size=6).map("".join))


def stays_inside(path):
    return (
        not PurePosixPath(path).is_absolute()
        and not PureWindowsPath(path).drive
        and not PureWindowsPath(path).root
        and not {"..", ""} & set(path.replace("\\", "/").split("/"))
        and path.isprintable()
    )


@given(PATHS, st.integers(0, 3))
def test_a_path_that_is_taken_stays_inside_however_often_it_is_decoded(path, times):
    for _ in range(times):
        path = quote(path, safe="")
    try:
        found = check_path(path)
    except InvalidInput:
        return
    assert found == path
    for _ in range(8):
        assert stays_inside(path), path
        path = unquote(path)


@given(st.one_of(PATHS, PATHS.map(lambda path: f"0/run-1/artifacts/{path}"), PATHS.map(lambda path: f"versions/m/1/{path}")))
def test_an_address_names_a_place_inside_of_somebody_or_nothing(address):
    try:
        place = parse_place(address)
    except InvalidInput:
        return
    assert place.path == "" or stays_inside(place.path)
    assert place.kind in ("run", "model", "version")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("0/run-1/artifacts", Place("run", "run-1", "")),
        ("0/run-1/artifacts/", Place("run", "run-1", "")),
        ("0/run-1/artifacts/artifacts/models/x", Place("run", "run-1", "artifacts/models/x")),
        ("7/models/m-1/artifacts/MLmodel", Place("model", "m-1", "MLmodel")),
        ("versions/credit/12/data/model.pkl", Place("version", "credit@12", "data/model.pkl")),
    ],
)
def test_each_form_of_address_names_its_owner(address, place):
    assert parse_place(address) == place


def find_or_refuse(text, size):
    try:
        return find_range(text, size)
    except HttpProblem as problem:
        return problem


@given(st.one_of(st.text(max_size=30), st.from_regex(r"bytes=\d{0,4}-\d{0,4}", fullmatch=True)), st.integers(0, 3000))
def test_a_range_is_some_bytes_of_these_or_all_or_a_refusal(text, size):
    found = find_or_refuse(text, size)
    if isinstance(found, HttpProblem):
        assert (found.status, found.headers["content-range"]) == (416, f"bytes */{size}")
    else:
        assert found is None or 0 <= found[0] < found[1] <= size
