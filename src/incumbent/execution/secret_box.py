"""Secrets that this machine has to have again, sealed by a key that lies beside the ledger's: AES-256-GCM, with a new nonce each time."""

import base64
import binascii
import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from incumbent.base.errors import Corrupt, Refused, Unavailable
from incumbent.execution.private_files import read_private, write_private

FILE = "secrets.key"
_FORM = "sealed-1"
_NONCE_BYTES = 12
_LABEL = b"incumbent sealed secrets 1"


class SecretBox:
    """The `Secrets` port.

    The file is one as the ledger's is, so that the same passphrase protects it; what seals is derived from it (HKDF-SHA256).

    Args:
        folder: The workspace's own folder of keys.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def seal(self, secret: str, about: str) -> str:
        """Return a text from which this machine alone gets the secret again, for the same purpose alone. Makes the key if there is none.

        Raises:
            Unavailable: The key cannot be written.
            InvalidInput, Corrupt: It cannot be read.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, key = self._key if self._path.exists() else self._make()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, secret.encode(), about.encode())
        return f"{_FORM} {name} {base64.b64encode(nonce + sealed).decode('ascii')}"

    def unseal(self, text: str, about: str) -> str:
        """Return the secret.

        Raises:
            Corrupt: The text is none that was sealed for this purpose.
            Refused: It was sealed by a key that is not on this machine.
            InvalidInput: The key is encrypted, and there is no passphrase.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        form, _, rest = text.partition(" ")
        wanted, _, encoded = rest.partition(" ")
        if form != _FORM:
            raise Corrupt(f"the secret of {about} is not sealed as this version seals; it was written by another program")
        if not self._path.exists() or self._key[0] != wanted:
            raise Refused(f"the secret of {about} is sealed by key {wanted[:40]!r}, and another one or none is in {self._path}")
        try:
            data = base64.b64decode(encoded, validate=True)
            return AESGCM(self._key[1]).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], about.encode()).decode()
        except (binascii.Error, ValueError, InvalidTag):
            raise Corrupt(f"the secret of {about} was not sealed for it: the database was changed by another program") from None

    @cached_property
    def _key(self) -> tuple[str, bytes]:
        """Its public name, and what seals; read once, for an encrypted file is slow to read."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        seed = read_private(self._path).private_bytes_raw()
        derived = HKDF(SHA256(), length=40, salt=None, info=_LABEL).derive(seed)
        return derived[32:].hex(), derived[:32]

    def _make(self) -> tuple[str, bytes]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):  # of two at once the first decides
                write_private(self._path, Ed25519PrivateKey.generate())
        except OSError as error:
            raise Unavailable(f"the key {self._path} cannot be written: {error.strerror}") from error
        return self._key
