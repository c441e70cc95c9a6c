"""Witnesses of the ledger: whose keys count when a tier asks that the ledger be cosigned from a second place, and who answers for each.

A name is typed by whoever cosigns, so it proves nothing. A key that an admin registered is counted, once, for one person who answers for
it; and not for anybody's own work, nor where the key, or who answers for it, stands here on the word of somebody whose work it is
(`incumbent.governance.vouching`).
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import check_line, check_time, format_time, read_fields
from incumbent.governance.independence import Authorship, authors
from incumbent.governance.person import Person, check_person_id, index_people
from incumbent.governance.vouching import Vouching, find_author, follow, list_vouchers, tell_voucher

_NAME = re.compile(r"[^\s+]{1,128}")
_FIELDS = ("key_id", "name", "public", "owner", "added_at", "added_by", "revoked_at")


@dataclass(frozen=True, slots=True)
class Witness:
    """A registered key of a witness.

    Attributes:
        key_id: Short name of the key.
        name: In the lines that it signs, and in its verifier key.
        public: Base64 of the 32 raw bytes of an Ed25519 public key.
        owner: Who answers for it: id of a person or service.
        added_by: Who registered it.
        revoked_at: Since when nothing that it signed is counted; None while it counts.

    Raises:
        InvalidInput: A name is malformed, the key is not 32 bytes in plain base64, or it was revoked before it was registered.
    """

    key_id: str
    name: str
    public: str
    owner: str
    added_at: datetime
    added_by: str
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        check_line(self.key_id, "a witness's key id")
        check_person_id(self.owner, "the owner of a witness")
        check_line(self.added_by, "who registered a witness")
        if _NAME.fullmatch(check_line(self.name, "a witness's name")) is None:
            raise InvalidInput(f"{self.name[:80]!r} cannot name a witness: no spaces, no plus sign, at most 128 characters")
        try:
            raw = base64.b64decode(self.public, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"the key of witness {self.name} is not base64: {error}") from error
        if len(raw) != 32 or base64.b64encode(raw).decode() != self.public:
            raise InvalidInput(f"the key of witness {self.name} is not the base64 of 32 bytes, as an Ed25519 public key is")
        if self.revoked_at is not None and check_time(self.revoked_at) < check_time(self.added_at):
            raise InvalidInput(f"witness {self.name} cannot be revoked before it was registered, {format_time(self.added_at)}")
        check_time(self.added_at)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the public key."""
        return base64.b64decode(self.public)

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "key_id": self.key_id, "name": self.name, "public": self.public, "owner": self.owner,
            "added_at": format_time(self.added_at), "added_by": self.added_by,
            "revoked_at": None if self.revoked_at is None else format_time(self.revoked_at),
        }  # fmt: skip


def witness_from_json(document: Json) -> Witness:
    """Return what `Witness.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    fields = read_fields(document, "a witness", _FIELDS)
    key_id, name, public, owner = (fields.text(field) for field in _FIELDS[:4])
    return Witness(key_id, name, public, owner, fields.time("added_at"), fields.text("added_by"), fields.find_time("revoked_at"))


def find_bar(witness: Witness, people: Iterable[Person], vouching: Vouching, authorships: Iterable[Authorship] = ()) -> str:
    """Return why a witness's cosignature does not count for a version with these authors, "" if it counts.

    Args:
        witness: The witness.
        people: Everybody who is known.
        vouching: Who stands behind whom.
        authorships: Who had a part in the version.

    Raises:
        InvalidInput: The people do not fit together.
    """
    everyone = tuple(people)
    directory, made_it = index_people(everyone), authors(authorships, everyone)
    owner = directory.find(directory.accountable(witness.owner))
    if witness.revoked_at is not None:
        return f"its key {witness.key_id} was revoked"
    if owner is None or not owner.is_active:
        return f"{witness.owner}, who answers for it, is not active here"
    if owner.person_id in made_it:
        return f"{owner.person_id}, who answers for it, had a part in the version"
    registered = follow(vouching, witness.added_by, f"registered its key {witness.key_id}")
    voucher = find_author([*registered, *list_vouchers(vouching, owner.person_id)], made_it, directory)
    return tell_voucher(voucher, "the version") if voucher is not None else ""


def count_witnesses(seen: Iterable[Witness], people: Iterable[Person], vouching: Vouching, authorships: Iterable[Authorship]) -> int:
    """Return by how many witnesses something was seen: one for each person who answers for any that counts.

    Args:
        seen: The witnesses whose keys are proven to have signed for it.
        people: Everybody who is known.
        vouching: Who stands behind whom.
        authorships: Who had a part in what is asked about.

    Raises:
        InvalidInput: The people do not fit together.
    """
    everyone, works = tuple(people), tuple(authorships)
    directory = index_people(everyone)
    return len({directory.accountable(witness.owner) for witness in seen if not find_bar(witness, everyone, vouching, works)})
