"""What the ledger says of tokens and passwords: the entry of each change, and whether the rows that are there are the ones it tells of.

An entry's document says who, what and until when. Of a token it has the SHA-256 that the store has too, so that a row in which another
secret was put is seen; of a password nothing, for its hash is worth guessing at. Ledgers that were begun before the acts on accounts were
told name what was there, once, when the first of them is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from incumbent.base.documents import Document, Json
from incumbent.governance.fields import format_time
from incumbent.ledger.entry import Entry
from incumbent.usecases.account_ports import Account, Token
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import ACCOUNTS_TOLD, Acting, record_act
from incumbent.usecases.workspace import Workspace

TOKEN, ACCOUNT = "token", "account"
"""Kinds of documents."""
_ADOPTED = "accounts"


def account_time(ws: Workspace, tx: Transaction) -> datetime:
    """Return when a change of an account is: now, or when the newest entry was; a clock that was put back must not keep a token alive."""
    now, size = ws.clock.now(), tx.ledger.size()
    return max(now, tx.ledger.get(size - 1).at) if size else now


def tell(ws: Workspace, tx: Transaction, *, act: str, acting: Acting, at: datetime, kind: str, object_id: str, body: Document) -> Entry:
    """Append the entry of an act on an account, before the change is made.

    Args:
        ws: The workspace.
        tx: The transaction that holds the change; the ledger's turn is taken in it.
        act: From the table of acts.
        acting: Who acts.
        at: When, from `account_time`.
        kind: What is acted on.
        object_id: Which one.
        body: What holds from now on, of the person whose it is; never a secret.
    """
    _adopt(ws, tx, acting, at)
    return record_act(ws, tx, act=act, kind=kind, object_id=object_id, acting=acting, body=body, at=at)


def _adopt(ws: Workspace, tx: Transaction, acting: Acting, at: datetime) -> None:
    if tx.ledger.size() == 0 or _is_told(tx.records.list_history("ledger")) or tx.records.find(_ADOPTED, _ADOPTED) is not None:
        return
    body: Document = {
        "tokens": [describe_token(token) for token in reversed(tx.tokens.list_all())],
        "accounts": [describe_account(account.person_id, account.changed_at) for account in tx.accounts.list_all()],
    }
    record_act(ws, tx, act="adopt-accounts", kind=_ADOPTED, object_id=_ADOPTED, acting=acting, body=body, at=at)


def _is_told(records: Sequence[Record]) -> bool:
    return any(record.kind == "ledger" and record.body.get(ACCOUNTS_TOLD) is True for record in records)


def describe_token(token: Token) -> Document:
    """Return what the ledger says of a token."""
    return {
        "token": token.token_id, "person": token.person_id, "name": token.name, "scope": [*token.scope], "secret_sha256": token.secret_hash,
        "made_at": format_time(token.made_at), "expires_at": format_time(token.expires_at), "made_by": token.made_by,
        "revoked_at": None if token.revoked_at is None else format_time(token.revoked_at),
    }  # fmt: skip


def describe_account(person: str, changed_at: datetime) -> Document:
    """Return what the ledger says of a password."""
    return {"person": person, "password_set_at": format_time(changed_at)}


def compare_accounts(tokens: Sequence[Token], accounts: Sequence[Account], documents: Sequence[Record]) -> tuple[int, list[str]]:
    """Return how many tokens and passwords were compared with the documents of the ledger's entries, and each difference in words.

    In a ledger that was begun before they were told, and in which nobody has acted on an account since, nothing says what must be there.
    """
    adopted = next((record.body for record in documents if record.kind == _ADOPTED), None)
    if adopted is None and not _is_told(documents):
        return 0, []
    tokens_told = _told(documents, TOKEN, adopted, "tokens", "token")
    accounts_told = _told(documents, ACCOUNT, adopted, "accounts", "person")
    tokens_found = {token.token_id: describe_token(token) for token in tokens}
    accounts_found = {account.person_id: describe_account(account.person_id, account.changed_at) for account in accounts}
    differences = [*_differences("token", tokens_told, tokens_found), *_differences("password of", accounts_told, accounts_found)]
    return len(tokens_found) + len(accounts_found), differences


def _told(documents: Sequence[Record], kind: str, adopted: Document | None, listed: str, name: str) -> dict[str, Mapping[str, Json]]:
    before = adopted.get(listed) if adopted is not None else None
    told: dict[str, Mapping[str, Json]] = {}
    for one in before if isinstance(before, list) else []:
        if isinstance(one, dict):
            told[str(one.get(name))] = one
    return told | {record.record_id: record.body for record in documents if record.kind == kind}  # oldest first: the newest holds


def _differences(what: str, told: Mapping[str, Mapping[str, Json]], found: Mapping[str, Document]) -> list[str]:
    differences = [f"{what} {name} is in the database, and no entry explains it" for name in found if name not in told]
    for name, document in told.items():
        if name not in found:
            differences.append(f"{what} {name} is in the ledger, and not in the database")
            continue
        differences += [
            f"{what} {name}: {field} is {value!r} in the database, {document.get(field)!r} in the ledger"
            for field, value in found[name].items()
            if document.get(field) != value
        ]
    return differences
