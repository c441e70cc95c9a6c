"""Private keys as files: Ed25519 in PKCS #8, readable by their owner alone, beside their public halves.

The ledger's keys lie in the workspace; the keys of people lie in a folder of theirs, outside of every project, so that a person's
signature is not lying about in what is copied and shared.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.execution.private_files import read_private, write_new, write_private
from incumbent.ledger.note import key_name, key_text, parse_key

_LEDGER = re.compile(r"ledger(-[0-9]+)?", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class KeyFolder:
    """The `Keys` port on two folders.

    Args:
        ledger: Where keys named "ledger" and "ledger-N" are made: the workspace's own folder.
        personal: Where all others are made. Ledger keys are looked for here too, for a database that several machines share.
    """

    def __init__(self, *, ledger: Path, personal: Path) -> None:
        self._ledger = ledger
        self._personal = personal

    def make(self, name: str) -> bytes:
        """Make a key pair under a name and return the public key.

        Raises:
            InvalidInput: The name is not legal.
            Conflict: There is a key of this name.
            Unavailable: The folder cannot be written.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if _NAME.fullmatch(name) is None:
            raise InvalidInput(f"{name[:80]!r} cannot name a key: lower-case letters, digits, '.', '_' and '-', at most 64")
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        folder = self._ledger if _LEDGER.fullmatch(name) else self._personal
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(folder / f"{name}.key", private)
            write_new(folder / f"{name}.pub", f"{key_text(public)}\n".encode(), 0o644)
        except FileExistsError as error:
            raise Conflict(f"there is a key named {name!r} in {folder}; choose another name, or use that one") from error
        except OSError as error:
            raise Unavailable(f"the key cannot be written in {folder}: {error.strerror}") from error
        return public

    def find(self, name: str) -> bytes | None:
        """Return the public key under a name."""
        return self.list_names().get(name)

    def list_names(self) -> Mapping[str, bytes]:
        """Return name -> public key of all."""
        return {path.stem: _read_public(path) for path in self._list_public()}

    def sign(self, public: bytes, data: bytes) -> bytes:
        """Sign with the private half. Raises NotFound if it is not on this machine."""
        for path in self._list_public():
            if _read_public(path) == public:
                return read_private(path.with_suffix(".key")).sign(data)
        raise NotFound(
            f"the private half of key {key_name(public)} is not on this machine; it was looked for in {self._ledger} and "
            f"{self._personal} (INCUMBENT_KEYS names the second)"
        )

    def _list_public(self) -> list[Path]:
        return [*sorted(self._ledger.glob("*.pub")), *sorted(self._personal.glob("*.pub"))]


def _read_public(path: Path) -> bytes:
    try:
        return parse_key(path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError, InvalidInput) as error:
        raise Corrupt(f"{path} is no public key: {error}") from error
