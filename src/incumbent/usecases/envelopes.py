"""Human acts that are signed where the person's key is, on another machine than the one that keeps the ledger.

    statement = prepare(ws, lambda ws: sign_off(ws, …))           judged as the act is, up to the signature; nothing is kept
    check_prepared(statement.payload, act=…, signer=…, …)         by the one who signs: is it what they asked for?
    envelope = assemble_envelope(payload, {key: signature})       where the key is
    bring(ws, envelope, lambda ws: sign_off(ws, …), salt=…)       the same act, on the envelope

Both ways run the use case that signs with a key of this machine, too. What it would have signed is put together anew from what holds at
that moment, and has to be what was signed, byte for byte; so a policy that was set in between, or evidence that was renewed, is another
statement. Only the id of what is made and the time of signing are taken from the envelope, and both are judged; and the salt behind which
long words are kept, which has to be forgotten when they are erased and so is no part of what is signed, comes back beside it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import get_act
from incumbent.governance.person import Key
from incumbent.ledger.entry import REASON_CHARACTERS_MAX, SALT_BYTES, commit, format_time
from incumbent.ledger.note import parse_key
from incumbent.ledger.primitives import AHEAD_MAX
from incumbent.ledger.statement import Statement, is_signed, parse_envelope, parse_statement
from incumbent.usecases.people import get_person, printed_name
from incumbent.usecases.person_keys import list_good_keys
from incumbent.usecases.workspace import Workspace

GOOD_FOR = timedelta(minutes=15)
"""How long a prepared statement may be brought back: its time says when it is signed, and has to be about right."""
_REST = ("log", "tenant", "meaning", "name_commitment", "at")
_NEW = "{kind} ({kind}-[0-9a-z]{{20}})"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be signed.

    Attributes:
        payload: The statement's exact bytes.
        statement: What they say.
        printed_name: The signer's, "" where none is kept.
        key_ids: The keys that it can be signed with.
        salt: Of the commitment to the signer's own words, where they are long; to be brought with the envelope. Empty otherwise.
    """

    payload: bytes
    statement: Statement
    printed_name: str
    key_ids: tuple[str, ...]
    salt: bytes

    @property
    def expires_at(self) -> datetime:
        """Until when it may be brought back."""
        return self.statement.at + GOOD_FOR


def prepare(ws: Workspace, do: Callable[[Workspace], object]) -> Prepared:
    """Return what somebody has to sign for an act.

    Args:
        ws: The workspace; its actor is the one who will sign.
        do: The act, on the workspace that it is given: one that is signed. Nothing of it stays.

    Raises:
        Refused: The act, or the actor's keys, would be refused; the attempt is recorded as one.
    """
    asking = _Asking(ws)
    try:
        do(replace(ws, signer=asking))
    except _Asked as asked:
        statement = parse_statement(asked.payload)
        with ws.store.begin(read_only=True) as tx:
            name = printed_name(tx, get_person(tx, statement.signer))
            keys = tuple(key.key_id for key in list_good_keys(tx, statement.signer))
        return Prepared(asked.payload, statement, name, keys, asking.salt() if statement.reason_commitment else b"")
    raise AssertionError("an act was prepared that takes no signature, and it is done")


def bring(ws: Workspace, envelope: Document, do: Callable[[Workspace], _T], *, salt: bytes = b"") -> _T:
    """Do an act on a statement that was signed elsewhere.

    Args:
        ws: The workspace; its actor has to be the signer.
        envelope: The DSSE envelope.
        do: The act, on the workspace that it is given.
        salt: That of `Prepared`.

    Raises:
        InvalidInput: It is no envelope of a statement, or the salt lacks that long words were signed with.
        Refused: It is not signed with a good key of theirs, says something else than would be signed now, is too old, or was used.
    """
    return do(replace(ws, signer=_Brought(ws, envelope, salt)))


def check_prepared(
    payload: bytes,
    *,
    act: str,
    signer: str,
    now: datetime,
    words: str = "",
    salt: bytes = b"",
    after: str | None = None,
    digests: Mapping[str, str] | None = None,
) -> Statement:
    """Return what a payload says, if it is what the one who signs asked for. To be called where the key is, before it signs.

    Args:
        payload: What somebody else says should be signed.
        act: What was asked for.
        signer: Oneself.
        now: By the clock here.
        words: One's own: comment, reason or resolution.
        salt: That of `Prepared`, where the words are long.
        after: Where the act leads, as "approved"; not looked at if it is None.
        digests: Digests that one knows, by name; each has to be among those that are signed.

    Raises:
        InvalidInput: It is no statement.
        Refused: It says something else.
    """
    found = parse_statement(payload)
    is_long = len(words) > REASON_CHARACTERS_MAX
    wanted: dict[str, str] = {
        "act": act, "meaning": get_act(act).meaning, "signer": signer, "reason": "" if is_long else words,
        "reason_commitment": commit(words.encode("utf-8", "replace"), salt) if is_long else "",
    }  # fmt: skip
    if after is not None:
        wanted["after"] = after
    said: dict[str, str | None] = {name: getattr(found, name) for name in wanted}
    for name, digest in (digests or {}).items():
        wanted[name], said[name] = digest, found.digests.get(name, "nothing")
    strange = next((name for name in wanted if wanted[name] != said[name]), None)
    if strange is not None:
        raise Refused(
            f"what should be signed says {strange} {said[strange]!r:.200}, and {wanted[strange]!r:.200} was asked for: do not sign"
        )
    if abs(found.at - now) > AHEAD_MAX:
        raise Refused(f"what should be signed has the time {format_time(found.at)}, and here it is {format_time(now)}: look at both clocks")
    return found


