"""From the documents of /api/v1 to the values that the same verbs return on a workspace of one's own.

A field that is missing or of another type raises Unavailable: the server is of another release, or something answers in its place.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from incumbent.base.artifact import artifact_from_json
from incumbent.base.digest import Digest
from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.gates.verdict import verdict_from_json
from incumbent.governance.vouching import Backing
from incumbent.registry.lineage import Lineage, Link, Node
from incumbent.registry.model import ModelVersion, Placement, Status
from incumbent.tracking.record import run_from_document
from incumbent.tracking.run import Run
from incumbent.usecases.evidence import Evidence
from incumbent.usecases.live import Approval, Basis, LiveSlot

_T = TypeVar("_T")
Answer = Mapping[str, Any]


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (InvalidInput, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"the server's answer cannot be read, it may be of another release: {error!r}") from error


def _as(kind: type[_T], value: object) -> _T:
    """Return a plain value if it is of this type. Raises msgspec.ValidationError, a ValueError."""
    return msgspec.convert(value, kind)


def _as_status(value: object) -> Status:
    status: Status = msgspec.convert(value, Status)
    return status


@_reading()
def read_run(document: Answer) -> Run:
    """Return a run."""
    return run_from_document(dict(document))


@_reading()
def read_placement(document: Answer, slot: str) -> Placement:
    """Return the status of a version in a slot."""
    return Placement(
        slot, _as(str, document["model"]), _as(int, document["version"]), _as_status(document["status"]),
        _as(datetime, document["since"]), _as(str, document["actor"]), _as(str, document["reason"]),
        None if document["entry"] is None else _as(int, document["entry"]),
    )  # fmt: skip


@_reading()
def read_version(document: Answer) -> ModelVersion:
    """Return a version, of all that is on record about it."""
    return ModelVersion(
        model=_as(str, document["model"]),
        version=_as(int, document["version"]),
        bundle=artifact_from_json(document["bundle"]),
        run_id=_as(str, document["run"]),
        key=None if document["recipe"] is None else Digest(_as(str, document["recipe"])),
        manifest=Digest(_as(str, document["manifest"])),
        created_at=_as(datetime, document["created_at"]),
        actor=_as(str, document["actor"]),
        facts=_as(dict, document["facts"]),
        seq=None if document["entry"] is None else _as(int, document["entry"]),
    )


@_reading()
def read_slot(document: Answer, version: ModelVersion | None) -> LiveSlot:
    """Return a slot; what is live in it is `version`."""
    slot, live, back = _as(str, document["slot"]), document["live"], document["roll_back_to"]
    return LiveSlot(
        slot=slot,
        live=None if live is None else read_placement(live, slot),
        version=version,
        basis=None if live is None or live["basis"] is None else _read_basis(live["basis"]),
        roll_back_to=None if back is None else (_as(str, back["model"]), _as(int, back["version"])),
        staging=tuple(read_placement(one, slot) for one in document["staging"]),
    )


def _read_basis(document: Answer) -> Basis:
    evidence = document["evidence"] or {"digest": "", "entry": None, "verdict": ""}
    return Basis(
        act=_as(str, document["act"]),
        entry=_as(int, document["entry"]),
        approvals=tuple(_read_approval(one) for one in document["approvals"]),
        evidence=_as(str, evidence["digest"]),
        evidence_entry=None if evidence["entry"] is None else _as(int, evidence["entry"]),
        verdict=_as(str, evidence["verdict"]),
        tier=_as(str, document["tier"]),
        founder=_as(str, document["founder"]),
    )


def _read_approval(document: Answer) -> Approval:
    chains = [
        (*([document[first]] if document[first] else []), *_as(list, document[rest]))
        for first, rest in (("vouched_by", "vouched_through"), ("bound_by", "bound_through"))
    ]
    return Approval(
        _as(str, document["person"]),
        _as(str, document["act"]),
        _as(datetime, document["at"]),
        _as(int, document["entry"]),
        Backing(*chains),
    )


@_reading()
def read_evidence(document: Answer) -> Evidence:
    """Return what an evaluation found."""
    return Evidence(
        evidence_id=_as(str, document["evidence"]),
        digest=_as(str, document["digest"]),
        seq=_as(int, document["entry"]),
        model=_as(str, document["model"]),
        version=_as(int, document["version"]),
        slot=_as(str, document["slot"]),
        bundle=_as(str, document["bundle"]),
        champion=None if document["champion"] is None else _as(str, document["champion"]),
        policy=_as(str, document["policy"]),
        policy_entry=None if document["policy_entry"] is None else _as(int, document["policy_entry"]),
        holdout=document["holdout"],
        verdict=verdict_from_json(document["verdict"]),
        predictions=_as(str, document["predictions"]),
        at=_as(datetime, document["at"]),
        expires_at=_as(datetime, document["expires_at"]),
        actor=_as(str, document["actor"]),
    )


@_reading()
def read_lineage(document: Answer) -> Lineage:
    """Return a subject, seen both ways."""
    nodes = {name: _read_node(node) for name, node in _as(dict, document["nodes"]).items()}
    both = [tuple(msgspec.convert(link, Link) for link in document[way]) for way in ("origins", "uses")]
    return Lineage(_as(str, document["subject"]), nodes, *both)


def _read_node(document: Answer) -> Node:
    digest = document["digest"]
    return Node(
        document["kind"], _as(str, document["name"]), None if digest is None else Digest(_as(str, digest)), _as(dict, document["facts"])
    )
