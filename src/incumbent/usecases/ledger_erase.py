"""The verb `ledger erase`: erase a text that stands outside of its entries. The entries, and the proof that it was there, stay."""

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.ledger.entry import Entry
from incumbent.usecases.asked import asked
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.workspace import Workspace


@asked
def erase_text(ws: Workspace, *, commitment: str, reason: str) -> Entry:
    """Erase a text and its salt for ever, and record that it was done.

    What remains is a commitment that nobody can test guesses against. Copies elsewhere (backups, exports) are not reached.

    Args:
        ws: The workspace; its actor is recorded.
        commitment: "sha256:…", as `ledger show` names it.
        reason: Why; it must not repeat what is erased.

    Raises:
        InvalidInput: There is no reason.
        NotFound: No text is kept behind the commitment.
        Refused: The actor may not.
    """
    if not reason.strip():
        raise InvalidInput("erasing needs a reason, which stays in the ledger; it must not repeat what is erased")
    with attempting(ws, act="erase", kind="payload", object_id=commitment[:80]), governed(ws) as tx:
        acting = check_acting(ws, tx, "erase")
        if not any(payload.commitment == commitment for payload in tx.payloads.list_all()):
            raise NotFound(f"no text is kept behind {commitment[:80]!r}; `incumbent ledger show SEQ` names the commitments of an entry")
        entry = record_act(ws, tx, act="erase", kind="payload", object_id=commitment, acting=acting, reason=reason)
        tx.payloads.erase(commitment)
    return entry
