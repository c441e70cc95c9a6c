"""People and services: who holds which roles, under which names they act, and which keys are theirs.

An identity is a person, not an account. Git e-mails, user names of machines and OIDC subjects ("iss sub") are aliases of one
person, and a service answers through its owner: whatever it did, the owner did. The printed name is personal data; here stands
only a commitment to it, so that it can be erased while the ledger still verifies.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import Role, check_right, check_roles, get_act
from incumbent.governance.fields import check_line, check_time, format_time, read_fields

PersonKind = Literal["person", "service"]
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._+/=-]{0,127}", re.ASCII)
_PERSON_FIELDS = ("person_id", "kind", "roles", "group", "aliases", "owner", "is_active", "added_at", "name_commitment")
_KEY_FIELDS = ("key_id", "person_id", "public", "added_at", "revoked_at")
SIGNING: frozenset[Role] = frozenset({"validator", "approver"})
"""The roles whose sign-offs fill places of a quorum."""
_LATER_PERSON_FIELDS: Document = {"vouched_by": "", "grouped_by": ""}
_LATER_KEY_FIELDS: Document = {"bound_by": "", "compromised_since": None}
"""Fields that documents of before do not have, and what their lack means."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person, or a service that a person owns.

    Attributes:
        person_id: A pseudonym such as "ann".
        group: The reporting group, "" if the directory does not say.
        aliases: Other names of theirs: git e-mails, user names of machines, OIDC "iss sub".
        owner: Of a service: the id of the person who answers for it. Of a person: "".
        is_active: Whether they may still act. What they did before keeps counting as theirs.
        name_commitment: Salted commitment to the printed name, "" if none was given.
        vouched_by: Who made them known, or last gave them a role that signs or administers, and does not rest on them; "" in records
            of before: then whoever wrote those.
        grouped_by: Who set the group; "" without one, and in records of before.

    Raises:
        InvalidInput: The id is malformed, a role is unknown, a service has no owner, a person has one, an alias is blank.
    """

    person_id: str
    kind: PersonKind
    roles: frozenset[Role]
    group: str
    aliases: tuple[str, ...]
    owner: str
    is_active: bool
    added_at: datetime
    name_commitment: str = ""
    vouched_by: str = ""
    grouped_by: str = ""

    def __post_init__(self) -> None:
        check_person_id(self.person_id)
        check_roles(self.roles)
        check_line(self.group, "group", is_needed=False)
        check_line(self.name_commitment, "name_commitment", is_needed=False)
        check_line(self.vouched_by, "who vouches", is_needed=False)
        check_line(self.grouped_by, "who set the group", is_needed=False)
        check_time(self.added_at)
        if self.kind not in ("person", "service"):
            raise InvalidInput(f"{self.person_id} is a person or a service, not {self.kind!r}")
        if self.kind == "service":
            check_person_id(self.owner or "", "the owner of a service")
        elif self.owner:
            raise InvalidInput(f"{self.person_id} is a person and has no owner; a second account of {self.owner} is an alias of theirs")
        for alias in self.aliases:
            if check_line(alias, f"alias of {self.person_id}") != alias.strip():
                raise InvalidInput(f"alias {alias!r} of {self.person_id} begins or ends with a space")

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "person_id": self.person_id,
            "kind": self.kind,
            "roles": [*sorted(self.roles)],
            "group": self.group,
            "aliases": [*self.aliases],
            "owner": self.owner,
            "is_active": self.is_active,
            "added_at": format_time(self.added_at),
            "name_commitment": self.name_commitment,
            "vouched_by": self.vouched_by,
            "grouped_by": self.grouped_by,
        }


def person_from_json(document: Json) -> Person:
    """Return what `Person.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    fields = read_fields(_with(_LATER_PERSON_FIELDS, document), "a person", (*_PERSON_FIELDS, *_LATER_PERSON_FIELDS))
    return Person(
        person_id=fields.text("person_id"),
        kind=cast(PersonKind, fields.text("kind")),  # checked by Person
        roles=check_roles(fields.texts("roles")),
        group=fields.text("group"),
        aliases=fields.texts("aliases"),
        owner=fields.text("owner"),
        is_active=fields.flag("is_active"),
        added_at=fields.time("added_at"),
        name_commitment=fields.text("name_commitment"),
        vouched_by=fields.text("vouched_by"),
        grouped_by=fields.text("grouped_by"),
    )


def _with(later: Document, document: Json) -> Json:
    return {**later, **document} if isinstance(document, dict) else document


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that speaks for a person.

    Attributes:
        public: Base64 of the 32 raw bytes of an Ed25519 public key.
        revoked_at: From when on signatures with it are refused; None while it is good.
        bound_by: Who bound it to the person; "" in records of before: then whoever wrote those.
        compromised_since: Of a revoked key: from when on it may have been in other hands, so that what it signed does not count
            either; None if what it signed stands.

    Raises:
        InvalidInput: The ids are malformed, the key is not 32 bytes in plain base64, it was revoked before it was added, or it is
            called compromised and is not revoked, or only since later.
    """

    key_id: str
    person_id: str
    public: str
    added_at: datetime
    revoked_at: datetime | None = None
    bound_by: str = ""
    compromised_since: datetime | None = None

    def __post_init__(self) -> None:
        check_person_id(self.person_id)
        if _KEY_ID.fullmatch(self.key_id) is None:
            raise InvalidInput(f"{self.key_id[:80]!r} is no key id: 1 to 128 letters, digits and : . _ + / = -")
        try:
            raw = base64.b64decode(self.public, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f"key {self.key_id} is not base64: {error}") from error
        if len(raw) != 32 or base64.b64encode(raw).decode() != self.public:
            raise InvalidInput(f"key {self.key_id} is not the base64 of 32 bytes, as an Ed25519 public key is")
        if self.revoked_at is not None and check_time(self.revoked_at) < check_time(self.added_at):
            raise InvalidInput(f"key {self.key_id} cannot be revoked before it was added, {format_time(self.added_at)}")
        check_time(self.added_at)
        check_line(self.bound_by, "who bound a key", is_needed=False)
        since = self.compromised_since
        if since is not None and (self.revoked_at is None or check_time(since) > check_time(self.revoked_at)):
            raise InvalidInput(f"key {self.key_id} is compromised since a time up to its revocation, not since {format_time(since)}")

    def is_good_at(self, at: datetime) -> bool:
        """Return whether a signature made at that time counts."""
        ends = [end for end in (self.revoked_at, self.compromised_since) if end is not None]
        return self.added_at <= at and all(at < end for end in ends)

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "key_id": self.key_id,
            "person_id": self.person_id,
            "public": self.public,
            "added_at": format_time(self.added_at),
            "revoked_at": None if self.revoked_at is None else format_time(self.revoked_at),
            "bound_by": self.bound_by,
            "compromised_since": None if self.compromised_since is None else format_time(self.compromised_since),
        }


def key_from_json(document: Json) -> Key:
    """Return what `Key.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    fields = read_fields(_with(_LATER_KEY_FIELDS, document), "a key", (*_KEY_FIELDS, *_LATER_KEY_FIELDS))
    times = fields.time("added_at"), fields.find_time("revoked_at")
    names = fields.text("key_id"), fields.text("person_id"), fields.text("public")
    return Key(*names, *times, fields.text("bound_by"), fields.find_time("compromised_since"))


