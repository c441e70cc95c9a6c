"""Random histories of people, tokens and sessions, beside a second opinion that keeps three sets and knows none of our code."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incumbent.base.errors import Refused
from incumbent.usecases.accounts import change_password, end_sessions
from incumbent.usecases.admission import admit_session, admit_token, note_use, read_register
from incumbent.usecases.guessing import TooManyAttempts
from incumbent.usecases.people import change_person
from incumbent.usecases.sessions import log_in, log_out
from incumbent.usecases.tokens import new_token, revoke_token
from logins import CHEAP, PASSWORD, SERVICE, MovedClock, as_person, open_people, set_password

PEOPLE = ["dev", "val"]
OWNERS = {"dev": "dev", "val": "val", SERVICE: "dev"}
ROLE_SETS = [["developer"], ["validator"], ["auditor"], []]


@dataclass
class Opinion:
    """What should be so: who is active, with which roles; which secrets are alive, until when, and whose."""

    active: set[str] = field(default_factory=lambda: {"dev", "val", SERVICE})
    tokens: dict[str, tuple[str, object]] = field(default_factory=dict)
    sessions: dict[str, tuple[str, object, object]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    def drop(self, person: str) -> None:
        """What deactivating somebody ends: theirs, and the tokens of what they answer for."""
        self.dead |= {secret for secret, (whose, _) in self.tokens.items() if OWNERS[whose] == person or whose == person}
        self.dead |= {secret for secret, (whose, *_) in self.sessions.items() if whose == person}

    def forget_sessions(self, person: str) -> None:
        self.dead |= {secret for secret, (whose, *_) in self.sessions.items() if whose == person}


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.clock = MovedClock()
        self.ws = open_people(Path(self.folder.name), self.clock)
        for person in PEOPLE:
            set_password(self.ws, person)
        self.passwords = dict.fromkeys(PEOPLE, PASSWORD)
        self.opinion = Opinion()
        self.register = None

    def teardown(self):
        if hasattr(self, "ws"):
            self.ws.store.close()
            self.folder.cleanup()

    @rule(person=st.sampled_from([*PEOPLE, SERVICE]), days=st.integers(1, 3))
    def make_token(self, person, days):
        try:
            made = new_token(self.ws if person == SERVICE else as_person(self.ws, person), person=person, name="t", days=days)
        except Refused:
            assert not {person, OWNERS[person]} <= self.opinion.active
        else:
            assert {person, OWNERS[person]} <= self.opinion.active
            self.opinion.tokens[made.secret] = (person, self.clock.at + timedelta(days=days))

    @precondition(lambda self: self.opinion.tokens)
    @rule(data=st.data())
    def revoke(self, data):
        secret = data.draw(st.sampled_from(sorted(self.opinion.tokens)))
        with suppress(Refused):  # revoked before
            revoke_token(self.ws, token=secret)
        self.opinion.dead.add(secret)

    @rule(person=st.sampled_from([*PEOPLE, SERVICE]))
    def deactivate(self, person):
        change_person(self.ws, person=person, is_active=False)
        self.opinion.active.discard(person)
        self.opinion.drop(person)
        self.clock.move(seconds=1)

    @rule(person=st.sampled_from([*PEOPLE, SERVICE]))
    def activate(self, person):
        change_person(self.ws, person=person, is_active=True)
        self.opinion.active.add(person)

    @rule(person=st.sampled_from(PEOPLE), roles=st.sampled_from(ROLE_SETS))
    def change_roles(self, person, roles):
        change_person(self.ws, person=person, roles=roles)
        self.roles = {**getattr(self, "roles", {}), person: set(roles)}

    @rule(person=st.sampled_from(PEOPLE), is_right=st.booleans())
    def enter(self, person, is_right):
        password = self.passwords[person] if is_right else "wrong password"
        try:
            session = log_in(self.ws, passwords=CHEAP, name=person, password=password, address=f"{self.clock.at}")
        except TooManyAttempts:
            pass  # five wrong ones in a row
        except Refused:
            assert not is_right or person not in self.opinion.active
        else:
            assert is_right
            assert person in self.opinion.active
            self.opinion.sessions[session.secret] = (person, self.clock.at, self.clock.at + timedelta(days=1))
        self.clock.move(seconds=1)

    @precondition(lambda self: self.opinion.sessions)
    @rule(data=st.data())
    def leave(self, data):
        secret = data.draw(st.sampled_from(sorted(self.opinion.sessions)))
        log_out(self.ws, secret=secret)
        self.opinion.dead.add(secret)

    @rule(person=st.sampled_from(PEOPLE))
    def change_a_password(self, person):
        if person in self.opinion.active:
            new = f"another horse {len(self.passwords[person]) % 7}{self.clock.at.microsecond}"
            change_password(as_person(self.ws, person), passwords=CHEAP, old=self.passwords[person], new=new)
            self.passwords[person] = new
            self.opinion.forget_sessions(person)

    @rule(person=st.sampled_from(PEOPLE))
    def throw_out(self, person):
        end_sessions(self.ws, person=person)
        self.opinion.forget_sessions(person)

    @rule(minutes=st.sampled_from([1, 30, 119, 120, 1440]))
    def wait(self, minutes):
        self.clock.move(minutes=minutes)

    @invariant()
    def whoever_should_come_in_does_and_nobody_else(self):
        if not hasattr(self, "opinion"):
            return
        now, opinion = self.clock.at, self.opinion
        for secret, (person, expires_at) in opinion.tokens.items():
            is_alive = secret not in opinion.dead and now < expires_at and person in opinion.active and OWNERS[person] in opinion.active
            assert self._comes_in(admit_token, secret) == (person if is_alive else None), (person, is_alive)
        for secret, (person, seen_at, expires_at) in list(opinion.sessions.items()):
            is_alive = secret not in opinion.dead and now < expires_at and now < seen_at + timedelta(hours=2) and person in opinion.active
            assert self._comes_in(admit_session, secret) == (person if is_alive else None), (person, is_alive)
            if is_alive and now - seen_at >= timedelta(minutes=5):
                opinion.sessions[secret] = (person, now, expires_at)

    def _comes_in(self, admit, secret):
        with self.ws.store.begin(read_only=True) as tx:
            self.register = read_register(tx, self.register)  # the cache of a running server, over the whole history
            try:
                admission = admit(tx, self.register, secret, self.clock.at)
            except Refused:
                return None
        if admission.stale:
            note_use(self.ws, admission=admission, now=self.clock.at)
        known = getattr(self, "roles", {}).get(admission.person.person_id)
        assert known is None or admission.person.roles == known
        return admission.person.person_id


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
