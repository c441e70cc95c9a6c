"""The OpenAPI 3.1 document, made from the table of operations; the types of what is sent and answered give the JSON Schemas."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from incumbent.base.version import __version__
from incumbent.server.api.operation import PAGE_ROWS, PLACEHOLDERS, Operation, Out
from incumbent.server.errors import PROBLEM_TYPE, PROBLEMS
from incumbent.usecases.rights import PUBLIC, RIGHTS, SESSION

Document = dict[str, Any]
_SECURITY: Mapping[str, list[Document]] = {PUBLIC: [], SESSION: [{"session": []}]}
_REF = "#/components/schemas/{name}"
_ABOUT = """What is done to a workspace over HTTP; running pipelines stays on the command line.

Who asks says so by a token, in the header Authorization, or by a browser's session; a server that listens on its own machine alone asks
for neither while nobody is registered there. `x-right` names the right that an operation takes.

Lists come in pages: `next_cursor`, and the header Link, lead to the next one. What is read has an ETag. A writing request may carry
an `Idempotency-Key`: sent again within 24 hours, it is answered as the first time, and done once. Errors are problem documents
(RFC 9457), whose `type` is an address that says more. What has to be signed with a person's own key is signed where that key
is: the server says what is to be signed, and takes the envelope."""


class Problem(Out):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


def build_document(operations: Sequence[Operation]) -> Document:
    """Return the OpenAPI document of these operations."""
    shapes: list[Any] = [Problem]
    for one in operations:
        shapes += [kind for kind in (one.body, one.reply) if kind is not None]
    kinds = list(dict.fromkeys(shapes))
    references, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    found = dict(zip(kinds, references, strict=True))
    paths: Document = {}
    for one in operations:
        paths.setdefault(one.full_path, {})[one.method.lower()] = _describe(one, found)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Incumbent", "version": __version__, "summary": "Models from raw data to a live, accountable asset.",
            "description": _ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {problem.name: _describe_problem(problem.name) for problem in PROBLEMS.values()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `incumbent tokens new`."},
                "basic": {"type": "http", "scheme": "basic", "description": "The same token as the password; any user name."},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-incumbent-session",
                    "description": "A browser that logged in. What changes something also sends its pages' secret as x-incumbent-form.",
                },
            },
        },
    }  # fmt: skip


def _describe(one: Operation, found: Mapping[Any, Any]) -> Document:
    described: Document = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": one.says,
        "x-right": one.right,
        "security": _SECURITY.get(one.right, [{"token": []}, {"basic": []}, {"session": []}]),
        "parameters": [*_placeholders(one), *_fields(one), *_headers(one)],
        "responses": {str(one.status): _describe_reply(one, found), **_describe_others(one)},
    }
    more = " ".join(part for part in (one.more, _tell_right(one)) if part)
    if more:
        described["description"] = more
    if one.takes_stream:
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
    if one.body is not None:
        content = {"schema": found[one.body], "example": one.sent}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _tell_right(one: Operation) -> str:
    right = RIGHTS[one.right]
    return f"It takes a signature of a person's own key, which a token is not. ({right.name})" if right.is_human else ""


def _placeholders(one: Operation) -> Iterable[Document]:
    for name in one.placeholders:
        about = PLACEHOLDERS[name]
        schema: Document = {"type": "integer", "minimum": 0} if about.is_number else {"type": "string", "minLength": 1}
        example: object = int(about.example) if about.is_number else about.example
        yield {"name": name, "in": "path", "required": True, "description": about.says, "schema": schema, "example": example}


def _fields(one: Operation) -> Iterable[Document]:
    if one.query is not None:
        _, components = msgspec.json.schema_components([one.query], ref_template=_REF)
        schema = components[one.query.__name__]
        for name, field in schema["properties"].items():
            yield _field(name, field, is_required=name in schema.get("required", ()))
    if one.is_paged:
        size = {"type": "integer", "minimum": 1, "maximum": one.rows_max, "default": PAGE_ROWS}
        yield {"name": "limit", "in": "query", "required": False, "description": "At most so many items.", "schema": size}
        says = "`next_cursor` of the page before; the rest of the query as it was."
        yield {"name": "cursor", "in": "query", "required": False, "description": says, "schema": {"type": "string", "maxLength": 2000}}


def _field(name: str, field: Document, *, is_required: bool) -> Document:
    schema = {key: value for key, value in field.items() if key not in {"description", "examples"}}
    if "anyOf" in schema:  # a field that may be left out is not null then: it is not there
        schema = next(kind for kind in schema["anyOf"] if kind != {"type": "null"})
        schema = {key: value for key, value in schema.items() if key != "description"}
    described: Document = {"name": name, "in": "query", "required": is_required, "schema": schema}
    if "description" in field:
        described["description"] = field["description"]
    if "examples" in field:
        described["example"] = field["examples"][0]
    return described


def _headers(one: Operation) -> Iterable[Document]:
    for name, about in one.headers.items():
        yield {"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}
    if one.takes_key:
        says = "Any text, new for each request: the same request, sent again with it, is done once." + (
            "" if one.repeats else " The answer holds a secret and is not kept: sent again, it is answered 409."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        yield {"name": "Idempotency-Key", "in": "header", "required": False, "description": says, "schema": schema}
    elif not one.is_write and one.media_type == "application/json":
        says = "The ETag of what one has: 304 if it is still that."
        yield {"name": "If-None-Match", "in": "header", "required": False, "description": says, "schema": {"type": "string"}}


def _describe_reply(one: Operation, found: Mapping[Any, Any]) -> Document:
    headers: Document = {}
    if one.media_type != "application/json":
        return {"description": "Done.", "content": {one.media_type: {"schema": {"type": "string"}, "example": one.example}}}
    schema, example = found[one.reply], one.example
    if one.is_paged:
        schema = {
            "type": "object", "required": ["items", "next_cursor"],
            "properties": {"items": {"type": "array", "items": schema}, "next_cursor": {"type": ["string", "null"]}},
        }  # fmt: skip
        example = {"items": [example], "next_cursor": None}
        headers["Link"] = {"description": 'The next page, as rel="next".', "schema": {"type": "string"}}
    if not one.is_write:
        headers["ETag"] = {"description": "Of this very answer.", "schema": {"type": "string"}}
    return {"description": "Done.", "headers": headers, "content": {"application/json": {"schema": schema, "example": example}}}


def _describe_others(one: Operation) -> Document:
    found: Document = {}
    if not one.is_write and one.media_type == "application/json":
        found["304"] = {"description": "It is what the caller has already."}
    for status in list_statuses(one):
        names = [problem.name for problem in PROBLEMS.values() if problem.status == status]
        found[str(status)] = {"$ref": f"#/components/responses/{names[0]}"} if len(names) == 1 else _describe_problem(*names)
    return found


def list_statuses(one: Operation) -> list[int]:
    """Return the statuses of the problems that an operation may answer."""
    found = {400, 404, 421, 500, 503, *one.statuses}
    if one.is_write or one.media_type == "application/json":
        found.add(412)
    if one.right != PUBLIC:
        found |= {401, 403}
    if one.body is not None or one.takes_stream:
        found |= {408, 413, 415}
    if one.may_conflict or one.is_write:
        found.add(409)
    if one.refuses or one.is_write:
        found.add(422)
    return sorted(found)


def _describe_problem(*names: str) -> Document:
    problems = [PROBLEMS[name] for name in names]
    examples = {
        one.name: {"value": {"type": one.type, "title": one.title, "status": one.status, "detail": "What stands in the way, in words."}}
        for one in problems
    }
    content = {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}, "examples": examples}}
    return {"description": " ".join(one.meaning for one in problems), "content": content}