@dataclass(frozen=True, slots=True)
class Directory:
    """People by every name they go by; build it with `index_people`."""

    by_name: Mapping[str, Person]

    def find(self, name: str) -> Person | None:
        """Return who goes by this id or alias, or None."""
        return self.by_name.get(_fold(name))

    def accountable(self, name: str) -> str:
        """Return the id of the person who answers for a name; an unknown name stays itself.

        A service that belongs to a service belongs to that one's owner; one whose owner is unknown is answered for by that name.
        """
        met: set[str] = set()
        person = self.find(name)
        while person is not None and person.kind == "service" and person.person_id not in met:
            met.add(person.person_id)
            name, person = person.owner, self.find(person.owner)
        return name if person is None else person.person_id


def index_people(people: Iterable[Person]) -> Directory:
    """Return the people by every name.

    Raises:
        InvalidInput: One name belongs to two: whose act it was could not be told.
    """
    by_name: dict[str, Person] = {}
    for person in people:
        for name in {_fold(name) for name in (person.person_id, *person.aliases)}:
            other = by_name.setdefault(name, person)
            if other is not person:
                raise InvalidInput(f"{name!r} would name both {other.person_id} and {person.person_id}; a name belongs to one person only")
    return Directory(by_name)


def check_people(people: Iterable[Person]) -> None:
    """Pass if the people fit together.

    Raises:
        InvalidInput: One id or alias belongs to two, or a service's owner is no known person.
    """
    everyone = tuple(people)
    directory = index_people(everyone)
    for person in everyone:
        owner = directory.find(person.owner) if person.kind == "service" else None
        if person.kind == "service" and (owner is None or owner.kind != "person" or owner.person_id != person.owner):
            raise InvalidInput(f"service {person.person_id} needs an owner who answers for it; {person.owner!r} is no known person's id")


