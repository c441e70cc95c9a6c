"""Holding what the server answers against the OpenAPI document: the status has to be there, and the body has to be of its schema."""

import json
from copy import deepcopy

from jsonschema import Draft202012Validator

from incumbent.server.api.openapi import build_document
from incumbent.server.api.table import OPERATIONS

DOCUMENT = json.loads(json.dumps(build_document(OPERATIONS)))
_CLOSED = deepcopy(DOCUMENT["components"])
for _shape in _CLOSED["schemas"].values():
    if "properties" in _shape:
        _shape["additionalProperties"] = False


def check(schema, value, *, is_closed=False):
    """Validate a value; `is_closed`: it may have no field either that its schema does not name."""
    components = _CLOSED if is_closed else DOCUMENT["components"]
    Draft202012Validator({**schema, "components": components}).validate(value)


def check_answer(method, path, status, found):
    """Validate an answer of the API; `path` is what was asked for, without /api/v1."""
    parts = path.partition("?")[0].split("/")
    described = None
    for name, methods in DOCUMENT["paths"].items():
        pattern = name.removeprefix("/api/v1").split("/")
        fits = len(pattern) == len(parts) and all(a.startswith("{") or a == b for a, b in zip(pattern, parts, strict=True))
        if fits and method.lower() in methods:
            described = methods[method.lower()]["responses"]
            break
    assert described is not None, f"{method} {path} is not in the document"
    assert str(status) in described, (method, path, status, found)
    said = described[str(status)]
    if "$ref" in said:
        said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    [media] = said["content"].values()
    check(media["schema"], found, is_closed=True)


def find_answer(operation, status):
    """Return media type and schema of an answer of an operation; the document has to name its status."""
    described = DOCUMENT["paths"][operation.full_path][operation.method.lower()]["responses"]
    assert str(status) in described, (operation.name, status)
    said = described[str(status)]
    if "$ref" in said:
        said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    [(media, found)] = said["content"].items()
    return media, found["schema"]
