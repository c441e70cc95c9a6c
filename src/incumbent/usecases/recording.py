"""Recording governance acts: who acts, with which right, and the one way in which an act and its entry come to be together.

    with governed(ws) as tx:                       the ledger's turn is taken before anything is read
        ...                                        judge
        record_act(ws, tx, act=…, kind=…, …)       the entry, and the document that it makes, if any

A refused attempt is an entry too (`attempting`). Only the placements and versions of the registry are written beside this, with
the number of the entry that it returned; the database refuses them without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import Corrupt, IncumbentError, Refused
from incumbent.governance.acts import ROLES, get_act
from incumbent.governance.person import Person, check_may, find_person, person_from_json
from incumbent.ledger.clock import CLOCK, CLOCK_SLACK, read_clock
from incumbent.ledger.entry import REASON_CHARACTERS_MAX, Actor, Draft, Entry, ObjectRef
from incumbent.ledger.note import key_text
from incumbent.registry.model import Placement
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

LEDGER_KEY, ACCEPT_CLOCK = "ledger", "accept-clock"
ACCOUNTS_TOLD = "accounts_told"
"""In the document of the first entry: every token and password of this installation has an entry of its own."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts now.

    Attributes:
        person: Their record, None in an installation where nobody is registered: whoever may write it may do everything.
    """

    actor: str
    person: Person | None
    roles: frozenset[str]


@contextmanager
def governed(ws: Workspace) -> Iterator[Transaction]:
    """Open a durable transaction that is the only governing one until it ends."""
    with ws.store.begin() as tx:
        tx.ledger.lock()
        yield tx


def list_people(tx: Transaction) -> Sequence[Person]:
    """Return everybody who is registered."""
    return [person_from_json(record.body) for record in tx.records.list_all("person")]


def find_acting(ws: Workspace, tx: Transaction) -> Acting:
    """Return who acts.

    Raises:
        Refused: People are registered here, and the one who acts is none of them, or is no longer active.
    """
    people = list_people(tx)
    if not people:
        return Acting(ws.actor, None, frozenset(ROLES))
    person = find_person(people, ws.actor)
    if person is None:
        raise Refused(
            f"{ws.actor!r} is not registered here, and this installation knows who may act; an admin adds people with "
            "`incumbent users add`, and INCUMBENT_ACTOR says who you are"
        )
    if not person.is_active:
        raise Refused(f"{person.person_id} is registered here, but no longer active")
    return Acting(person.person_id, person, person.roles)


def check_acting(ws: Workspace, tx: Transaction, act: str) -> Acting:
    """Return who acts, if they may do this. Raises Refused."""
    acting = find_acting(ws, tx)
    if acting.person is not None:
        check_may(acting.person, act)
    return acting


def record_act(
    ws: Workspace,
    tx: Transaction,
    *,
    act: str,
    kind: str,
    object_id: str,
    acting: Acting | None = None,
    body: Document | None = None,
    digest: str | None = None,
    refs: Mapping[str, str] | None = None,
    before: str = "",
    after: str = "",
    reason: str = "",
    payloads: Mapping[str, str] | None = None,
    statement: Document | None = None,
    at: datetime | None = None,
    may_lag: bool = False,
) -> Entry:
    """Append the entry of an act, and with `body` the document that it makes.

    Args:
        ws: The workspace.
        tx: The transaction that holds the change.
        act: From the table of acts.
        kind: What kind of thing is acted on, e.g. "version".
        object_id: Which one, e.g. "flights-late@2".
        acting: Who acts; found from the workspace's actor otherwise.
        body: The governed document that holds from now on; the entry names its SHA-256.
        digest: Of the object, where there is no `body`.
        refs: What the act rests on: name -> digest, or number of an earlier entry.
        before: Where the object came from.
        after: Where it goes.
        reason: In words; long ones are kept behind a commitment, and can be erased.
        payloads: Name -> commitment of texts that were kept already.
        statement: DSSE envelope of a human act.
        at: Of an earlier entry of this transaction, when both are one moment; now, otherwise.
        may_lag: It cannot wait for a clock that is behind the ledger's last entry to be right: it takes that one's time.

    Raises:
        Refused: The clock runs backwards, and no admin accepted that the ledger is ahead of it; or a human act has no statement.
    """
    if get_act(act).is_human and statement is None:
        raise Refused(f"{act} needs a statement signed with the person's own key, and there is none")
    who = acting or find_acting(ws, tx)
    if tx.ledger.size() == 0:
        _begin(ws, tx, who)
    reason, words = keep_words(tx, reason, ws.ids.salt)
    kept = {**(payloads or {}), **words}
    if body is not None:
        digest = digest_bytes(document_bytes(body), "sha256")
    draft = Draft(
        act=act,
        object=ObjectRef(kind, object_id, digest),
        actor=_actor(ws, who),
        roles=tuple(who.roles) if who.person else (),
        refs=dict(refs or {}),
        before=before,
        after=after,
        reason=reason,
        payloads=kept,
        statement=statement,
    )
    now = at or ws.clock.now()
    entry = tx.ledger.append(draft, now, may_lag=lambda last: may_lag or _is_accepted(tx, last, now))
    if body is not None and digest is not None:
        tx.records.put(Record(kind, object_id, entry.seq, digest, body))
    return entry


def find_time(tx: Transaction, now: datetime) -> datetime:
    """Return the time to judge by: `now` of the clock, or the last entry's where that is later and no admin accepted that it is.

    Setting a clock back brings nothing to life that expired.
    """
    size = tx.ledger.size()
    last = tx.ledger.get(size - 1) if size else None
    return now if last is None or last.at <= now or _is_accepted(tx, last, now) else last.at


def _is_accepted(tx: Transaction, last: Entry, at: datetime) -> bool:
    """Tell whether an admin accepted that the ledger is at the time of this entry, whatever the clock says.

    The clock still goes one way: it is not before what it was at the acceptance, or at the last entry.
    """
    newest = next(iter(tx.ledger.find(act=ACCEPT_CLOCK, limit=1)), None)
    if newest is None or last.at > newest.at:
        return False
    return at + CLOCK_SLACK >= max(read_clock(newest, newest.at), read_clock(last, newest.at) if CLOCK in last.draft.refs else at)


def keep_words(tx: Transaction, reason: str, salt: Callable[[], bytes]) -> tuple[str, dict[str, str]]:
    """Return a reason as it stands in an entry: itself where it is short, nothing and the commitment behind which it is kept otherwise."""
    if len(reason) <= REASON_CHARACTERS_MAX:
        return reason, {}
    return "", {"reason": tx.payloads.keep(reason.encode("utf-8", "replace"), salt())}


@contextmanager
def attempting(ws: Workspace, *, act: str, kind: str, object_id: str) -> Iterator[None]:
    """Record what is refused inside the block, or fails on bytes that are not what was registered, as an attempt, and let it go on its way.

    Where the attempt cannot be recorded, the caller is told both.
    """
    try:
        yield
    except (Refused, Corrupt) as error:
        try:
            _record_refusal(ws, act, kind, object_id, str(error))
        except IncumbentError as second:
            raise type(error)(f"{error} (this attempt could not be recorded: {second})") from error
        raise


def _record_refusal(ws: Workspace, act: str, kind: str, object_id: str, message: str) -> None:
    with governed(ws) as tx:
        people = list_people(tx)
        person = find_person(people, ws.actor) if people else None
        who = Acting(person.person_id if person else ws.actor, person, person.roles if person else frozenset())
        if tx.ledger.size() == 0:
            _begin(ws, tx, who)
        shown, kept = keep_words(tx, message, ws.ids.salt)
        roles = tuple(who.roles) if person else ()
        actor = replace(_actor(ws, who), actor_id=_printable(who.actor))
        draft = Draft("refuse", ObjectRef(kind, _printable(object_id)), actor, roles, after=act, reason=_printable(shown), payloads=kept)
        tx.ledger.append(draft, ws.clock.now(), may_lag=lambda _: True)  # also when it was refused because the clock runs backwards


def _printable(text: str) -> str:
    """Return text that an entry can hold, whatever bytes a command line was given."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _actor(ws: Workspace, who: Acting) -> Actor:
    return Actor(who.actor, who.person.kind if who.person else "person", _printable(ws.auth))


