"""Each blob that a governed document rests on is there, or `artifacts verify` names it: whatever the kind of document."""

import re

import pytest

from incumbent.base.documents import document_bytes
from incumbent.governance.subject import SUBJECTS
from incumbent.usecases.reach import GOVERNED
from incumbent.usecases.verify_artifacts import verify_artifacts

UNSEEN = {
    "name what a version's own document names, and that is looked at": {"attestation", "sign-off"},
    "words and numbers about something; no blob": {
        "finding", "note", "tag", "alias", "schema", "tiers", "witness", "token", "account", "accounts", "link",
        "sessions", "admission",
    },
}  # fmt: skip
"""Kinds of document that the workspace below has none of, and what they name. A new kind has to be put here or made there."""


@pytest.fixture
def ws(evaluated_ws):
    return evaluated_ws


def read_records(ws):
    with ws.store.begin(read_only=True) as tx:
        return list(tx.records.list_history())


def test_every_blob_that_a_governed_document_names_is_missed_when_it_is_gone(ws):
    assert verify_artifacts(ws).problems == ()
    stored = set(ws.blobs.list_digests())
    named = {
        digest: f"{record.kind} {record.record_id}"
        for record in read_records(ws)
        for digest in re.findall(r"blake3:[0-9a-f]{64}", document_bytes(dict(record.body)).decode())
        if digest in stored
    }
    kinds = {name.partition(" ")[0] for name in named.values()}
    assert len(named) >= 4  # a bundle, a holdout, a training table, answers
    assert kinds <= GOVERNED.keys()
    for digest in named:
        ws.blobs.delete(digest)
    problems = verify_artifacts(ws).problems
    told = {digest for digest in named if any(problem.startswith(f"blob {digest} is not in the store: ") for problem in problems)}
    assert told == named.keys()


def test_every_kind_of_document_is_in_that_workspace_or_said_to_name_no_blob(ws):
    made = {record.kind for record in read_records(ws)}
    unseen = {kind for kinds in UNSEEN.values() for kind in kinds}
    assert made & unseen == set()
    assert made | unseen == SUBJECTS.keys()


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_answers_that_a_verdict_rests_on_are_named_with_their_evidence(ws, damage):
    [evidence] = [record for record in read_records(ws) if record.kind == "evidence"]
    digest = str(evidence.body["predictions"])
    if damage == "gone":
        ws.blobs.delete(digest)
    else:
        name = digest.partition(":")[2]
        path = ws.folder / "blobs" / name[:2] / name[2:]
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"3", b"4", 1))
        assert any(f"{digest} is damaged" in problem for problem in verify_artifacts(ws).problems)
        # It was set aside, and is missed from now on.
    assert verify_artifacts(ws).problems == (
        f"blob {digest} is not in the store: evidence {evidence.record_id} needs it; run what gave it again, or put it back from a backup",
    )
