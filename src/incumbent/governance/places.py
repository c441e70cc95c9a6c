"""The places that a tier asks to be filled: which sign-offs fill one, what lacks, and what still fills one that did so once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import check_time
from incumbent.governance.person import Directory, Person, index_people
from incumbent.governance.sign_off import Seat, SignOff
from incumbent.governance.tier import TierRule


def is_expired(sign_off: SignOff, rule: TierRule, now: datetime) -> bool:
    """Tell whether the term of a sign-off is over, by its own date or by the rule."""
    return now >= sign_off.expires_at or now - sign_off.at >= timedelta(days=rule.valid_days)


def fill_places(valid: Iterable[SignOff], rule: TierRule, directory: Directory) -> tuple[SignOff, ...]:
    """Return one sign-off per place.

    Whoever may take one kind of place only goes first, and those who may take both fill what is left: no other choice fills more.

    Args:
        valid: Sign-offs that count, in order of time.
        rule: What is asked for.
        directory: Everybody known.
    """
    seats: dict[Seat, dict[str, SignOff]] = {"validator": {}, "approver": {}}
    for sign_off in valid:
        if sign_off.meaning != "accepted-risk":
            seats[sign_off.role][_unit(sign_off, rule, directory)] = sign_off  # the newest
    validators, approvers = seats["validator"], seats["approver"]
    if not rule.needs_separate_people:
        return (*list(validators.values())[: rule.validators], *list(approvers.values())[: rule.approvers])
    both = [unit for unit in validators if unit in approvers]
    first = [unit for unit in validators if unit not in approvers][: rule.validators]
    second = [unit for unit in approvers if unit not in validators][: rule.approvers]
    lent = rule.validators - len(first)
    first += both[:lent]
    second += both[lent:][: rule.approvers - len(second)]
    return (*(validators[unit] for unit in first), *(approvers[unit] for unit in second))


def find_missing(sign_offs: Iterable[SignOff], rule: TierRule, *, people: Iterable[Person], now: datetime) -> tuple[str, ...]:
    """Return what sign-offs that made a quorum once lack of what a rule asks for now, in words.

    Held to the rule are how many they are, from which groups, for how long they count, and whether one of them is a self-approval. Who
    signed was judged when the quorum was met, as were the witnesses, and is not judged again: whoever left since had signed.

    Args:
        sign_offs: Those that the quorum was met by.
        rule: What is asked for now.
        people: Everybody known.
        now: The time to judge at.
    """
    directory, at = index_people(tuple(people)), check_time(now)
    lasting = [
        sign_off
        for sign_off in sort_once(sign_offs)
        if not is_expired(sign_off, rule, at)
        and (rule.self_approval or not sign_off.is_self)
        and (not rule.distinct_groups or _unit(sign_off, rule, directory))
    ]
    return tell_missing(fill_places(lasting, rule, directory), rule, rule.witnesses)


def tell_missing(given: Sequence[SignOff], rule: TierRule, cosigned: int) -> tuple[str, ...]:
    """Return what lacks beside the sign-offs that fill a place, in words."""
    filled = Counter(sign_off.role for sign_off in given)
    lacks = {"validator": rule.validators - filled["validator"], "approver": rule.approvers - filled["approver"]}
    groups = "of another group" if given else "of a known group"
    return tell_places(lacks, rule.witnesses - cosigned, groups if rule.distinct_groups else "")


def tell_places(people: Mapping[str, int], witnesses: int, groups: str) -> tuple[str, ...]:
    """Return the counts above zero in words: "1 validator", "2 approvers of different groups", "1 witness"."""
    told = []
    for name, number in (*people.items(), ("witness", witnesses)):
        word = name if number == 1 else f"{name}es" if name == "witness" else f"{name}s"
        ending = "" if name == "witness" or not groups else f" {groups}" if number == 1 else " of different groups"
        if number > 0:
            told.append(f"{number} {word}{ending}")
    return tuple(told)


def sort_once(sign_offs: Iterable[SignOff]) -> list[SignOff]:
    """Return sign-offs in order of time. Raises InvalidInput where an id stands twice."""
    found = sorted(sign_offs, key=lambda sign_off: (sign_off.at, sign_off.sign_off_id))
    repeated = [name for name, times in Counter(sign_off.sign_off_id for sign_off in found).items() if times > 1]
    if repeated:
        raise InvalidInput(f"sign-off {repeated[0]} stands twice; each has an id of its own")
    return found


def _unit(sign_off: SignOff, rule: TierRule, directory: Directory) -> str:
    """Return what may fill one place only: the person, or the person's group where groups are to differ, "" where none is known."""
    if not rule.distinct_groups:
        return directory.accountable(sign_off.person_id)
    person = directory.find(sign_off.person_id)
    return "" if person is None else person.group.strip().casefold()
