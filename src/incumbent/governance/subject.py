"""What a governed document is about: one table, by the document's kind.

Documents are found by their subject, and a row has it in a column of its own, which nobody signed. So the column is never the source:
it is computed from the document here when it is stored, and compared with the document whenever it is read.
"""

from collections.abc import Mapping
from types import MappingProxyType

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput

ITSELF, NOTHING = "(its own id)", "(nothing)"
SUBJECTS: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys(("person", "policy", "tier", "tiers", "schema", "holdout", "version"), ITSELF),
    **dict.fromkeys(("ledger", "accounts"), NOTHING),
    **dict.fromkeys(("note", "tag", "examination", "attestation"), "version"),
    "evidence": "model@version",
    **dict.fromkeys(("sign-off", "alias"), "model"),
    "look": "data",
    "finding": "subject",
    **dict.fromkeys(("key", "key-request"), "person_id"),
    "witness": "owner",
    **dict.fromkeys(("token", "account", "link", "sessions", "admission"), "person"),
})  # fmt: skip
"""Kind -> the field that says what a document is about (two of them, put together by the sign between them)."""


def subject_of(kind: str, record_id: str, body: Document) -> str:
    """Return what a document is about: a model, a version, a slot, a person, the digest of data.

    Raises:
        InvalidInput: There is no such kind of document.

    >>> subject_of("evidence", "evidence-1", {"model": "late", "version": 2}), subject_of("policy", "late", {})
    ('late@2', 'late')
    """
    field = SUBJECTS.get(kind)
    if field is None:
        raise InvalidInput(f"{kind[:80]!r} is no kind of governed document; there are: {', '.join(sorted(SUBJECTS))}")
    if field in (ITSELF, NOTHING):
        return record_id if field == ITSELF else ""
    return "@".join(str(body.get(name, "")) for name in field.split("@"))
