"""Private keys as files: Ed25519 in PKCS #8, readable by their owner alone, beside their public halves.

The ledger's keys lie in the workspace; the keys of people lie in a folder of theirs, outside of every project, so that a person's
signature is not lying about in what is copied and shared.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.execution.private_files import read_private, write_new, write_private
from incumbent.ledger.note import key_name, key_text, parse_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LEDGER = re.compile(r"ledger(-[0-9]+)?", re.ASCII)
_Stamp = tuple[tuple[int, int, int, int] | None, tuple[int, int, int, int] | None]
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A key that was signed with, and what its two files were when they were read: each entry of the ledger asks for the same key."""

    path: Path
    stamp: _Stamp
    private: "Ed25519PrivateKey"


class KeyFolder:
    """The `Keys` port on two folders.

    Args:
        ledger: Where keys named "ledger" and "ledger-N" are made: the workspace's own folder.
        personal: Where all others are made. Ledger keys are looked for here too, for a database that several machines share.
    """

    def __init__(self, *, ledger: Path, personal: Path) -> None:
        self._ledger = ledger
        self._personal = personal
        self._read: dict[bytes, _Pair] = {}

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
        pair = self._read.pop(public, None)
        if pair is None or pair.stamp != _stamp(pair.path):
            pair = self._find_pair(public)
        self._read[public] = pair
        return pair.private.sign(data)

    def _find_pair(self, public: bytes) -> _Pair:
        for path in self._list_public():
            stamp = _stamp(path)  # before the files are read, so that what is written meanwhile is a change
            if _read_public(path) == public:
                return _Pair(path, stamp, read_private(path.with_suffix(".key")))
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


def _stamp(path: Path) -> _Stamp:
    """Return what changes when somebody writes, replaces or locks away one of the two files; None for one that is not there."""
    return _file_stamp(path), _file_stamp(path.with_suffix(".key"))


def _file_stamp(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