class _Asked(Exception):
    """Carries what is to be signed out of the transaction in which it was judged, so that nothing of that stays."""

    def __init__(self, payload: bytes) -> None:
        super().__init__("this is to be signed")
        self.payload = payload


class _Asking:
    """The `Signer` port of whoever wants to know what to sign."""

    def __init__(self, ws: Workspace) -> None:
        self._ids = ws.ids
        self._at = ws.clock.now()
        self._salt = ws.ids.salt()

    def new_id(self, kind: str) -> str:
        """Return a fresh one."""
        return self._ids.new(kind)

    def signed_at(self) -> datetime:
        """Return the time of now, the same each time that it is asked for."""
        return self._at

    def salt(self) -> bytes:
        """Return a fresh one, the same each time that it is asked for."""
        return self._salt

    def choose(self, keys: Sequence[Key]) -> Key:
        """Return the newest: which one signs is seen in the envelope, and judged again."""
        return keys[-1]

    def sign(self, payload: bytes, _key: Key, /) -> Document:
        """Leave, with what is to be signed."""
        raise _Asked(payload)


class _Brought:
    """The `Signer` port of whoever brings an envelope."""

    def __init__(self, ws: Workspace, envelope: Document, salt: bytes) -> None:
        self._envelope, self._salt = envelope, salt
        self._now = ws.clock.now()
        self._payload, self._key_id, self._signature = parse_envelope(envelope)
        self._statement = parse_statement(self._payload)

    def new_id(self, kind: str) -> str:
        """Return the id that was signed. Raises Refused."""
        found = re.fullmatch(_NEW.format(kind=re.escape(kind)), self._statement.object_name, re.ASCII)
        if found is None:
            raise Refused(f"what was signed is about {self._statement.object_name!r:.120}, and this makes a new {kind}")
        return found[1]

    def signed_at(self) -> datetime:
        """Return when it was signed. Raises Refused where that is not about now."""
        at = self._statement.at
        told = f"it is signed for {format_time(at)}, and it is {format_time(self._now)} now"
        if at > self._now + AHEAD_MAX:
            raise Refused(f"{told}: nobody signs in the future; have another one prepared")
        if at < self._now - GOOD_FOR:
            raise Refused(f"{told}: a prepared statement is good for {GOOD_FOR.seconds // 60} minutes; have another one prepared")
        return at

    def salt(self) -> bytes:
        """Return the one that came with the envelope. Raises InvalidInput."""
        if len(self._salt) != SALT_BYTES:
            raise InvalidInput(
                f"words of more than {REASON_CHARACTERS_MAX} characters are signed by their commitment: bring its salt too, the "
                f"{SALT_BYTES} bytes that came with what was to be signed"
            )
        return self._salt

    def choose(self, keys: Sequence[Key]) -> Key:
        """Return the key that signed. Raises Refused."""
        found = next((key for key in keys if key.key_id == self._key_id), None)
        if found is None:
            good = ", ".join(key.key_id for key in keys)
            raise Refused(
                f"it is signed with key {self._key_id[:80]!r}, which is none of {keys[0].person_id} that is good; those are {good}"
            )
        return found

    def sign(self, payload: bytes, key: Key, /) -> Document:
        """Return the envelope, if it is signed with this key and over this very payload. Raises Refused."""
        if not is_signed(self._payload, parse_key(f"ed25519:{key.public}"), self._signature):
            raise Refused(f"the envelope is not signed with key {key.key_id}: what it holds was changed, or signed by somebody else")
        if payload != self._payload:
            raise Refused(f"{_tell_difference(self._statement, parse_statement(payload))}; have another one prepared")
        return self._envelope


def _tell_difference(signed: Statement, now: Statement) -> str:
    for name in sorted({*signed.digests, *now.digests}):
        was, is_now = signed.digests.get(name, "nothing"), now.digests.get(name, "nothing")
        if was != is_now:
            return f"what was signed names the {name} {was:.90}, and it is {is_now:.90} now"
    for name in ("act", "signer", "object_name", "before", "after", "reason", "reason_commitment", *_REST):
        was, is_now = getattr(signed, name), getattr(now, name)
        if was != is_now:
            return f"what was signed says {name.replace('_', ' ')} {was!s:.120}, and this says {is_now!s:.120}"
    return "what was signed says the same in other bytes than these are written in"
