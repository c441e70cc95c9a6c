"""The reference page of the API, in Markdown, made from the table of operations."""

import json
from collections.abc import Iterator

from incumbent.server.api.openapi import build_document
from incumbent.server.api.operation import Operation
from incumbent.server.api.table import OPERATIONS
from incumbent.server.errors import PROBLEMS

_HEAD = """# HTTP: /api/v1

All of it stands in `/api/v1/openapi.json`, an OpenAPI 3.1 document with the schemas of what is sent and answered. Here is what it
does, with an example of each; [rights](rights.md) says who has which right, and a token is made by `incumbent tokens new`.

    curl -s -H "Authorization: Bearer $TOKEN" https://incumbent.example.com/api/v1/slots

- **Who asks.** A token as `Authorization: Bearer`, or as the password of Basic with any user name; or a browser's session, which sends
  its pages' secret as `x-incumbent-form` with whatever changes something. On its own machine, while nobody is registered: nothing.
- **Reading.** Bodies are JSON in UTF-8. A field that is not known, a key that is there twice, NaN, infinities, a whole number beyond 64
  bits and nesting beyond 32 are refused, and so is a field of the query string that is not known. The `/` in a name is written `%2F`.
- **Lists** are `{"items": […], "next_cursor": …}`, at most `limit` items a page. `next_cursor`, and the header `Link` with
  `rel="next"`, lead on; a cursor is good for its own list and question alone. What is added meanwhile moves no later page.
- **ETags.** What is read has one; with it as `If-None-Match` the answer is 304 until something has changed. With another one
  as `If-Match` it is 412; so is every write that has `If-Match`, and nothing is done: what is decided is judged again as it is done.
- **Doing it once.** A writing request with an `Idempotency-Key` (1 to 255 visible ASCII characters, new for each request) is done once,
  and answered alike for 24 hours. The same key with another request is 422. While it is being done, 409: send it again.
- **Errors** are problem documents (RFC 9457), `application/problem+json`. `detail` says what was asked, what stands in the way and what to
  do; `type` is one of those at the end of this page, and an address of the server that says the same.
- **Signatures.** A token is not a signature, and the key never comes here: what is to be signed comes from an address that ends in
  `/statement`, and the act takes the DSSE envelope that was made of it where the key is.
"""


def reference_page() -> str:
    """Return the page."""
    document = build_document(OPERATIONS)
    parts = [_HEAD]
    for tag in dict.fromkeys(one.tag for one in OPERATIONS):
        parts.append(f"## {tag[0].upper()}{tag[1:]}\n")
        for one in OPERATIONS:
            if one.tag == tag:
                parts.extend(_tell(one, document["paths"][one.full_path][one.method.lower()]))
    problems = "".join(f"| `{one.type}` | {one.status} | {one.meaning} |\n" for one in PROBLEMS.values())
    return "\n".join([*parts, f"## Problems\n\n| type | status | what it means |\n|---|---|---|\n{problems}"])


def _tell(one: Operation, described: dict[str, object]) -> Iterator[str]:
    yield f"### `{one.method} {one.full_path}`\n\n{one.says} Right: `{one.right}`.\n"
    if one.more:
        yield f"{one.more}\n"
    fields = "".join(_tell_fields(described))
    if fields:
        yield f"| parameter | | |\n|---|---|---|\n{fields}"
    if one.body is not None:
        yield f"Takes\n\n```json\n{_show(one.sent)}\n```\n"
    example = {"items": [one.example], "next_cursor": None} if one.is_paged else one.example
    if one.media_type == "application/json":
        yield f"Gives {one.status}\n\n```json\n{_show(example)}\n```\n"
    else:
        yield f"Gives {one.status}, `{one.media_type}`\n"


def _tell_fields(described: dict[str, object]) -> Iterator[str]:
    parameters = described["parameters"]
    assert isinstance(parameters, list)
    for field in parameters:
        if field["name"] not in {"limit", "cursor", "Idempotency-Key", "If-None-Match"}:
            where = f"{field['in']}{', required' if field['required'] and field['in'] != 'path' else ''}"
            yield f"| `{field['name']}` | {where} | {field.get('description', '')} |\n"


def _show(value: object) -> str:
    """Return JSON, short values in one line."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= 120 else json.dumps(value, indent=2, ensure_ascii=False)
