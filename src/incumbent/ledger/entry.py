"""An entry: the exact bytes of one governance act, as the ledger keeps them.

The bytes are written once and never built again: what is hashed is what is stored. Their form is a subset of JCS (RFC 8785):
UTF-8 JSON with sorted keys and no white space, whole numbers below 2**53, no floats, so that any JSON library reads them and
no two spellings of one entry exist. Fields:

    v 1 · log the ledger's name · tenant · seq from 0 · at RFC 3339, UTC, microseconds
    actor {id, kind, auth} · roles · act · object {kind, id, digest} · refs {name: digest or seq} · from · to · reason
    payloads {name: commitment} · statement (a DSSE envelope signed by the actor's own key) or null

The tenant stands inside, so an entry cannot be moved to another one unseen. Personal data and long text stand outside, behind a
salted commitment (`commit`): erased there, the entry still verifies.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt, InvalidInput

VERSION = 1
INT_LIMIT = 2**53
SALT_BYTES = 32
REASON_CHARACTERS_MAX = 280
"""A reason up to this length stands in the entry itself; a longer one goes behind a commitment."""

ActorKind = Literal["person", "service"]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "v": int, "log": str, "tenant": str, "seq": int, "at": str, "actor": dict, "roles": list, "act": str, "object": dict, "refs": dict,
    "from": str, "to": str, "reason": str, "payloads": dict, "statement": (dict, type(None)),
}  # fmt: skip
_HOW_KNOWN = {
    "os": "by the name of the account that ran it",
    "token": "by a token",
    "session": "by a log-in",
    "single-user": "whoever reached the port: single-user mode",
}
_ACTOR_FIELDS, _OBJECT_FIELDS = {"id", "kind", "auth"}, {"kind", "id", "digest"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        actor_id: A pseudonym such as "ann"; the printed name is personal data and is not here.
        auth: How we know: "os" (the account that ran the command has that name), "named:ACCOUNT" (that account said so, and showed
            nothing: INCUMBENT_ACTOR), "token" or "session" (what a server was shown), "single-user" (nothing was). Before
            2026-11-26 "os" stood for all of these. A signed act has its statement beside it, which shows more.
    """

    actor_id: str
    kind: ActorKind = "person"
    auth: str = "os"

    @property
    def how_known(self) -> str:
        """Return in words how it is known who acted.

        >>> Actor("ann", auth="named:root").how_known, Actor("ann").how_known
        ('named by the account root', 'by the name of the account that ran it')
        """
        kind, _, account = self.auth.partition(":")
        if kind == "named":
            return f"named by the account {account}"
        return _HOW_KNOWN.get(self.auth, f"known by {self.auth}")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What is acted on: "version flights-late@2", with the digest of what it is from now on."""

    kind: str
    object_id: str
    digest: str | None = None

    @property
    def name(self) -> str:
        """Return kind and id in one text, as the store indexes it."""
        return f"{self.kind} {self.object_id}"


@dataclass(frozen=True, slots=True)
class Draft:
    """An act as its use case describes it, before the ledger gives it a place and a time.

    Attributes:
        refs: What it rests on: name -> digest, or the number of an earlier entry in decimals.
        before: Where the object came from ("Staging"), "" if nowhere.
        after: Where it went.
        payloads: Name -> commitment of text that is kept outside.
        statement: The DSSE envelope of a human act.
    """

    act: str
    object: ObjectRef
    actor: Actor
    roles: tuple[str, ...] = ()
    refs: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    after: str = ""
    reason: str = ""
    payloads: Mapping[str, str] = field(default_factory=dict)
    statement: Document | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in its place.

    Attributes:
        log: Name of the ledger.
        seq: Its number, from 0.
        body: The exact bytes.
    """

    log: str
    tenant: str
    seq: int
    at: datetime
    draft: Draft
    body: bytes


def encode_entry(draft: Draft, *, log: str, tenant: str, seq: int, at: datetime) -> Entry:
    """Return the entry with its bytes.

    Raises:
        InvalidInput: Something in it has no place in an entry: a float, a huge number, a malformed name, a lone surrogate.
    """
    document: Document = {
        "v": VERSION,
        "log": log,
        "tenant": tenant,
        "seq": seq,
        "at": format_time(at),
        "actor": {"id": draft.actor.actor_id, "kind": draft.actor.kind, "auth": draft.actor.auth},
        "roles": [*sorted(draft.roles)],
        "act": draft.act,
        "object": {"kind": draft.object.kind, "id": draft.object.object_id, "digest": draft.object.digest},
        "refs": dict(draft.refs),
        "from": draft.before,
        "to": draft.after,
        "reason": draft.reason,
        "payloads": dict(draft.payloads),
        "statement": draft.statement,
    }
    _check(document)
    try:
        body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"an entry cannot hold this: {error}") from error
    return Entry(log, tenant, seq, at, draft, body)


