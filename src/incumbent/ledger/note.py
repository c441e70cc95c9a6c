"""Checkpoints as signed notes (C2SP tlog-checkpoint and signed-note): what is signed, and how a signature is written beside it.

    ORIGIN
    SIZE
    BASE64(ROOT)
    <empty line>
    — NAME BASE64(key hash, signature)

A person can read it, copy it into a mail, and hold it against the ledger a year later.
"""

import base64
import hashlib
from collections.abc import Iterable

from incumbent.base.errors import InvalidInput
from incumbent.ledger.primitives import WEAK, is_weak

_ED25519, _COSIGNATURE = 0x01, 0x04


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """Return what a checkpoint says; these bytes are signed."""
    if not origin or any(character.isspace() or character == "+" for character in origin):
        raise InvalidInput(f"{origin!r} cannot name a ledger: no spaces, no plus sign, not empty")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def key_hash(name: str, public: bytes, *, is_cosigner: bool = False) -> bytes:
    """Return the four bytes by which a signature line names its Ed25519 key."""
    kind = _COSIGNATURE if is_cosigner else _ED25519
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def signature_line(name: str, public: bytes, signature: bytes) -> str:
    """Return the line of an Ed25519 signature of a note's body."""
    return f"— {name} {base64.b64encode(key_hash(name, public) + signature).decode()}\n"


def cosigned_bytes(body: bytes, at_s: int) -> bytes:
    """Return what a witness signs (C2SP tlog-cosignature/v1): when it saw the checkpoint, and the checkpoint."""
    return b"cosignature/v1\ntime %d\n" % at_s + body


def cosignature_line(name: str, public: bytes, at_s: int, signature: bytes) -> str:
    """Return the line of a witness's cosignature."""
    blob = key_hash(name, public, is_cosigner=True) + at_s.to_bytes(8, "big") + signature
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def write_note(body: bytes, lines: Iterable[str]) -> str:
    """Return the whole note."""
    return body.decode() + "\n" + "".join(lines)


def key_text(public: bytes) -> str:
    """Return a public key as entries spell it.

    >>> key_text(bytes(32))
    'ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
    """
    return "ed25519:" + base64.b64encode(public).decode()


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of a public key as entries spell it.

    Raises:
        InvalidInput: `text` has another form.
    """
    kind, _, encoded = text.partition(":")
    try:
        public = base64.b64decode(encoded, validate=True)
    except ValueError:
        public = b""
    if kind != "ed25519" or len(public) != 32:
        raise InvalidInput(f"{text[:80]!r} is no public key; expected ed25519: and 32 bytes in base64")
    if is_weak(public):
        raise InvalidInput(f"{text[:80]!r} {WEAK}")
    return public


def key_name(public: bytes) -> str:
    """Return the short name of a key: what people compare, and what a DSSE signature carries as `keyid`."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:16]
