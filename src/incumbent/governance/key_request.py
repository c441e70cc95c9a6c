"""A request to bind a key: the holder's proof that the private half is theirs to use, which an admin's binding rests on.

The new key signs what names it, its person and the ledger. So nobody has a key bound that they do not hold, and a request counts
for no other person and in no other ledger.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import check_line, check_time, format_time, read_fields
from incumbent.governance.person import check_person_id

_PURPOSE = "incumbent: bind this key to this person"
_FIELDS = ("person_id", "public", "signature", "requested_at")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A person's request that a key be bound to them.

    Attributes:
        public: The key, "ed25519:" and base64.
        signature: Base64 of the key's signature over `possession_bytes`; the caller verifies it.

    Raises:
        InvalidInput: The person's id is malformed, or the signature is not 64 bytes in base64.
    """

    person_id: str
    public: str
    signature: str
    requested_at: datetime

    def __post_init__(self) -> None:
        check_person_id(self.person_id)
        check_line(self.public, "the key of a request")
        check_time(self.requested_at)
        if len(self.signature_bytes) != 64:
            raise InvalidInput(f"the proof that {self.person_id} holds a key is 64 bytes, not {len(self.signature_bytes)}")

    @property
    def signature_bytes(self) -> bytes:
        """The signature."""
        try:
            return base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"the proof that {self.person_id} holds a key is not base64: {error}") from error

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "person_id": self.person_id,
            "public": self.public,
            "signature": self.signature,
            "requested_at": format_time(self.requested_at),
        }


def key_request_from_json(document: Json) -> KeyRequest:
    """Return what `KeyRequest.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "a request to bind a key", _FIELDS)
    return KeyRequest(found.text("person_id"), found.text("public"), found.text("signature"), found.time("requested_at"))


def possession_bytes(*, log: str, person: str, public: str) -> bytes:
    """Return what a key signs to be bound: canonical JSON that names its purpose, the ledger, the person and the key.

    >>> possession_bytes(log="l-1", person="ann", public="ed25519:AA==").decode()
    '{"log":"l-1","person":"ann","public":"ed25519:AA==","purpose":"incumbent: bind this key to this person"}'
    """
    return document_bytes({"purpose": _PURPOSE, "log": log, "person": person, "public": public})
