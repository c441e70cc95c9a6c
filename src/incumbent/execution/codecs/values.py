"""Plain values in canonical bytes, and bytes as they are."""

import importlib
import sys
from typing import Any

from incumbent.base.artifact import Artifact
from incumbent.base.canonical import decode, encode
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.reading import put_bytes
from incumbent.usecases.ports import Blobs


def write_value(value: object, blobs: Blobs) -> Artifact:
    """Store a plain value. Raises InvalidInput when something inside has no canonical form."""
    return put_bytes("value", encode(value), blobs)


def read_value(artifact: Artifact, blobs: Blobs) -> object:
    """Return the plain value; the classes of its records are imported."""
    data = blobs.get(artifact.digest)
    if not data.startswith(b"IV1:"):
        raise Corrupt(f"value {artifact.digest} ({artifact.size} bytes) is not in canonical form")
    return decode(data, find_class)


def find_class(name: str) -> Any:
    """Return the object that `module.qualname` names, importing its module.

    Raises:
        InvalidInput: There is no such module, or nothing of that name in it.
    """
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = _find_module(".".join(parts[:length]), name)
        if module is None:
            continue
        found: Any = module
        for part in parts[length:]:
            found = getattr(found, part, None)
        if found is not None:
            return found
    raise InvalidInput(f"the class {name} of a stored value is not found here; was it renamed or moved? Run the stage that makes it again")


def _find_module(module: str, wanted: str) -> Any:
    if module in sys.modules:
        return sys.modules[module]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            return None
        raise InvalidInput(f"the class {wanted} of a stored value cannot be imported: {error}") from error
    except (ImportError, SyntaxError, ValueError, TypeError) as error:
        raise InvalidInput(f"the class {wanted} of a stored value cannot be imported: {error}") from error


def write_bytes(value: bytes | bytearray | memoryview, blobs: Blobs) -> Artifact:
    """Store bytes as they are."""
    return put_bytes("bytes", bytes(value), blobs)


def read_bytes(artifact: Artifact, annotation: object, blobs: Blobs) -> object:
    """Return the bytes, as a bytearray or memoryview where the annotation is just that."""
    data = blobs.get(artifact.digest)
    if annotation is bytearray:
        return bytearray(data)
    return memoryview(data) if annotation is memoryview else data
