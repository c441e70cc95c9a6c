"""Every decoder, fed with bytes that nobody wrote: an IncumbentError or a value, nothing else, and no file outside its folder."""

import sys
import tempfile
import types
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from blobs import DictBlobs
from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, IncumbentError, InvalidInput
from incumbent.execution.codecs.table import CODECS, CodecTable

NAMES = [codec.name for codec in CODECS] + ["list"]
MAGIC = [b"", b"PAR1", b"\x93NUMPY\x03\x00", b"\x80\x05\x95", b"tree\nversion=v4\n", b"{L", b'{"entries":', b'{"items":[', b"IV1:"]
BOMB = b"\x80\x05\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(NAMES),
    st.sampled_from(MAGIC),
    st.binary(max_size=120),
    st.sampled_from([b"", b"PAR1", b".", b"}"]),
    st.text(max_size=4),
)
def test_random_bytes_give_our_error_or_a_value(codec: str, head: bytes, body: bytes, tail: bytes, name: str) -> None:
    blobs = DictBlobs()
    stored = blobs.put([head + body + tail])
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "in"
        try:
            CodecTable().decode(Artifact(codec, stored.digest, stored.size, name), None, blobs, inside)
        except IncumbentError:
            pass
        assert [path.name for path in Path(folder).iterdir()] in ([], ["in"])


NUMBERS = np.random.default_rng(0).normal(size=(50, 2))
VALUES = {
    "arrow": pa.table({"a": [1, 2], "b": ["x", None]}),
    "polars": pl.DataFrame({"a": [1.5, None], "b": [["x"], []]}),
    "pandas": pd.DataFrame({"a": [1, 2], "c": pd.Categorical(["x", "y"])}),
    "numpy": np.arange(6.0).reshape(2, 3),
    "value": {"a": [1, 2.5, "x"]},
}


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(list(VALUES)), st.data())
def test_a_damaged_value_gives_our_error_or_another_value(codec: str, data: st.DataObject) -> None:
    """As if the store had not hashed it: the formats' own readers must not run away with a flipped byte."""
    blobs = DictBlobs()
    whole = bytearray(blobs.get(CodecTable().encode(VALUES[codec], "", blobs).digest))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    stored = blobs.put([bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])])
    try:
        CodecTable().decode(Artifact(codec, stored.digest, stored.size), None, blobs, Path("/nonexistent"))
    except IncumbentError:
        return


def test_bytes_that_are_cut_short_are_corrupt_for_every_codec(store, blobs, tmp_path) -> None:
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(NUMBERS, NUMBERS[:, 0] > 0), 2)
    trees = xgboost.train({"nthread": 1}, xgboost.DMatrix(NUMBERS, NUMBERS[:, 0]), 2)
    for value in (*list(VALUES.values())[:4], LogisticRegression(), booster, trees):
        artifact = store(value)
        whole = blobs.get(artifact.digest)
        for size in (0, 3, len(whole) // 2, len(whole) - 1):
            cut = blobs.put([whole[:size]])
            with pytest.raises(Corrupt, match=str(cut.digest)):
                CodecTable().decode(Artifact(artifact.codec, cut.digest, cut.size), None, blobs, tmp_path)


def test_a_flipped_bit_in_the_store_is_corrupt(store, blobs, tmp_path) -> None:
    artifact = store(VALUES["numpy"])
    blobs.kept[artifact.digest] = blobs.kept[artifact.digest][:-1] + b"\x01"
    with pytest.raises(Corrupt):
        CodecTable().decode(artifact, None, blobs, tmp_path)


def test_an_unknown_codec_is_named_with_those_that_are_known(blobs, tmp_path) -> None:
    stored = blobs.put([b""])
    with pytest.raises(InvalidInput, match=r"no codec is called 'zarr' here .*arrow, polars"):
        CodecTable().decode(Artifact("zarr", stored.digest, 0), None, blobs, tmp_path)


def test_a_pickle_of_something_that_is_no_estimator_is_refused(blobs, tmp_path) -> None:
    stored = blobs.put([BOMB])
    with pytest.raises(Corrupt):
        CodecTable().decode(Artifact("pickle", stored.digest, stored.size), None, blobs, tmp_path)


def test_a_library_that_is_not_installed_is_named(store, blobs, tmp_path, monkeypatch) -> None:
    artifact = store(VALUES["arrow"])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    with pytest.raises(IncumbentError, match=r"needs pyarrow.* which is not installed"):
        CodecTable().decode(artifact, None, blobs, tmp_path)
    assert isinstance(CodecTable().decode(artifact, pl.DataFrame, blobs, tmp_path), pl.DataFrame)
