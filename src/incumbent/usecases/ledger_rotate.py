"""The verb `ledger rotate`: a new key signs the ledger from now on, and the one that ruled until now vouches for it."""

from dataclasses import dataclass

from incumbent.base.errors import NotFound, Refused
from incumbent.ledger.entry import Entry
from incumbent.ledger.note import key_text
from incumbent.usecases.asked import asked
from incumbent.usecases.governed_ports import Keys
from incumbent.usecases.ledger_log import NO_LEDGER
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import LEDGER_KEY, attempting, check_acting, governed, record_act
from incumbent.usecases.workspace import Workspace

KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """What changed.

    Attributes:
        name: Of the new key, among this machine's.
        before: The old public key, as entries spell it.
        after: The new one.
    """

    entry: Entry
    name: str
    before: str
    after: str


@asked
def rotate_key(ws: Workspace, *, reason: str = "") -> Rotation:
    """Make a new ledger key; the checkpoint over the entry that says so is signed by both keys.

    The old private key stays where it is: destroying it, once the rotation is in, is the administrator's to do.

    Raises:
        NotFound: There is no ledger yet, or the private half of the key that rules is not on this machine.
        Refused: The actor may not.
    """
    with attempting(ws, act="rotate-key", kind="ledger", object_id=LEDGER_KEY), governed(ws) as tx:
        acting = check_acting(ws, tx, "rotate-key")
        if tx.ledger.size() == 0:
            raise NotFound(NO_LEDGER)
        before = _find_ruling(tx)
        name = _free_name(ws.keys)
        after = key_text(ws.keys.make(name))
        log = tx.ledger.get(0).log
        entry = record_act(
            ws, tx, act="rotate-key", kind="ledger", object_id=log, acting=acting, before=before, after=after, reason=reason
        )  # fmt: skip
    return Rotation(entry, name, before, after)


def _find_ruling(tx: Transaction) -> str:
    newest = next(iter(tx.ledger.find(act="rotate-key", limit=1)), None) or tx.ledger.get(0)
    return newest.draft.after


def _free_name(keys: Keys) -> str:
    taken = keys.list_names()
    for number in range(2, KEYS_MAX):
        if f"{LEDGER_KEY}-{number}" not in taken:
            return f"{LEDGER_KEY}-{number}"
    raise Refused(f"this machine holds {KEYS_MAX} ledger keys; move old ones away")
