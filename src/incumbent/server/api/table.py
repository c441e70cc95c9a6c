"""The table: every operation of the API, in the order of the reference, and the document that describes it."""

import msgspec

from incumbent.server.api import (
    about,
    accounts,
    aliases,
    blobs,
    exams,
    feed,
    findings,
    governance,
    keys,
    ledger,
    models,
    moves,
    people,
    pipelines,
    run_logging,
    run_records,
    runs,
    signing,
    slots,
    webhooks,
)
from incumbent.server.api.openapi import build_document
from incumbent.server.api.operation import Call, Operation
from incumbent.server.api.shapes import Document
from incumbent.server.messages import Server
from incumbent.usecases.rights import PUBLIC


def get_openapi(_server: Server, _call: Call) -> object:
    """Describe the API."""
    return msgspec.Raw(_document())


OPERATIONS: tuple[Operation, ...] = (
    *slots.OPERATIONS,
    *moves.OPERATIONS,
    *signing.OPERATIONS,
    *models.OPERATIONS,
    *aliases.OPERATIONS,
    *exams.OPERATIONS,
    *runs.OPERATIONS,
    *run_logging.OPERATIONS,
    *run_records.OPERATIONS,
    *pipelines.OPERATIONS,
    *governance.OPERATIONS,
    *findings.OPERATIONS,
    *people.OPERATIONS,
    *accounts.OPERATIONS,
    *keys.OPERATIONS,
    *ledger.OPERATIONS,
    *blobs.OPERATIONS,
    *webhooks.OPERATIONS,
    *feed.OPERATIONS,
    *about.OPERATIONS,
    Operation(
        "get_openapi", "about", "GET", "/openapi.json", PUBLIC, "Describe this API, as an OpenAPI 3.1 document.",
        get_openapi, Document, {"openapi": "3.1.0"},
    ),
)  # fmt: skip


_MADE: list[bytes] = []


def _document() -> bytes:
    """Return the document; made when it is first asked for, and always the same."""
    if not _MADE:
        _MADE.append(msgspec.json.encode(build_document(OPERATIONS)))
    return _MADE[0]