def parse_entry(body: bytes) -> Entry:
    """Return the entry that these bytes spell.

    Raises:
        Corrupt: They are no entry of a form that we read.
    """
    try:
        document = _DECODER.decode(body.decode("utf-8"))
        _check(document)
        actor, thing = document["actor"], document["object"]
        draft = Draft(
            act=document["act"],
            object=ObjectRef(thing["kind"], thing["id"], thing["digest"]),
            actor=Actor(actor["id"], actor["kind"], actor["auth"]),
            roles=tuple(document["roles"]),
            refs=document["refs"],
            before=document["from"],
            after=document["to"],
            reason=document["reason"],
            payloads=document["payloads"],
            statement=document["statement"],
        )
        return Entry(document["log"], document["tenant"], document["seq"], parse_time(document["at"]), draft, body)
    except (InvalidInput, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"these {len(body)} bytes are no ledger entry: {error}") from error


def commit(text: bytes, salt: bytes) -> str:
    """Return the salted commitment of a text that is kept outside of the entry.

    Without the salt nobody can test guesses against it, so erasing text and salt erases what it says.

    >>> commit(b"Ann Lee", bytes(32))[:23]
    'sha256:6c3bf09693ba5e40'
    """
    if len(salt) != SALT_BYTES:
        raise InvalidInput(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return "sha256:" + hashlib.sha256(b"incumbent-payload-v1\0" + salt + text).hexdigest()


def format_time(at: datetime) -> str:
    """Return a time as entries spell it.

    >>> format_time(datetime(2026, 11, 25, 14, 0, tzinfo=UTC))
    '2026-11-25T14:00:00.000000Z'
    """
    if at.tzinfo is None:
        raise InvalidInput(f"time {at} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Return the time that `format_time` wrote. Raises ValueError for any other spelling."""
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no time as entries spell it")
    return datetime.fromisoformat(text)  # strptime takes ten times as long, and every reader of an entry passes here


def _without_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
"""Made once: `json.loads` with a hook makes one for every text."""


def _check(document: Any) -> None:
    """Raise InvalidInput unless the document has an entry's fields, each of its type."""
    if not isinstance(document, dict) or document.keys() != _TYPES.keys():
        raise InvalidInput("an entry has exactly the fields " + ", ".join(sorted(_TYPES)))
    if not _has_types(document):
        raise InvalidInput("a field of this entry has the wrong type")
    refs, payloads, statement = document["refs"], document["payloads"], document["statement"]
    names = [document["act"], document["object"]["kind"], *refs, *payloads]
    texts = [*document["roles"], *refs.values(), *payloads.values()]
    malformed = [name for name in names if _NAME.fullmatch(name) is None]
    if malformed or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f"acts, kinds and names are lower-case words, and what they stand for is text: {malformed or texts}")
    if len(document["reason"]) > REASON_CHARACTERS_MAX:
        raise InvalidInput(f"a reason in an entry has at most {REASON_CHARACTERS_MAX} characters; keep a longer one as a payload")
    if statement is not None:
        _check_plain(statement)


def _has_types(document: Document) -> bool:
    """Say whether each field has its type. A `match` on the whole takes three times as long, and every reader of an entry passes here."""
    for name, kind in _TYPES.items():
        if not isinstance(document[name], kind):
            return False
    seq, actor, thing = document["seq"], document["actor"], document["object"]
    return (
        document["v"] == VERSION
        and isinstance(seq, int)
        and 0 <= seq < INT_LIMIT
        and not isinstance(seq, bool)
        and isinstance(actor, dict)
        and actor.keys() == _ACTOR_FIELDS
        and actor["kind"] in ("person", "service")
        and isinstance(actor["id"], str)
        and isinstance(actor["auth"], str)
        and isinstance(thing, dict)
        and thing.keys() == _OBJECT_FIELDS
        and isinstance(thing["kind"], str)
        and isinstance(thing["id"], str)
        and (thing["digest"] is None or isinstance(thing["digest"], str))
    )


def _check_plain(value: Json) -> None:
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) >= INT_LIMIT):
        raise InvalidInput(f"an entry holds no float and no number of 2**53 or more, such as {value!r}: write decimals as text")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_plain(inner)
