"""The table: values, bytes, paths and lists; what is refused, and what never gets out of its folder."""

import dataclasses
import datetime as dt
import enum
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from incumbent.base.artifact import Artifact
from incumbent.base.documents import document_bytes, parse_document
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.execution.codecs.table import CodecTable


@dataclasses.dataclass(frozen=True)
class A:
    x: int


@dataclasses.dataclass(frozen=True)
class B:
    x: int


class Setting(msgspec.Struct):
    depth: int
    tags: list[str]


class Mode(enum.Enum):
    FAST = "fast"


FRAME = pd.DataFrame({"a": [1, 2]})
DUPLICATED = pd.DataFrame({"v": [1, 2]}, index=[5, 5])
NAIVE = pd.Series(pd.to_datetime(["2013-01-01"]))
PAIRS = {
    "1 and '1'": (1, "1"),
    "1 and 1.0": (1, 1.0),
    "True and 'True'": (True, "True"),
    "0.0 and -0.0": (0.0, -0.0),
    "list and tuple": ([1, 2], (1, 2)),
    "nesting": ([1, [2]], [[1], 2]),
    "int32 zeros(4) and int64 zeros(2)": (np.zeros(4, "i4"), np.zeros(2, "i8")),
    "shapes (2,3) and (3,2)": (np.zeros((2, 3)), np.zeros((3, 2))),
    "class A and class B": (A(1), B(1)),
    "renamed column, pandas": (FRAME, FRAME.rename(columns={"a": "b"})),
    "renamed column, polars": (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]})),
    "renamed column, arrow": (pa.table({"a": [1]}), pa.table({"b": [1]})),
    "int64 and float64 columns, pandas": (FRAME, FRAME.astype("float64")),
    "int64 and float64 columns, polars": (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.0]})),
    "int64 and float64 columns, arrow": (pa.table({"a": [1]}), pa.table({"a": [1.0]})),
    "order of columns, pandas": (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]})),
    "order of columns, polars": (pl.DataFrame({"a": [1], "b": [1]}), pl.DataFrame({"b": [1], "a": [1]})),
    "equal rows under a duplicated index in another order": (DUPLICATED, DUPLICATED.iloc[::-1]),
    "a categorical and its strings, pandas": (pd.Series(["a"], dtype="category"), pd.Series(["a"], dtype="str")),
    "a categorical and its strings, polars": (pl.Series(["a"], dtype=pl.Categorical), pl.Series(["a"])),
    "a categorical and its strings, arrow": (pa.table({"a": pa.array(["a"]).dictionary_encode()}), pa.table({"a": ["a"]})),
    "naive and UTC times": (dt.datetime(2013, 1, 1), dt.datetime(2013, 1, 1, tzinfo=dt.UTC)),  # noqa: DTZ001
    "naive and UTC times, pandas": (NAIVE, NAIVE.dt.tz_localize("UTC")),
    "naive and UTC times, polars": (pl.Series([0], dtype=pl.Datetime("us")), pl.Series([0], dtype=pl.Datetime("us", "UTC"))),
    "a nullable and a plain integer column": (FRAME, FRAME.astype("Int64")),
    "bytes and text": (b"a", "a"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_values_of_the_conformance_table_share_no_digest(store, name: str) -> None:
    left, right = (store(value) for value in PAIRS[name])
    assert left.digest != right.digest


def test_the_order_of_a_dict_is_no_part_of_a_value(store) -> None:
    assert store({"a": 1, "b": 2}) == store({"b": 2, "a": 1})


def test_records_scalars_and_bytes_come_back(trip) -> None:
    for value in (A(1), Setting(3, ["x"]), {"a": [A(1), None]}, Mode.FAST, np.float32(1.5), 2**70, None, b"\0raw", dt.date(2013, 1, 1)):
        back = trip(value)
        assert (back, type(back)) == (value, type(value))
    assert trip(bytearray(b"ab"), bytearray) == bytearray(b"ab")
    assert isinstance(trip(memoryview(b"ab"), memoryview), memoryview)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), r"a object cannot be stored; a stage returns pyarrow.Table, .*plain values"),
        ({"frame": FRAME}, r"pandas\S*DataFrame cannot be stored here; a plain value holds"),
        (print, "cannot be stored"),
        (LookupError, "cannot be stored"),
        ((n for n in ()), "generator cannot be stored"),
    ],
)
def test_what_no_codec_takes_is_named_with_what_could_be_returned(store, value: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        store(value)


def test_a_class_that_is_gone_is_named(store, blobs, tmp_path) -> None:
    stored = blobs.put([blobs.get(store(A(1)).digest).replace(b".A\x01", b".C\x01")])
    with pytest.raises(InvalidInput, match=r"\.C of a stored value is not found here"):
        CodecTable().decode(Artifact("value", stored.digest, stored.size), None, blobs, tmp_path)


def test_lists_of_artifacts_are_lists_and_plain_lists_are_values(store, trip) -> None:
    assert store([1, 2]).codec == store([b"a"]).codec == store([]).codec == "value"
    assert store([], "list[polars.DataFrame]").codec == store([FRAME], "list[pandas.DataFrame]").codec == "list"
    back = trip([np.zeros(2), FRAME, A(1), [np.ones(1)]])
    assert [type(item).__name__ for item in back] == ["ndarray", "DataFrame", "A", "list"]
    assert isinstance(trip((np.zeros(1),)), tuple)
    assert store([np.zeros(1)]).digest != store((np.zeros(1),)).digest


def test_a_list_counts_the_bytes_of_its_parts(store, blobs) -> None:
    artifact = store([b"x" * 1000, np.zeros(1)])
    (first, second) = parse_document(blobs.get(artifact.digest))["items"]  # type: ignore[misc]
    assert first == {"codec": "bytes", "digest": str(store(b"x" * 1000).digest), "size": 1000}
    assert artifact.size == len(blobs.get(artifact.digest)) + 1000 + second["size"]  # type: ignore[call-overload, index]


def test_a_file_keeps_its_name_and_its_digest_is_the_files_own(store, blobs, trip, tmp_path) -> None:
    source = tmp_path / "out" / "flights.csv"
    source.parent.mkdir()
    source.write_bytes(b"a,b\n")
    assert store(source) == Artifact("file", blobs.put([b"a,b\n"]).digest, 4, "flights.csv")
    os.rename(source.parent, tmp_path / "moved")
    back = CodecTable().decode(store(tmp_path / "moved" / "flights.csv"), Path, blobs, tmp_path / "in")
    assert back == tmp_path / "in" / "flights.csv"
    assert back.read_bytes() == b"a,b\n"  # type: ignore[attr-defined]


def make_folder(root: Path) -> Path:
    (root / "b" / "empty").mkdir(parents=True)
    (root / "b" / "x.txt").write_text("x")
    (root / "a").write_text("run")
    (root / "a").chmod(0o755)
    (root / "é").write_text("")
    return root


def test_a_folder_comes_back_with_empty_folders_and_executable_bits(store, blobs, tmp_path) -> None:
    artifact = store(make_folder(tmp_path / "model"))
    assert (artifact.codec, artifact.name, artifact.size) == ("tree", "model", 4)
    back = CodecTable().decode(artifact, Path, blobs, tmp_path / "in")
    assert isinstance(back, Path)
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*")) == ["a", "b", "b/empty", "b/x.txt", "é"]
    assert os.access(back / "a", os.X_OK)
    assert (back / "b/x.txt").stat().st_mode & 0o111 == 0
    assert store(back) == artifact


def test_modes_beyond_the_executable_bit_and_times_are_no_part_of_a_folder(store, tmp_path) -> None:
    left, right = make_folder(tmp_path / "1" / "m"), make_folder(tmp_path / "2" / "m")
    (right / "b" / "x.txt").chmod(0o600)
    os.utime(right / "a", (0, 0))
    assert store(left) == store(right)
    (right / "b" / "x.txt").chmod(0o700)
    assert store(left) != store(right)


def test_links_are_followed_inside_a_folder_and_refused_out_of_it(store, tmp_path) -> None:
    folder = make_folder(tmp_path / "m")
    (folder / "alias").symlink_to(folder / "a")
    assert store(folder).codec == "tree"
    for name, target in {"out": tmp_path / "secret", "dangling": folder / "nothing", "loop": folder}.items():
        (tmp_path / "secret").write_text("s")
        (folder / name).symlink_to(target)
        with pytest.raises(InvalidInput, match=f"{name} is a link to a folder, to nothing, or out of"):
            store(folder)
        (folder / name).unlink()


def test_paths_that_cannot_be_kept_are_refused(store, tmp_path) -> None:
    with pytest.raises(NotFound, match="write the file before returning its path"):
        store(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        store(tmp_path / "pipe")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a\\b").write_text("")
    with pytest.raises(InvalidInput, match="backslash"):
        store(tmp_path / "d")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "a\\..\\x", "a\0b", "a/./b", "x/" * 200 + "x"])
