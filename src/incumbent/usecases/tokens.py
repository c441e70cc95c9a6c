"""The verbs on API tokens. A token acts as its owner and may never do more than its owner may at that moment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.governance.fields import check_line
from incumbent.governance.person import Person
from incumbent.usecases.account_entries import TOKEN, account_time, describe_token, tell
from incumbent.usecases.account_ports import Token
from incumbent.usecases.bearer import TOKEN_PREFIX, hash_secret, new_secret
from incumbent.usecases.people import get_person
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, find_acting, governed
from incumbent.usecases.rights import check_scope
from incumbent.usecases.workspace import Workspace

DAYS = 90
DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made.

    Attributes:
        secret: To be shown once; it cannot be had again.
    """

    token: Token
    secret: str


def new_token(ws: Workspace, *, name: str, person: str = "", scope: Collection[str] = ("write",), days: int = DAYS) -> NewToken:
    """Make a token for oneself, or for a service that one answers for.

    Nobody makes one for another person, an admin neither: it would speak in that person's name.

    Args:
        ws: The workspace.
        name: What it is for.
        person: Whose it is to be; the actor's by default.
        scope: `read`, `write` or `admin`, or rights by name.
        days: For how long it is good, 1 to 366.

    Raises:
        InvalidInput: The scope, name or number of days is not legal.
        NotFound: There is no such person or service.
        Refused: Nobody is registered, or it would be somebody else's.
    """
    rights = check_scope(scope)
    if isinstance(days, bool) or not 1 <= days <= DAYS_MAX:
        raise InvalidInput(f"a token is good for 1 to {DAYS_MAX} days, not {days}")
    check_line(name, "the token's name")
    secret = new_secret(ws, TOKEN_PREFIX)
    with attempting(ws, act="make-token", kind="token", object_id=person or ws.actor), governed(ws) as tx:
        acting = _find_person_acting(ws, tx)
        owner = get_person(tx, person or acting.actor)
        if not owner.is_active:
            raise Refused(f"{owner.person_id} is not active, so a token of theirs would let nobody in")
        if owner.kind == "service" and not get_person(tx, owner.owner).is_active:
            raise Refused(f"{owner.owner}, who answers for {owner.person_id}, is not active: give the service another owner first")
        if not _is_theirs(acting, owner):
            raise Refused(
                f"{acting.actor} cannot make a token for {owner.person_id}: it would speak in their name; they make it, or for a service "
                "its owner or an admin"
            )
        now = account_time(ws, tx)
        token = Token(
            ws.ids.new("token"), hash_secret(secret) or "", owner.person_id, name, rights, now, now + timedelta(days=days), acting.actor
        )
        tell(ws, tx, act="make-token", acting=acting, at=now, kind=TOKEN, object_id=token.token_id, body=describe_token(token))
        tx.tokens.add(token)
    return NewToken(token, secret)


def list_tokens(ws: Workspace, *, everybodys: bool = False) -> Sequence[Token]:
    """Return one's own tokens and those of one's services, or with `everybodys` all of them (for an admin), newest first.

    Raises:
        Refused: The actor is nobody here, or no admin and asks for everybody's.
    """
    with ws.store.begin(read_only=True) as tx:
        acting = _find_person_acting(ws, tx)
        if everybodys and "admin" not in acting.roles:
            raise Refused(f"{acting.actor} is no admin, and sees their own tokens only")
        found = tx.tokens.list_all()
        return [token for token in found if everybodys or _is_theirs(acting, get_person(tx, token.person_id), is_own=True)]


def revoke_token(ws: Workspace, *, token: str) -> Token:
    """End a token at once: one's own, of a service that one answers for, or as an admin anybody's.

    Args:
        ws: The workspace.
        token: Its id, "token-…", or the token itself.

    Raises:
        NotFound: There is no such token.
        Refused: It is somebody else's, or was revoked already.
    """
    with ws.store.begin(read_only=True) as tx:
        _find_person_acting(ws, tx)
        digest = hash_secret(token)
        named = tx.tokens.find(digest) if digest else None
        named = named or next((known for known in tx.tokens.list_all() if known.token_id == token), None)
    if named is None:
        raise NotFound("there is no such token; `incumbent tokens ls` lists their ids")
    # What was given can be the token itself, so an attempt is recorded by the id alone.
    with attempting(ws, act="revoke-token", kind="token", object_id=named.token_id), governed(ws) as tx:
        acting = _find_person_acting(ws, tx)
        found = tx.tokens.find(named.secret_hash)
        assert found is not None
        if "admin" not in acting.roles and not _is_theirs(acting, get_person(tx, found.person_id)):
            raise Refused(f"{found.token_id} belongs to {found.person_id}; they or an admin can revoke it")
        if found.revoked_at is not None:
            raise Refused(f"{found.token_id} is revoked already, since {found.revoked_at:%Y-%m-%d %H:%M:%S} UTC")
        at = account_time(ws, tx)
        revoked = replace(found, revoked_at=at)
        tell(ws, tx, act="revoke-token", acting=acting, at=at, kind=TOKEN, object_id=revoked.token_id, body=describe_token(revoked))
        tx.tokens.revoke(found.token_id, at)
    return revoked


def _find_person_acting(ws: Workspace, tx: Transaction) -> Acting:
    acting = find_acting(ws, tx)
    if acting.person is None:
        raise Refused("tokens are for people who are registered, and nobody is: `incumbent users add ID --name NAME --role admin` first")
    return acting


def _is_theirs(acting: Acting, owner: Person, *, is_own: bool = False) -> bool:
    """Whether a token of `owner` is for this actor to make (or, with `is_own`, to see)."""
    if owner.person_id == acting.actor:
        return True
    return owner.kind == "service" and (owner.owner == acting.actor or ("admin" in acting.roles and not is_own))
