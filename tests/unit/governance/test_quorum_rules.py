"""The quorum against a slow judge that was written apart from it: it knows who stands behind every name, and tries every seating."""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incumbent.base.digest import digest_bytes
from incumbent.governance.independence import Authorship
from incumbent.governance.person import Person
from incumbent.governance.quorum import Standing, judge_quorum
from incumbent.governance.sign_off import SignOff
from incumbent.governance.tier import TierRule

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TODAY = {name: digest_bytes(name.encode()) for name in ("bundle", "evidence", "policy", "tier")}
SUBJECT = ("flights-late", 2, "nyc")
HUMANS = ("h0", "h1", "h2", "h3")
# Every name in this world, and the human behind it. The judge under test has to find that out from the people's records.
BEHIND = {name: human for human in HUMANS for name in (human, f"{human}@mail.example", f"{human}-login", f"bot-{human}", f"bot-{human}@ci")}
BEHIND["stranger"] = "stranger"


@dataclass(frozen=True)
class World:
    people: tuple[Person, ...]
    work: tuple[Authorship, ...]
    rule: TierRule
    sign_offs: tuple[SignOff, ...]
    cosigned: int

    def judge(self):
        model, version, slot = SUBJECT
        return judge_quorum(
            self.sign_offs, self.rule, digests=TODAY, people=self.people, authorships=self.work, now=NOW,
            model=model, version=version, slot=slot, cosigned=self.cosigned,
            standing={sign_off.sign_off_id: Standing() for sign_off in self.sign_offs},
        )  # fmt: skip


def mostly(usual, *others):
    """A value that is the usual one in nine cases of ten."""
    return st.sampled_from([usual] * 9 * len(others) + list(others))


@st.composite
def people(draw):
    found = []
    for human in HUMANS:
        roles = draw(mostly({"validator", "approver"}, {"validator"}, {"approver"}, {"operator"}))
        group, is_active = draw(mostly(f"group of {human}", "risk", "Risk ", "")), draw(mostly(True, False))
        aliases = (f"{human}@mail.example", f"{human}-login")
        found += [
            Person(human, "person", frozenset(roles), group, aliases, "", is_active=is_active, added_at=NOW),
            Person(f"bot-{human}", "service", frozenset(roles), "", (f"bot-{human}@ci",), human, is_active=True, added_at=NOW),
        ]
    return tuple(found)


USUAL = [("validator", "validated"), ("approver", "approved")]
RARE = [("validator", "rejected"), ("approver", "rejected"), ("approver", "accepted-risk")]


@st.composite
def sign_offs(draw, number):
    subject, who = draw(mostly(SUBJECT, ("flights-late", 1, "nyc"))), draw(mostly(HUMANS[number % 4], *HUMANS, "bot-h0", "stranger"))
    role, meaning = draw(st.sampled_from([*USUAL * 12, *RARE]))
    changed = draw(mostly({}, *({name: digest_bytes(b"old")} for name in TODAY)))
    at = NOW - draw(st.integers(0, 8).map(lambda hours: hours or -1)) * HOUR
    expires_at, is_self = at + draw(mostly(200, 3)) * HOUR, draw(mostly(False, True))
    return SignOff(f"s{number}", *subject, who, role, meaning, TODAY | changed, "key", at, expires_at, {}, is_self)


@st.composite
def worlds(draw):
    few = st.integers(0, 2)
    counts_, distinct, witnesses = (draw(few), draw(few)), draw(st.booleans()), draw(mostly(0, 1))
    rule = TierRule(draw(st.integers(1, 4)), *counts_, distinct, witnesses, draw(mostly(365, 1)), draw(st.booleans()), 0)
    names = draw(st.just([]) | st.lists(st.sampled_from(list(BEHIND)), max_size=2))
    shouted = [name.upper() if "mail" in name and draw(st.booleans()) else name for name in names]
    work = tuple(Authorship(name, "commit", "1a2b3c") for name in shouted)
    size = draw(st.integers(0, 8).map(lambda number: 8 - number))
    return World(draw(people()), work, rule, tuple(draw(sign_offs(number)) for number in range(size)), draw(st.integers(0, 1)))


def authors_of(world):
    return {BEHIND[work.who.lower()] for work in world.work}


def counts(world, sign_off):
    """Whether a sign-off may fill a place, by the rules' words."""
    person = next((found for found in world.people if found.person_id == sign_off.person_id), None)
    is_own = sign_off.is_self or BEHIND[sign_off.person_id] in authors_of(world)
    return (
        (sign_off.model, sign_off.version, sign_off.slot) == SUBJECT
        and sign_off.names == TODAY
        and sign_off.meaning in {"validated", "approved"}
        and sign_off.at <= NOW < sign_off.expires_at
        and (NOW - sign_off.at).days < world.rule.valid_days
        and person is not None
        and person.kind == "person"
        and person.is_active
        and sign_off.role in person.roles
        and (not is_own or world.rule.self_approval)
    )