def test_a_hostile_path_in_a_stored_folder_is_corrupt_and_writes_nothing(blobs, tmp_path, path: str) -> None:
    part = blobs.put([b"evil"])
    entry = {"path": path, "digest": str(part.digest), "size": 4, "executable": False}
    for entries in ([entry], [{"path": path}]):
        stored = blobs.put([document_bytes({"entries": entries})])
        with pytest.raises(Corrupt):
            CodecTable().decode(Artifact("tree", stored.digest, 4, "t"), None, blobs, tmp_path / "in")
        assert not (tmp_path / "in").exists()


def test_a_file_where_a_folder_must_be_and_a_hostile_name_are_corrupt(blobs, tmp_path) -> None:
    part = blobs.put([b""])
    entries = [{"path": path, "digest": str(part.digest), "size": 0, "executable": False} for path in ("a", "a/b")]
    stored = blobs.put([document_bytes({"entries": entries})])  # type: ignore[dict-item]
    with pytest.raises(Corrupt, match="two entries stand at one place"):
        CodecTable().decode(Artifact("tree", stored.digest, 0, "t"), None, blobs, tmp_path)
    with pytest.raises(Corrupt, match=r"\.\."):
        CodecTable().decode(Artifact("file", part.digest, 0, ".."), None, blobs, tmp_path)


def test_making_a_file_executable_does_not_touch_the_stores_own(store, blobs, tmp_path, monkeypatch) -> None:
    artifact = store(make_folder(tmp_path / "m"))
    own = tmp_path / "own"
    own.mkdir()

    def link(digest: str, target: Path) -> None:
        kept = own / digest.replace(":", "-")
        if not kept.exists():
            kept.write_bytes(blobs.get(digest))
            kept.chmod(0o444)
        os.link(kept, target)

    monkeypatch.setattr(blobs, "fetch", link)
    back = CodecTable().decode(artifact, Path, blobs, tmp_path / "in")
    assert os.access(back / "a", os.X_OK)  # type: ignore[operator]
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o444}


def test_looking_at_codecs_imports_no_numeric_library() -> None:
    code = (
        "import sys, incumbent.execution.codecs.table as t; t._choose(3); t._choose({'a': [1]}); "
        "print(sorted({'numpy', 'pandas', 'polars', 'pyarrow', 'sklearn', 'lightgbm', 'xgboost'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
