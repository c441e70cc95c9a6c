"""Arrow tables and Polars frames: the values decide the bytes, and come back with their types."""

# ruff: noqa: DTZ001 - naive times are values too

import datetime as dt
import io
import math
import os
import struct
import subprocess
import sys

import numpy as np
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobs import DictBlobs
from incumbent.base.errors import InvalidInput
from incumbent.execution.codecs.frames import read_table, table_bytes
from incumbent.execution.codecs.table import CodecTable

ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000ABC))[0]
KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=5),
    pa.binary(): st.binary(max_size=5),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("s", "Europe/Berlin"): st.integers(-(2**31), 2**31),
    pa.list_(pa.int32()): st.lists(st.integers(-5, 5), max_size=3),
    pa.struct([("x", pa.int8()), ("y", pa.string())]): st.fixed_dictionaries({"x": st.integers(0, 5), "y": st.text(max_size=2)}),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["red", "green", ""]),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), max_size=4))
    rows = draw(st.integers(0, 6))
    columns = [pa.array(draw(st.lists(st.none() | KINDS[kind], min_size=rows, max_size=rows)), kind) for kind in kinds]
    return pa.Table.from_arrays(columns, names=[f"c{place}" for place in range(len(kinds))])


@st.composite
def polars_frames(draw: st.DrawFn) -> pl.DataFrame:
    table = draw(tables().filter(lambda found: found.num_columns > 0))
    return pl.DataFrame(pl.from_arrow(table))


def same_nan(table: pa.Table) -> list[object]:
    return [repr(row) for row in table.to_pylist()]


@settings(deadline=None, max_examples=60)
@given(tables())
def test_an_arrow_table_comes_back_with_its_schema_and_values(table: pa.Table) -> None:
    back = read_table(table_bytes(table))
    assert back.schema.equals(table.schema, check_metadata=True)
    assert same_nan(back) == same_nan(table)
    assert table_bytes(back) == table_bytes(table)


@settings(deadline=None, max_examples=40)
@given(tables(), st.integers(0, 6))
def test_chunks_and_slices_do_not_reach_the_bytes(table: pa.Table, cut: int) -> None:
    chunked = pa.concat_tables([table[:cut], table[cut:]])
    padded = pa.concat_tables([table[:1], table, table[:1]]).combine_chunks()
    assert table_bytes(chunked) == table_bytes(table)
    if table.num_rows:
        assert table_bytes(padded.slice(1, table.num_rows)) == table_bytes(table)


def test_garbage_under_nulls_does_not_reach_the_bytes() -> None:
    validity = pa.py_buffer(bytes([0b101]))
    values = [pa.py_buffer(struct.pack("<3q", 1, middle, 3)) for middle in (0, 7_777)]
    left, right = (pa.table({"a": pa.Array.from_buffers(pa.int64(), 3, [validity, buffer])}) for buffer in values)
    assert left.column("a").chunk(0).buffers()[1].to_pybytes() != right.column("a").chunk(0).buffers()[1].to_pybytes()
    assert table_bytes(left) == table_bytes(right)
    parent = [pa.StructArray.from_arrays([pa.array([1, hidden])], ["x"], mask=pa.array([False, True])) for hidden in (2, 99)]
    assert table_bytes(pa.table({"s": parent[0]})) == table_bytes(pa.table({"s": parent[1]}))


def test_the_order_of_a_dictionarys_entries_counts_only_when_it_is_ordered() -> None:
    def column(indices: list[int], entries: list[str], *, ordered: bool) -> bytes:
        return table_bytes(pa.table({"c": pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), entries, ordered=ordered)}))

    assert column([0, 1], ["x", "y"], ordered=False) == column([1, 0], ["y", "x", "unused"], ordered=False)
    assert column([0, 1], ["x", "y"], ordered=True) != column([1, 0], ["y", "x"], ordered=True)


def test_the_payload_of_a_nan_does_not_reach_the_bytes_but_the_sign_of_zero_does() -> None:
    assert table_bytes(pa.table({"a": [1.0, ODD_NAN]})) == table_bytes(pa.table({"a": [1.0, math.nan]}))
    assert table_bytes(pa.table({"a": [0.0]})) != table_bytes(pa.table({"a": [-0.0]}))


def test_more_rows_than_a_row_group_give_the_same_bytes_however_they_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incumbent.execution.codecs.frames.ROWS_A_GROUP", 1000)
    table = pa.table({"a": np.arange(2500), "s": [f"v{n % 7}" for n in range(2500)]})
    chunked = pa.concat_tables([table[:1], table[1:999], table[999:2001], table[2001:]])
    data = table_bytes(table)
    assert table_bytes(chunked) == data
    assert pq.ParquetFile(io.BytesIO(data)).num_row_groups == 3
    assert read_table(data).equals(table)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({}),
        pa.table({"a": [1, 2, 3]}).select([]),
        pa.table({"a": pa.array([], pa.string())}),
        pa.Table.from_arrays([pa.array([1]), pa.array([2.0])], names=["a", "a"]),
        pa.table({"a": pa.array([1, None], pa.time32("s")), "b": pa.array([86_400_000, None], pa.date64()), "n": pa.nulls(2)}),
        pa.table([pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), nullable=False, metadata={"k": "v"})], metadata={"z": "1"})),
    ],
)
def test_the_edges_come_back(table: pa.Table) -> None:
    back = read_table(table_bytes(table))
    assert back.schema.equals(table.schema, check_metadata=True)
    assert (back.num_rows, back.to_pylist()) == (table.num_rows, table.to_pylist())


