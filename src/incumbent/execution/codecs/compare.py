"""Comparing two artifacts: equal bytes, equal within a tolerance, or different, and then where they part first.

Bytes are the verdict that counts. "numeric" is for results that a thread count, a BLAS kernel or a CPU may move in their last
bits; it holds only if everything that is no float is equal, and every float within `atol + rtol * |right|`.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.canonical import FOUND, decode, encode, find_opaque
from incumbent.base.digest import Digest, finish, new_hasher
from incumbent.base.documents import parse_document
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.arrays import normalise_array
from incumbent.execution.codecs.files import list_entries
from incumbent.execution.codecs.frames import read_table
from incumbent.execution.codecs.reading import reading
from incumbent.execution.codecs.structure import Leaf, lay_open
from incumbent.execution.codecs.table import CodecTable
from incumbent.execution.codecs.values import find_class
from incumbent.pipeline.comparison import Comparison, Tolerance
from incumbent.usecases.ports import Blobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOWHERE = Path("/nonexistent")  # nothing that is compared by content is a path
_OPENED = ("arrow", "polars", "pandas", "numpy", "value", "pickle", "lightgbm", "xgboost")


@dataclass(frozen=True, slots=True)
class _Part:
    """A difference between two leaves: `size` is None when no tolerance can cover it."""

    words: str
    size: float | None


class ArtifactCodecs(CodecTable):
    """The whole `Codecs` port: the table, and comparing what it has stored."""

    def compare(self, left: Artifact, right: Artifact, blobs: Blobs, tolerance: Tolerance) -> Comparison:
        """Say how near two artifacts are; equal digests are bit-exact without reading a byte."""
        return compare(left, right, blobs, rtol=tolerance.relative, atol=tolerance.absolute)

    def canonical_digest(self, artifact: Artifact, blobs: Blobs) -> Digest:
        """Return the digest of the content that matters, thread counts and verbosity left out."""
        return canonical_digest(artifact, blobs)


def compare(left: Artifact, right: Artifact, blobs: Blobs, *, rtol: float, atol: float) -> Comparison:
    """Compare two artifacts; `left` and `right` are named so in the words that come back.

    Models are unpickled, so their classes must be importable here; records of plain values are compared without their classes.

    Args:
        left: One.
        right: The other; the relative tolerance is of its numbers.
        blobs: Where both are.
        rtol: Relative tolerance, 0 or more.
        atol: Absolute tolerance, 0 or more.

    Raises:
        NotFound: Bytes are gone.
        Corrupt: Bytes are not what the codec writes.
        InvalidInput: A class of a model is not found here.
    """
    if left.identity == right.identity:
        return Comparison("bit-exact", "", 0.0)
    if left.codec != right.codec:
        return Comparison("differs", f"one is stored as {left.codec}, the other as {right.codec}", None)
    if left.digest == right.digest:
        return Comparison("differs", f"equal bytes under two names: {left.name!r} and {right.name!r}", None)
    if left.codec == "list":
        return _compare_lists(left, right, blobs, rtol, atol)
    if left.codec == "tree":
        return _compare_trees(left, right, blobs)
    if left.codec not in _OPENED:
        return Comparison("differs", _compare_bytes(blobs.get(left.digest), blobs.get(right.digest)), None)
    leaves = zip_longest(_leaves(left, blobs), _leaves(right, blobs))
    return _judge((_compare_leaves(one, other, rtol, atol) for one, other in leaves), rtol, atol)


def canonical_digest(artifact: Artifact, blobs: Blobs) -> Digest:
    """Return a digest of the content, leaving out thread counts and verbosity, and for frames how the library spelled them."""
    hasher = new_hasher(blobs.algorithm)
    hasher.update(encode(artifact.codec))
    if artifact.codec == "list":
        for item in _items(artifact, blobs):
            hasher.update(encode(canonical_digest(item, blobs)))
    elif artifact.codec in _OPENED:
        for path, leaf in _leaves(artifact, blobs):
            hasher.update(encode((path, _spell(leaf))))
    else:
        hasher.update(encode(artifact.identity))
    return finish(hasher, blobs.algorithm)


def _spell(leaf: Any) -> object:
    if not hasattr(leaf, "dtype"):
        return leaf
    if leaf.dtype.hasobject:
        return [str(leaf.dtype), *map(_spell_cell, leaf.tolist())]
    return (str(leaf.dtype), leaf.shape, normalise_array(leaf).tobytes())


def _spell_cell(cell: object) -> object:
    try:
        encode(cell)
    except InvalidInput:
        return repr(cell)
    return cell


def _judge(parts: Iterable[_Part | None], rtol: float, atol: float) -> Comparison:
    largest = _Part("", 0.0)
    for part in parts:
        if part is None:
            continue
        if part.size is None:
            return Comparison("differs", part.words, None)
        if part.size > (largest.size or 0.0):
            largest = part
    if not largest.size:
        return Comparison(
            "numeric", "equal in content; the bytes differ in what is not compared (thread counts, verbosity, library versions)", 0.0
        )
    return Comparison(
        "numeric", f"largest difference {largest.size:.3g} at {largest.words}, within rtol {rtol:g} and atol {atol:g}", largest.size
    )


def _compare_lists(left: Artifact, right: Artifact, blobs: Blobs, rtol: float, atol: float) -> Comparison:
    ours, theirs = _items(left, blobs), _items(right, blobs)
    if len(ours) != len(theirs):
        return Comparison("differs", f"{len(ours)} items and {len(theirs)} items", None)
    largest = Comparison("numeric", "equal items; one is a list, the other a tuple", 0.0)
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        found = compare(one, other, blobs, rtol=rtol, atol=atol)
        named = Comparison(found.verdict, f"item {place}: {found.detail}", found.max_difference)
        if found.verdict == "differs":
            return named
        if found.verdict == "numeric" and (found.max_difference or 0.0) >= (largest.max_difference or 0.0):
            largest = named
    return largest


def _items(artifact: Artifact, blobs: Blobs) -> list[Artifact]:
    try:
        items = parse_document(blobs.get(artifact.digest)).get("items")
        if isinstance(items, list):
            return [artifact_from_json(item) for item in items]
    except InvalidInput as error:
        raise Corrupt(f"list {artifact.digest}: {error}") from error
    raise Corrupt(f"list {artifact.digest} has no field items")


def _compare_trees(left: Artifact, right: Artifact, blobs: Blobs) -> Comparison:
    ours, theirs = list_entries(left, blobs), list_entries(right, blobs)
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in theirs or path not in ours:
            return Comparison("differs", f"{path} is only in the {'left' if path in ours else 'right'} folder", None)
        if ours[path] != theirs[path]:
            return Comparison("differs", f"{path} has other bytes or another executable bit", None)
    return Comparison("differs", "the folders hold the same files, spelled differently", None)


def _compare_bytes(left: bytes, right: bytes) -> str:
    place = next((at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), min(len(left), len(right)))
    return f"{len(left)} bytes and {len(right)} bytes; the first that differs is byte {place}"


def _leaves(artifact: Artifact, blobs: Blobs) -> Iterator[Leaf]:
    match artifact.codec:
        case "arrow" | "pandas":
            return _arrow_leaves(artifact, blobs)
        case "polars":
            return _polars_leaves(artifact, blobs)
        case "value":
            return lay_open(decode(blobs.get(artifact.digest), lambda name: (find_class if name in FOUND else find_opaque)(name)))
    return lay_open(CodecTable().decode(artifact, None, blobs, _NOWHERE))


def _arrow_leaves(artifact: Artifact, blobs: Blobs) -> Iterator[Leaf]:
    import pyarrow as pa
    import pyarrow.compute as pc

    with reading(artifact):
        table = read_table(blobs.get(artifact.digest))
    yield "the number of rows", table.num_rows
    yield "the columns", ", ".join(f"{field.name} {field.type}" for field in table.schema)
    record = (table.schema.metadata or {}).get(b"incumbent.pandas")
    yield "the labels, dtypes, categories and index", record
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        yield f"the nulls of column {name!r}", pc.is_null(column).to_numpy()
        is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
        yield f"column {name!r}", pc.fill_null(column, 0).to_numpy() if is_number else _objects(column.to_pylist())


def _polars_leaves(artifact: Artifact, blobs: Blobs) -> Iterator[Leaf]:
    import polars as pl

    with reading(artifact):
        frame = pl.read_parquet(io.BytesIO(blobs.get(artifact.digest)), hive_partitioning=False)
    yield "the number of rows", frame.height
    yield "the columns", ", ".join(f"{name} {kind}" for name, kind in frame.schema.items())
    for column in frame:
        yield f"the nulls of column {column.name!r}", column.is_null().to_numpy()
        is_number = column.dtype.is_float() or column.dtype.is_integer()
        yield f"column {column.name!r}", column.fill_null(0).to_numpy() if is_number else _objects(column.to_list())


def _objects(cells: list[Any]) -> "NDArray[Any]":
    import numpy as np

    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found


def _compare_leaves(one: Leaf | None, other: Leaf | None, rtol: float, atol: float) -> _Part | None:
    if one is None or other is None or one[0] != other[0]:
        names = [leaf[0] or "the top" if leaf else "the end" for leaf in (one, other)]
        return _Part(f"{names[0]} stands where the other has {names[1]}", None)
    path, (left, right) = one[0] or "the value", (one[1], other[1])
    if hasattr(left, "dtype") or hasattr(right, "dtype"):
        return _compare_arrays(path, left, right, rtol, atol)
    if type(left) is not type(right):
        return _Part(f"{path}: {_show(left)} and {_show(right)}", None)
    if isinstance(left, float):
        return _compare_floats(path, left, right, rtol, atol)
    return None if left == right else _Part(f"{path}: {_show(left)} and {_show(right)}", None)


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return f"{value!r:.120}"


def _compare_floats(path: str, left: float, right: float, rtol: float, atol: float) -> _Part | None:
    if encode(left) == encode(right):
        return None
    difference = abs(left - right)
    is_close = difference <= atol + rtol * abs(right)  # False for NaN and for infinities
    return _Part(path if is_close else f"{path}: {left!r} and {right!r}", difference if is_close else None)


def _compare_arrays(path: str, left: Any, right: Any, rtol: float, atol: float) -> _Part | None:
    import numpy as np

    forms = [f"{side.dtype}{side.shape}" if hasattr(side, "dtype") else _show(side) for side in (left, right)]
    if forms[0] != forms[1]:
        return _Part(f"{path}: {forms[0]} and {forms[1]}", None)
    if left.dtype.names is not None:
        found = [_compare_arrays(f"{path}[{name!r}]", left[name], right[name], rtol, atol) for name in left.dtype.names]
        parts = [part for part in found if part is not None]
        return next((part for part in parts if part.size is None), max(parts, key=lambda part: part.size or 0.0, default=None))
    is_float = left.dtype.kind in "fc"
    equal = left == right
    if is_float:
        equal |= np.isnan(left) & np.isnan(right)
    if np.all(equal):
        return None
    apart = ~np.asarray(equal, dtype=bool)
    if is_float:
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(left - right)
            apart &= ~(difference <= atol + rtol * np.abs(right))
    if apart.any():
        where = np.argwhere(apart)[0].tolist()
        first = f"{_show(left[tuple(where)])} and {_show(right[tuple(where)])}"
        return _Part(f"{path}: {int(apart.sum())} of {left.size} differ, first at {_place(where)}: {first}", None)
    largest = np.unravel_index(int(np.argmax(np.where(equal, 0.0, difference))), left.shape)
    return _Part(f"{path}{_place([int(at) for at in largest])}", float(difference[largest]))


def _place(where: list[int]) -> str:
    return f"[{', '.join(map(str, where))}]" if where else ""