def is_rejected(world):
    here = [s for s in world.sign_offs if (s.model, s.version, s.slot) == SUBJECT and s.names == TODAY]
    return any(
        no.meaning == "rejected"
        and not any(
            yes.meaning in {"validated", "approved"} and BEHIND[yes.person_id] == BEHIND[no.person_id] and no.at < yes.at <= NOW
            for yes in here
        )
        for no in here
    )


def group_of(world, sign_off):
    return next(found.group for found in world.people if found.person_id == sign_off.person_id).strip().lower()


def is_seating(world, seats):
    """Whether these sign-offs may fill a place each at the same time."""
    for one, other in itertools.combinations(seats, 2):
        same = BEHIND[one.person_id] == BEHIND[other.person_id]
        if same and (one.role == other.role or world.rule.tier <= 2):
            return False
        if world.rule.distinct_groups and (same or group_of(world, one) == group_of(world, other)):
            return False
    return not (world.rule.distinct_groups and any(group_of(world, seat) == "" for seat in seats))


def seatings(world):
    """Every legal seating, as (validators, approvers) filled, tried one by one."""
    candidates = [sign_off for sign_off in world.sign_offs if counts(world, sign_off)]
    for size in range(world.rule.validators + world.rule.approvers + 1):
        for seats in itertools.combinations(candidates, size):
            filled = tuple(sum(seat.role == role for seat in seats) for role in ("validator", "approver"))
            if filled[0] <= world.rule.validators and filled[1] <= world.rule.approvers and is_seating(world, seats):
                yield filled


def slow_is_met(world):
    full = (world.rule.validators, world.rule.approvers)
    return world.cosigned >= world.rule.witnesses and not is_rejected(world) and full in set(seatings(world))


def names_of(sign_offs_):
    return [sign_off.sign_off_id for sign_off in sign_offs_]


@given(worlds())
@settings(max_examples=600, deadline=None)
def test_the_quorum_is_met_exactly_where_the_slow_judge_finds_a_seating(world):
    assert world.judge().is_met == slow_is_met(world)


@given(worlds())
@settings(max_examples=300, deadline=None)
def test_as_many_places_are_filled_as_any_seating_fills(world):
    assume(not is_rejected(world))
    assert len(world.judge().given) == max(sum(filled) for filled in seatings(world))


@given(worlds())
@settings(max_examples=300, deadline=None)
def test_what_is_given_counts_seats_nobody_twice_and_no_author_unless_the_tier_says_so_aloud(world):
    quorum = world.judge()
    assert all(counts(world, sign_off) for sign_off in quorum.given)
    assert is_seating(world, quorum.given)
    own = {BEHIND[s.person_id] for s in quorum.given if s.is_self or BEHIND[s.person_id] in authors_of(world)}
    assert set(quorum.self_approved) == own
    assert not own or world.rule.self_approval


@given(worlds())
@settings(max_examples=300, deadline=None)
def test_every_sign_off_is_told_of_once_unless_it_is_a_withdrawn_rejection(world):
    quorum = world.judge()
    told = names_of((*quorum.given, *quorum.spare, *quorum.accepted_risks, *quorum.expired, *(v.sign_off for v in quorum.void)))
    told += names_of(barred.sign_off for barred in quorum.barred)
    assert len(told) == len(set(told))
    silent = set(names_of(world.sign_offs)) - set(told) - set(names_of(quorum.rejections))
    assert {sign_off.meaning for sign_off in world.sign_offs if sign_off.sign_off_id in silent} <= {"rejected"}


@given(worlds(), st.data())
@settings(max_examples=400, deadline=None)
def test_taking_something_away_never_makes_it_met(world, data):
    assume(not world.judge().is_met)
    takeable = [sign_off for sign_off in world.sign_offs if sign_off.meaning != "rejected"]
    changed = [replace(world, sign_offs=tuple(s for s in world.sign_offs if s is not gone)) for gone in takeable]
    person = data.draw(st.sampled_from(world.people))
    others = tuple(other for other in world.people if other is not person)
    for lesser in (replace(person, is_active=False), *(replace(person, roles=person.roles - {role}) for role in person.roles)):
        changed.append(replace(world, people=(*others, lesser)))
    changed.append(replace(world, work=(*world.work, Authorship(data.draw(st.sampled_from(list(BEHIND))), "run", "r"))))
    changed.append(replace(world, cosigned=0))
    assert not any(less.judge().is_met for less in changed)


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_the_order_in_which_sign_offs_work_and_people_are_given_makes_no_difference(world):
    turned = replace(world, sign_offs=world.sign_offs[::-1], people=world.people[::-1], work=world.work[::-1])
    assert turned.judge().to_json()["given"] == world.judge().to_json()["given"]
    assert turned.judge().missing == world.judge().missing


def test_generated_worlds_are_met_and_not_met_often_enough_to_tell_something():
    met = []

    @given(worlds())
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    def count(world):
        met.append(world.judge().is_met and world.rule.validators + world.rule.approvers > 0)

    count()
    assert 0.05 < sum(met) / len(met) < 0.95
