"""scikit-learn estimators as skops files, judged by our own list of types.

skops asks its caller which types to trust. A list that travels with the file (MLflow's GHSA-w582-9x45-8mpx) lets the file trust
itself, so: every type and function that the file names, those that skops itself would trust included, must be on the table of
registry.pickle_names, or here; and every node must be of a kind that is listed here. skops is then told of exactly these.

The bytes that skops writes hold addresses and times of day. `settle_skops` writes them anew with neither, so that a stage that
packs the same model twice leaves the same bundle.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from incumbent.base.errors import InvalidInput, Refused, Unavailable
from incumbent.registry.pickle_names import is_safe_name

SCHEMA = "schema.json"
_TIME = (1980, 1, 1, 0, 0, 0)
_EXPANDED_BYTES_MAX = 2 << 30
_KINDS = frozenset(
    {
        "BytearrayNode", "BytesNode", "CachedNode", "ConstructorFromReduceNode", "DTypeNode", "DefaultDictNode", "DictNode", "FunctionNode",
        "JsonNode", "ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode", "RandomGeneratorNode", "RandomStateNode",
        "SetNode", "SliceNode", "SparseMatrixNode", "TreeNode", "TupleNode", "TypeNode",
    }
)  # fmt: skip
"""Kinds of skops nodes that we let through; not among them: methods, operators and partial functions."""

_ALSO = frozenset(
    {
        "builtins.NoneType", "builtins.type", "numpy.random._generator.Generator", "numpy.random.mtrand.RandomState",
        "numpy.ma.MaskedArray",        "numpy.exp", "numpy.log", "numpy.log1p", "numpy.expm1", "numpy.sqrt", "numpy.square", "numpy.abs",
        "numpy.absolute", "numpy.log2",
        "numpy.log10", "numpy.float64", "numpy.ufunc", "scipy.special._ufuncs.expit", "scipy.special._ufuncs.logit",
    }
)  # fmt: skip


def is_skops(data: bytes) -> bool:
    """Say whether the bytes are a skops file: a ZIP archive with a schema."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return SCHEMA in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def dump_skops(estimator: object) -> bytes:
    """Return settled skops bytes of a fitted estimator.

    Raises:
        Refused: It holds a type that is not on our list, or something that skops cannot write.
        Unavailable: skops is not installed.
    """
    try:
        import skops.io
    except ImportError as error:
        raise Unavailable(
            "skops, the safe format of scikit-learn's models, is not installed here: pip install 'incumbent[safe]'"
        ) from error
    try:
        data = skops.io.dumps(estimator)
    except Exception as error:
        name = type(estimator).__name__
        raise Refused(f"{name} cannot be written as a skops file: {type(error).__name__}: {str(error)[:200]}") from error
    check_skops(data)
    return settle_skops(data)


def load_skops(data: bytes) -> Any:
    """Return the estimator.

    Raises:
        Refused: The file names a type that is not on our list, whatever the file itself or skops says of it.
        InvalidInput: It is no skops file.
    """
    import skops.io

    check_skops(data)
    unknown = skops.io.get_untrusted_types(data=data)
    foreign = [name for name in unknown if not _is_allowed(name)]
    if foreign:
        raise Refused(_say_foreign(foreign))
    return skops.io.loads(data, trusted=unknown)


def check_skops(data: bytes) -> None:
    """Hold every type and node that the file names against our lists.

    Raises:
        Refused: One is on none.
        InvalidInput: It is no skops file.
    """
    schema = _read_schema(data)
    foreign, kinds = set(), set()
    for node in _walk(schema):
        if "__loader__" in node and str(node["__loader__"]) not in _KINDS:
            kinds.add(str(node["__loader__"])[:80])
        named = [(node.get("__module__"), node.get("__class__")), (node.get("module_path"), node.get("function"))]
        foreign |= {f"{module}.{name}" for module, name in named if (module or name) and not _is_allowed(f"{module}.{name}")}
    if kinds:
        raise Refused(f"the skops file has nodes of kind {', '.join(sorted(kinds))}, which are not built")
    if foreign:
        raise Refused(_say_foreign(sorted(foreign)))


def _say_foreign(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"it holds {', '.join(name[:120] for name in names[:5])}{more}, not on Incumbent's list of types that are safe to build"


def _is_allowed(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return name in _ALSO or is_safe_name(module, last)


def _read_schema(data: bytes) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _EXPANDED_BYTES_MAX:
                raise Refused(f"the skops file unpacks to more than {_EXPANDED_BYTES_MAX >> 30} GiB")
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise InvalidInput("the skops file holds two members of one name")
            schema = json.loads(archive.read(SCHEMA))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, RuntimeError) as error:
        raise InvalidInput(f"these {len(data)} bytes are no skops file: {error}") from error
    if not isinstance(schema, dict):
        raise InvalidInput("the skops file's schema is no object")
    return schema


def _walk(root: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in the schema, whatever key it stands under."""
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def settle_skops(data: bytes) -> bytes:
    """Return the file with addresses numbered in the order of the schema, members sorted, and no time of day."""
    schema = _read_schema(data)
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    for node in _walk_in_order(schema):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if isinstance(node.get("file"), str):
            ending = node["file"].rpartition(".")[2]
            node["file"] = files.setdefault(node["file"], f"{len(files) + 1}.{ending}")
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        members = {new_name: old.read(old_name) for old_name, new_name in files.items()}
        members[SCHEMA] = json.dumps(schema, indent=1).encode()
        for name in sorted(members):
            new.writestr(zipfile.ZipInfo(name, _TIME), members[name])
    return sink.getvalue()


def _walk_in_order(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _walk_in_order(part)
    elif isinstance(value, list):
        for part in value:
            yield from _walk_in_order(part)
