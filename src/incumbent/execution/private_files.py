"""Private keys as files: PKCS #8, readable by their owner alone, encrypted where INCUMBENT_KEY_PASSPHRASE is set when they are made."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from incumbent.base.errors import Corrupt, InvalidInput, NotFound

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = "INCUMBENT_KEY_PASSPHRASE"  # noqa: S105 (the name of a variable)


def write_private(path: Path, private: "Ed25519PrivateKey") -> None:
    """Write a key into a file that must not be there yet. Raises FileExistsError, OSError."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

    passphrase = os.environ.get(PASSPHRASE, "")
    protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    write_new(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection), 0o600)


def read_private(path: Path) -> "Ed25519PrivateKey":
    """Return the key in a file.

    Raises:
        NotFound: There is none that can be read.
        InvalidInput: It is encrypted, and there is no passphrase.
        Corrupt: It is none, or its passphrase is another.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(f"private key {path} cannot be read: {error.strerror}") from error
    passphrase = os.environ.get(PASSPHRASE, "").encode() if b"ENCRYPTED" in data.partition(b"\n")[0] else None
    if passphrase == b"":
        raise InvalidInput(f"private key {path} is encrypted: put its passphrase into {PASSPHRASE}")
    try:
        private = load_pem_private_key(data, passphrase)
    except ValueError as error:
        raise Corrupt(f"{path} is no private key, or its passphrase is another: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Corrupt(f"{path} is no Ed25519 key")
    return private


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, whole or not at all, on the disk before this returns. Raises FileExistsError, OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    end = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            os.write(end, data)
            os.fsync(end)
        finally:
            os.close(end)
        os.link(draft, path)
    finally:
        draft.unlink()
