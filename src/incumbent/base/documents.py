"""Documents: small JSON records (recipes, manifests) with one byte form, so that each has a digest anyone can recompute.

The byte form: UTF-8, keys sorted, no white space, numbers as Python's json writes them (so 1, 1.0, true and "1" differ),
NaN and infinities refused. The digest of a document is the digest of these bytes (docs/adr/0001).
"""

import json
from collections.abc import Mapping
from typing import cast

from incumbent.base.errors import InvalidInput

_ALLOWED = "a document holds only None, bool, int, float, str, lists and dicts with str keys"
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Document = dict[str, Json]


def document_bytes(document: Mapping[str, Json]) -> bytes:
    """Return the one byte form of `document`.

    Raises:
        InvalidInput: A value has no JSON form, or is NaN or infinite.

    >>> document_bytes({"b": 1.0, "a": [True, None]})
    b'{"a":[true,null],"b":1.0}'
    """
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{error}; {_ALLOWED}") from error


def parse_document(data: bytes) -> Document:
    """Return the document that `data` spells.

    Raises:
        InvalidInput: `data` is not UTF-8 JSON with an object at its top.
    """
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"these {len(data)} bytes are not a JSON document: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"a document is a JSON object, not {type(document).__name__}")
    return cast(Document, document)