def check_change(old: Person, new: Person) -> None:
    """Pass if a person's record may be replaced by this one: what was theirs stays theirs.

    Dropping an alias, or handing a service to another owner, would take work away from whoever answers for it, and let them
    judge it. Roles, group and standing may change.

    Raises:
        InvalidInput: The records are of two.
        Refused: A name or the owner would change.
    """
    if (old.person_id, old.kind) != (new.person_id, new.kind):
        raise InvalidInput(f"{old.kind} {old.person_id} cannot become {new.kind} {new.person_id}; add the new one beside it")
    dropped = sorted({_fold(name) for name in old.aliases} - {_fold(name) for name in new.aliases})
    if dropped:
        raise Refused(f"{old.person_id} acted as {', '.join(dropped)}; a name that was once theirs stays theirs")
    if old.owner != new.owner:
        raise Refused(f"{old.owner} answers for what {old.person_id} did; deactivate it and add another service for {new.owner}")


def find_person(people: Iterable[Person], name: str) -> Person | None:
    """Return who goes by this id or alias (e-mails in any case), or None.

    Raises:
        InvalidInput: The people do not fit together.
    """
    return index_people(people).find(name)


def accountable(people: Iterable[Person], name: str) -> str:
    """Return the id of the person who answers for an actor's name.

    An alias leads to its person, a service to its owner; an unknown name stays itself.

    Raises:
        InvalidInput: The people do not fit together.
    """
    return index_people(people).accountable(name)


def check_may(person: Person, act: str) -> None:
    """Pass if this person or service may do the act: active, in one of its roles, and a person where the act is human.

    Raises:
        InvalidInput: The act does not exist.
        Refused: They may not; the message says what stands in the way.
    """
    if not person.is_active:
        raise Refused(f"{act}: {person.person_id} is no longer active")
    if get_act(act).is_human and person.kind != "person":
        raise Refused(f"{act} needs a person's own signature; {person.person_id} is a service: {person.owner} may act for themselves")
    try:
        check_right(act, person.roles)
    except Refused as error:
        raise Refused(f"{person.person_id}: {error}") from error


def check_person_id(text: str, what: str = "a person's id") -> str:
    """Return `text` if it can be a person's or service's id.

    Raises:
        InvalidInput: It cannot.
    """
    if _ID.fullmatch(text) is None:
        raise InvalidInput(f"{text[:80]!r} is not {what}: lower-case letters, digits, '.', '_' and '-', at most 64")
    return text


def _fold(name: str) -> str:
    """Return the name as it is compared: an e-mail in lower case, since git keeps whatever case was typed; others exactly."""
    text = name.strip()
    return text.casefold() if "@" in text and not any(character.isspace() for character in text) else text