def test_an_arrow_type_without_a_parquet_form_is_refused(store) -> None:
    with pytest.raises(InvalidInput, match=r"this pyarrow.Table cannot be stored: .*month_day_nano.*cast the column"):
        store(pa.table({"a": pa.nulls(1, pa.month_day_nano_interval())}))


@settings(deadline=None, max_examples=60)
@given(polars_frames(), st.integers(0, 6))
def test_a_polars_frame_comes_back_and_its_chunks_do_not_reach_the_bytes(frame: pl.DataFrame, cut: int) -> None:
    blobs, table = DictBlobs(), CodecTable()
    artifact = table.encode(frame, "", blobs)
    chunked = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    assert table.encode(chunked, "", blobs) == artifact
    pl.testing.assert_frame_equal(table.decode(artifact, None, blobs, None), frame, check_exact=True)  # type: ignore[arg-type]


def test_polars_types_come_back(trip) -> None:
    frame = pl.DataFrame(
        {
            "category": pl.Series(["x", None], dtype=pl.Categorical),
            "enum": pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])),
            "when": pl.Series([dt.datetime(2013, 1, 1), None], dtype=pl.Datetime("ms", "Europe/Berlin")),
            "span": pl.Series([dt.timedelta(1), None]),
            "nested": [[{"a": 1.5}], None],
            "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
            "decimal": pl.Series(["1.50", None]).cast(pl.Decimal(10, 2)),
            "wide": pl.Series([2**100, None], dtype=pl.Int128),
            "null": [None, None],
        }
    )
    back = trip(frame)
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_a_polars_series_is_not_its_one_column_frame(store, trip) -> None:
    series = pl.Series("a", [1, 2])
    assert store(series).digest != store(series.to_frame()).digest
    assert trip(series).equals(series, check_names=True, check_dtypes=True)


def test_polars_frames_without_columns_keep_their_height(trip) -> None:
    assert trip(pl.DataFrame()).shape == (0, 0)
    assert trip(pl.DataFrame(height=3)).shape == (3, 0)
    assert trip(pl.DataFrame(schema={"a": pl.Int8})).schema == {"a": pl.Int8}


def test_what_polars_cannot_write_is_refused_with_advice(store) -> None:
    with pytest.raises(InvalidInput, match=r"polars.DataFrame cannot be stored.*Object"):
        store(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))
    with pytest.raises(InvalidInput, match=r"return query.collect\(\)"):
        store(pl.LazyFrame({"a": [1]}))


def test_rows_are_decoded_as_the_frame_that_the_annotation_names(blobs, store, tmp_path) -> None:
    import pandas as pd

    artifact = store(pa.table({"a": [1, None], "when": pa.array([0, 1], pa.timestamp("s"))}))
    assert artifact.codec == "arrow"
    for annotation in (pl.DataFrame, pd.DataFrame, pa.Table, pd.DataFrame | None):
        back = CodecTable().decode(artifact, annotation, blobs, tmp_path)
        assert isinstance(back, annotation)
        assert back.shape == (2, 2)  # type: ignore[union-attr]
    assert isinstance(CodecTable().decode(artifact, None, blobs, tmp_path), pa.Table)


FRAMES_IN_A_PROCESS = """
import numpy, pandas, polars, pyarrow
from blobs import DictBlobs
from incumbent.execution.codecs.table import CodecTable
polars.Series(OTHERS, dtype=polars.Categorical)  # categories live in one pool: what came before must not show
words = [f"w{n * 7919 % 101}" for n in range(5000)]
numbers = numpy.arange(5000) / 3
for value in (
    polars.DataFrame({"w": polars.Series(words, dtype=polars.Categorical), "x": numbers}),
    polars.DataFrame({"w": words}).group_by("w", maintain_order=True).len(),
    pandas.DataFrame({"w": pandas.Series(words, dtype="category"), "x": numbers, "s": words, "o": [{"b", "a"}] * 5000}),
    pyarrow.table({"w": pyarrow.array(words).dictionary_encode(), "x": numbers}),
):
    print(CodecTable().encode(value, "", DictBlobs()).digest)
"""


def test_two_processes_write_the_same_frames_whatever_the_threads_hash_seed_and_history() -> None:
    found = set()
    for seed, threads, others in (("0", "1", ["w5", "q"]), ("99", "2", ["q", "w77", "w5"])):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        code = FRAMES_IN_A_PROCESS.replace("OTHERS", repr(others))
        found.add(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
    assert next(iter(found)).count("blake3:") == 4
