"""The verbs on people: who is known here, under which names, in which roles. The first one added is an admin, and governance begins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from incumbent.base.errors import Conflict, InvalidInput, NotFound
from incumbent.governance.acts import check_roles
from incumbent.governance.fields import check_line
from incumbent.governance.person import Key, Person, check_change, check_people, find_person
from incumbent.governance.vouching import VOUCHED
from incumbent.usecases.asked import asked
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, governed, list_people, record_act
from incumbent.usecases.standing import list_keys, list_vouched, read_vouching, vouched
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as shown to people.

    Attributes:
        printed_name: "" if it was erased, or never given.
        keys: Their public keys, revoked ones too.
    """

    person: Person
    printed_name: str
    keys: tuple[Key, ...]


def add_person(
    ws: Workspace,
    *,
    person: str,
    name: str,
    roles: Sequence[str],
    kind: Literal["person", "service"] = "person",
    group: str = "",
    aliases: Sequence[str] = (),
    owner: str = "",
) -> Person:
    """Make a person or service known.

    The first one has to be an admin, and takes the name of the account that adds them as an alias, so that nobody is locked out.

    Args:
        ws: The workspace.
        person: Id, such as "ann".
        name: Printed name, for signatures; kept behind a commitment, and erasable.
        roles: Any of the roles.
        kind: "service" for a program's account; it needs an owner.
        group: Reporting group, where the tiers ask for different ones.
        aliases: Git e-mails, user names of machines, OIDC "iss sub": whatever they did under these, they did.
        owner: Of a service: who answers for it.

    Raises:
        InvalidInput: An id, role or name is not legal, or an alias is somebody else's.
        Conflict: There is such a person.
        Refused: The actor is no admin.
    """
    with attempting(ws, act="add-person", kind="person", object_id=person), governed(ws) as tx:
        acting = check_acting(ws, tx, "add-person")
        people = list_people(tx)
        if any(known.person_id == person for known in people):
            raise Conflict(f"{person} is known here already; `incumbent users change {person}` changes them")
        held = check_roles(roles)
        check_line(name, "the printed name", is_needed=False)
        if not people:
            if "admin" not in held:
                raise InvalidInput("the first person has to hold the role admin, or nobody could add the second")
            aliases = [*aliases, *([ws.actor] if ws.actor not in (person, *aliases) else [])]
        commitment = tx.payloads.keep(name.encode(), ws.ids.salt()) if name else ""
        grouped_by = acting.actor if group else ""
        added = Person(person, kind, held, group, tuple(aliases), owner, True, ws.clock.now(), commitment, acting.actor, grouped_by)
        _check_service(added)
        check_people([*people, added])
        payloads = {"name": commitment} if commitment else {}
        record_act(
            ws,
            tx,
            act="add-person",
            kind="person",
            object_id=person,
            acting=acting,
            body=added.to_json(),
            payloads=payloads,
        )
    return added


@asked
def change_person(
    ws: Workspace,
    *,
    person: str,
    roles: Sequence[str] | None = None,
    group: str | None = None,
    aliases: Sequence[str] | None = None,
    is_active: bool | None = None,
    reason: str = "",
) -> Person:
    """Change what is given and leave the rest. What somebody did before goes on counting as theirs.

    Whoever gives a role that signs or administers vouches for the person from then on, also by giving again what they held; unless they
    are known here on that person's own word. Whoever sets the group answers for it.

    Raises:
        NotFound: There is no such person.
        InvalidInput: A role is unknown, an alias is somebody else's, or no active admin would be left.
        Refused: The actor is no admin.
    """
    with attempting(ws, act="change-person", kind="person", object_id=person), governed(ws) as tx:
        acting = check_acting(ws, tx, "change-person")
        vouching = read_vouching(tx)
        before = vouched(vouching, get_person(tx, person))
        is_word = roles is not None and VOUCHED & set(roles) and vouching.may_vouch(acting.actor, before.person_id)
        after = replace(
            before,
            roles=before.roles if roles is None else check_roles(roles),
            group=before.group if group is None else group,
            aliases=tuple(dict.fromkeys([*before.aliases, *(aliases or ())])),
            is_active=before.is_active if is_active is None else is_active,
            vouched_by=acting.actor if is_word else before.vouched_by,
            grouped_by=before.grouped_by if group is None else acting.actor if group else "",
        )
        check_change(before, after)
        _check_service(after)
        everyone = [after if known.person_id == after.person_id else known for known in list_people(tx)]
        check_people(everyone)
        if not any("admin" in known.roles and known.is_active and known.kind == "person" for known in everyone):
            raise InvalidInput(f"{person} is the last active admin; make somebody else one first")
        record_act(
            ws, tx, act="change-person", kind="person", object_id=after.person_id, acting=acting, body=after.to_json(), reason=reason,
        )  # fmt: skip
    return after


def _check_service(person: Person) -> None:
    if person.kind == "service" and person.roles & {"admin", "validator", "approver"}:
        raise InvalidInput(
            f"{person.person_id} is a service: it cannot be admin, validator or approver, which are for people to answer for"
        )


def list_person_records(ws: Workspace) -> Sequence[PersonRecord]:
    """Return everybody who is known, with printed names and keys."""
    with ws.store.begin(read_only=True) as tx:
        keys = list_keys(tx)
        return [
            PersonRecord(person, printed_name(tx, person), tuple(key for key in keys if key.person_id == person.person_id))
            for person in list_vouched(tx)
        ]


def get_person(tx: Transaction, name: str) -> Person:
    """Return who goes by an id or alias. Raises NotFound, naming who is known."""
    people = list_people(tx)
    found = find_person(people, name)
    if found is None:
        known = ", ".join(sorted(person.person_id for person in people)) or "nobody yet"
        raise NotFound(f"there is no person {name[:80]!r} here; there are: {known}")
    return found


def printed_name(tx: Transaction, person: Person) -> str:
    """Return a person's printed name, "" if it was erased or never given."""
    text = tx.payloads.find(person.name_commitment).text if person.name_commitment else None
    return "" if text is None else text.decode("utf-8", "replace")
