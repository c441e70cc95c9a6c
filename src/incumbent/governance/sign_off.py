"""A sign-off: one person's signed judgement of one version in one slot, bound to the exact digests that it was given on.

It names four digests: the bundle, the evidence pack, the gate's policy and the tier's assessment. Whether it still counts is
judged each time anew (`incumbent.governance.quorum`): where one of the digests is another today, it is void.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal, cast

from incumbent.base.digest import parse_digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import INT_LIMIT, check_count, check_line, check_time, format_time, read_fields
from incumbent.governance.person import check_person_id

Seat = Literal["validator", "approver"]
Meaning = Literal["validated", "approved", "accepted-risk", "rejected"]
NAMES = ("bundle", "evidence", "policy", "tier")
"""What a sign-off names by digest."""

ACT_OF: Mapping[tuple[Seat, Meaning], str] = MappingProxyType(
    {
        ("validator", "validated"): "validate",
        ("validator", "rejected"): "validate",
        ("approver", "approved"): "approve",
        ("approver", "accepted-risk"): "accept-risk",
        ("approver", "rejected"): "approve",
    }
)
"""(role, meaning) -> the governed act whose right it needs; other pairs do not exist."""

MEANT: Mapping[Seat, Meaning] = MappingProxyType({"validator": "validated", "approver": "approved"})
"""What a seat says where nothing else is said."""

_FIELDS = (
    "sign_off_id", "model", "version", "slot", "person_id", "role", "meaning", "names", "key_id", "at",
    "expires_at", "statement", "is_self",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SignOff:
    """One person's signed judgement.

    Attributes:
        role: The capacity it was given in.
        meaning: What it says. "accepted-risk" stands beside an approval and fills no place of a quorum.
        names: Digest of each of bundle, evidence, policy and tier, as they were when it was signed.
        key_id: The key that signed it.
        expires_at: From then on it no longer counts.
        statement: The signed DSSE envelope; opaque here.
        is_self: It was given by somebody who had a hand in the version, as the tier allowed.

    Raises:
        InvalidInput: A field is malformed, the role does not give that meaning, or it expires before it was given.
    """

    sign_off_id: str
    model: str
    version: int
    slot: str
    person_id: str
    role: Seat
    meaning: Meaning
    names: Mapping[str, str]
    key_id: str
    at: datetime
    expires_at: datetime
    statement: Document
    is_self: bool

    def __post_init__(self) -> None:
        for name in ("sign_off_id", "model", "slot", "key_id"):
            check_line(getattr(self, name), f"{name} of a sign-off")
        check_count(self.version, "the version of a sign-off", low=1, high=INT_LIMIT)
        check_person_id(self.person_id)
        check_names(self.names)
        if (self.role, self.meaning) not in ACT_OF:
            legal = ", ".join(f"{role} {meaning}" for role, meaning in ACT_OF)
            raise InvalidInput(f"a sign-off is one of {legal}; not {self.role[:80]!r} {self.meaning[:80]!r}")
        if check_time(self.expires_at) <= check_time(self.at):
            raise InvalidInput(f"sign-off {self.sign_off_id} is given {format_time(self.at)}; it expires after that")

    @property
    def act(self) -> str:
        """The governed act that it is: "validate", "approve" or "accept-risk"."""
        return ACT_OF[self.role, self.meaning]

    @property
    def subject(self) -> tuple[str, int, str]:
        """What it is about: model, version, slot."""
        return self.model, self.version, self.slot

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "sign_off_id": self.sign_off_id,
            "model": self.model,
            "version": self.version,
            "slot": self.slot,
            "person_id": self.person_id,
            "role": self.role,
            "meaning": self.meaning,
            "names": dict(self.names),
            "key_id": self.key_id,
            "at": format_time(self.at),
            "expires_at": format_time(self.expires_at),
            "statement": dict(self.statement),
            "is_self": self.is_self,
        }


def sign_off_from_json(document: Json) -> SignOff:
    """Return what `SignOff.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "a sign-off", _FIELDS)
    return SignOff(
        sign_off_id=found.text("sign_off_id"),
        model=found.text("model"),
        version=found.number("version"),
        slot=found.text("slot"),
        person_id=found.text("person_id"),
        role=cast(Seat, found.text("role")),  # checked by SignOff, as the meaning
        meaning=cast(Meaning, found.text("meaning")),
        names=found.text_map("names"),
        key_id=found.text("key_id"),
        at=found.time("at"),
        expires_at=found.time("expires_at"),
        statement=found.document("statement"),
        is_self=found.flag("is_self"),
    )


def check_names(names: Mapping[str, str]) -> None:
    """Pass if these are digests of exactly bundle, evidence, policy and tier.

    Raises:
        InvalidInput: One lacks, is too many, or is no digest.
    """
    if names.keys() != set(NAMES):
        raise InvalidInput(f"a sign-off names exactly {', '.join(NAMES)} by digest, not {sorted(str(name)[:80] for name in names)}")
    for digest in names.values():
        parse_digest(digest)