def _begin(ws: Workspace, tx: Transaction, who: Acting) -> None:
    """Begin the ledger: name it, say which key signs it, and name the versions and placements that were there before it."""
    public = ws.keys.find(LEDGER_KEY) or ws.keys.make(LEDGER_KEY)
    origin = ws.ids.new("incumbent")
    body: Document = {
        "kind": "ledger",
        "log": origin,
        ACCOUNTS_TOLD: True,
        "versions": [{"name": f"{v.model}@{v.version}", "manifest": v.manifest} for v in reversed(tx.registry.list_versions())],
        "placements": [describe_placement_row(placement) for placement in reversed(tx.registry.list_placements())],
    }
    digest = digest_bytes(document_bytes(body), "sha256")
    draft = Draft("begin", ObjectRef("ledger", origin, digest), _actor(ws, who), after=key_text(public))
    entry = tx.ledger.append(draft, ws.clock.now())
    tx.records.put(Record("ledger", origin, entry.seq, digest, body))


def describe_placement_row(placement: Placement) -> Json:
    """Return what a placement's row says, for holding it against the ledger."""
    return {
        "slot": placement.slot,
        "version": f"{placement.model}@{placement.version}",
        "status": placement.status,
        "since": placement.since_at.isoformat(),
        "actor": placement.actor,
        "reason": placement.reason,
    }
