"""The keys that a request from outside may use: the ledger's own, and nobody's personal one.

The private keys of people who work on the server's machine lie there too. A token or a session shows who somebody is; it is not
their signature, and must not become one because their key happens to be here. What they signed elsewhere comes as an envelope.
"""

from collections.abc import Mapping
from typing import NoReturn

from incumbent.base.errors import Refused
from incumbent.usecases.governed_ports import Keys
from incumbent.usecases.recording import LEDGER_KEY


class LedgerKeyAlone:
    """The `Keys` port, for whoever asks over HTTP."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def make(self, name: str) -> bytes:
        """Make the ledger's key pair."""
        return self._keys.make(name) if name == LEDGER_KEY else _refuse()

    def find(self, name: str) -> bytes | None:
        """Return the ledger's public key."""
        return self._keys.find(name) if name == LEDGER_KEY else _refuse()

    def list_names(self) -> Mapping[str, bytes]:
        """Refuse: it is asked for to sign in a person's name."""
        _refuse()

    def sign(self, public: bytes, data: bytes) -> bytes:
        """Sign with the ledger's key."""
        return self._keys.sign(public, data) if public == self._keys.find(LEDGER_KEY) else _refuse()


def _refuse() -> NoReturn:
    raise Refused(
        "this act is signed with a person's own key, which never comes to a server: being logged in, or a token, is not a signature. "
        "Sign where the key is: what is to be signed is at this address with /statement after it, and the signed envelope comes back in "
        "the body as `envelope`; or use `incumbent` on that machine, with this workspace"
    )
