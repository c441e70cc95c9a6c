"""The table of codecs: which one takes a value, by the name of its type alone, so that no library is imported to look.

The first row that takes a value stores it. What no row takes is refused with the list of what could have been returned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.canonical import PLAIN_TYPES, SUPPORTED, is_record
from incumbent.base.documents import Document, document_bytes, parse_document
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs import arrays, files, frames, models, pandas_frames, values
from incumbent.execution.codecs.annotations import is_tuple, item_annotation
from incumbent.execution.codecs.reading import type_path
from incumbent.pipeline.types import FRAMES, item_type
from incumbent.usecases.ports import Blobs

_ITEM_TYPES = FRAMES | {"numpy.ndarray", "pathlib.Path", "lightgbm.Booster", "xgboost.Booster", "polars.Series", "pandas.Series"}
_LISTED = (
    "pyarrow.Table, polars and pandas DataFrames and Series, numpy.ndarray, estimators with fit and get_params, LightGBM and XGBoost "
    f"Boosters, bytes, pathlib.Path to a file or folder, lists of these, and plain values ({SUPPORTED})"
)


@dataclass(frozen=True, slots=True)
class Codec:
    """One row: how values of some types are stored and read.

    Attributes:
        takes: Whether the row stores this value. Looks at the type; imports nothing.
        read: Called with (artifact, annotation, blobs, folder).
    """

    name: str
    takes: Callable[[Any], bool]
    write: Callable[[Any, Blobs], Artifact]
    read: Callable[[Artifact, object, Blobs, Path], object]


def _by_type(*names: str) -> Callable[[Any], bool]:
    return lambda value: type_path(type(value)) in names


def _is_array(value: Any) -> bool:
    # Subclasses too, so that they are refused with advice of their own.
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "__array_finalize__")


def _is_plain(value: Any) -> bool:
    cls = type(value)
    return cls in PLAIN_TYPES or type_path(cls) == "uuid.UUID" or is_record(cls) or hasattr(cls, "__members__") or _is_numpy_scalar(value)


def _is_numpy_scalar(value: Any) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and type(value).__name__ != "ndarray"


CODECS: tuple[Codec, ...] = (
    Codec("arrow", _by_type("pyarrow.Table"), frames.write_arrow, lambda a, t, b, _: frames.read_arrow(a, t, b)),
    Codec("polars", _by_type("polars.DataFrame", "polars.Series"), frames.write_polars, lambda a, _t, b, _: frames.read_polars(a, b)),
    Codec(
        "pandas",
        _by_type("pandas.DataFrame", "pandas.Series"),
        pandas_frames.write_pandas,
        lambda a, _t, b, _: pandas_frames.read_pandas(a, b),
    ),
    Codec("numpy", _is_array, arrays.write_array, lambda a, _t, b, _: arrays.read_array(a, b)),
    Codec("lightgbm", _by_type("lightgbm.Booster"), models.write_lightgbm, lambda a, _t, b, _: models.read_lightgbm(a, b)),
    Codec("xgboost", _by_type("xgboost.Booster"), models.write_xgboost, lambda a, _t, b, _: models.read_xgboost(a, b)),
    Codec("pickle", models.is_estimator, models.write_estimator, lambda a, _t, b, _: models.read_estimator(a, b)),
    Codec("bytes", _by_type("bytes", "bytearray", "memoryview"), values.write_bytes, lambda a, t, b, _: values.read_bytes(a, t, b)),
    Codec("file", lambda value: isinstance(value, Path), files.write_path, lambda a, _t, b, folder: files.read_file(a, b, folder)),
    Codec("tree", lambda _: False, files.write_path, lambda a, _t, b, folder: files.read_tree(a, b, folder)),  # "file" stores both
    Codec("value", _is_plain, values.write_value, lambda a, _t, b, _: values.read_value(a, b)),
)
_BY_NAME = {codec.name: codec for codec in CODECS}


class CodecTable:
    """The `Codecs` port over `CODECS`, and "list" on top of them."""

    def encode(self, value: object, annotation: str, blobs: Blobs) -> Artifact:
        """Store a value under the codec that its type chooses.

        Args:
            value: What a stage returned.
            annotation: Annotated type as dotted text; it decides only whether an empty list is a list of artifacts.
            blobs: Where the bytes go.

        Raises:
            InvalidInput: No codec takes it, or the one that does cannot keep it whole; the message says what can be done.
            NotFound: A path that does not exist.
        """
        # Isinstance would let subclasses in.
        if type(value) in (list, tuple) and _holds_artifacts(value, annotation):  # type: ignore[arg-type]
            return self._encode_list(value, annotation, blobs)  # type: ignore[arg-type]  # its type was looked at just above
        return _choose(value).write(value, blobs)

    def decode(self, artifact: Artifact, annotation: object, blobs: Blobs, folder: Path) -> object:
        """Return the value of an artifact.

        Args:
            artifact: What `encode` (or a source) stored.
            annotation: Real annotation of who gets it; it chooses the kind of frame for rows ("arrow"), and list or tuple.
            blobs: Where the bytes are; every read is verified there.
            folder: Paths are made under it; each parameter needs one of its own, or names may meet.

        Raises:
            NotFound: The bytes are gone.
            Corrupt: The bytes are not what this codec writes.
            InvalidInput: The codec is unknown here, or a class of a stored value is not found.
        """
        if artifact.codec == "list":
            return self._decode_list(artifact, annotation, blobs, folder)
        codec = _BY_NAME.get(artifact.codec)
        if codec is None:
            raise InvalidInput(
                f"no codec is called {artifact.codec!r} here (was it stored by a newer version?); there are: {', '.join(_BY_NAME)}, list"
            )
        try:
            return codec.read(artifact, annotation, blobs, folder)
        except RecursionError as error:
            raise Corrupt(f"{artifact.codec} {artifact.digest} nests too deep to be read") from error

    def _encode_list(self, value: list[object] | tuple[object, ...], annotation: str, blobs: Blobs) -> Artifact:
        inner = item_type(annotation) or ""
        items = [self.encode(item, inner, blobs) for item in value]
        document: Document = {"items": [item.to_json() for item in items]}
        if isinstance(value, tuple):
            document["sequence"] = "tuple"
        stored = blobs.put([document_bytes(document)])
        return Artifact("list", stored.digest, stored.size + sum(item.size for item in items))

    def _decode_list(self, artifact: Artifact, annotation: object, blobs: Blobs, folder: Path) -> object:
        try:
            document = parse_document(blobs.get(artifact.digest))
            listed = document.get("items")
            if not isinstance(listed, list):
                raise InvalidInput("no field items")
            items = [artifact_from_json(item) for item in listed]
        except InvalidInput as error:
            raise Corrupt(f"list {artifact.digest}: {error}") from error
        inner = item_annotation(annotation)
        found = [self.decode(item, inner, blobs, folder / str(place)) for place, item in enumerate(items)]
        return tuple(found) if document.get("sequence") == "tuple" or is_tuple(annotation) else found


def _holds_artifacts(value: list[object] | tuple[object, ...], annotation: str) -> bool:
    """Say whether a list is one of artifacts: an item has bytes of its own kind, or (empty) the annotation says so."""
    if not value:
        inner = item_type(annotation)
        return inner is not None and inner in _ITEM_TYPES
    samples = {type(item): item for item in value}.values()
    return any(_has_own_bytes(sample) for sample in samples)


def _has_own_bytes(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(_has_own_bytes(item) for item in value)
    return next((codec.name for codec in CODECS if codec.takes(value)), "value") not in ("value", "bytes")


def _choose(value: object) -> Codec:
    for codec in CODECS:
        if codec.takes(value):
            return codec
    name = type_path(type(value))
    if frames.is_lazy(value):
        raise InvalidInput("a polars.LazyFrame is a query that has not run, so it has no bytes; return query.collect()")
    if isinstance(value, PurePath):
        raise InvalidInput(f"a {name} names no file on this machine; return a pathlib.Path")
    raise InvalidInput(f"a {name} cannot be stored; a stage returns {_LISTED}")
