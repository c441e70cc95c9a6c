"""The acts that a random history of the guarded path is made of: whatever is tried, cut off or done by two at once.

A step is an act by somebody who may or may not do it, a crash in the middle of one, two actors at once, or the clock being set.
"""

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from incumbent.base.errors import Conflict, IncumbentError, Refused
from incumbent.ledger.note import key_name
from incumbent.usecases.archive import archive
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.people import change_person
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.tiers import assess_tier, set_tiers
from simulation.guarded_authority import DEFAULT, Slot
from simulation.guarded_authority import rule as tier_rule
from simulation.guarded_machine import POLICIES, GuardedMachine
from simulation.guarded_world import PEOPLE, Host, add_run

SLOTS = ("m/eu", "m/us")
FACTORS = (1.1, 1.3, 1.5, 1.7, 1.8, 1.9, 2.1, 4.5)
WHO = st.sampled_from([*PEOPLE, "bot", "omar@example.com", "nobody"])
WRITERS = ("dev@example.com", "petra@example.com", "stranger@example.com")
FUSE = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 90))
SIGNERS = (("rita", "validator"), ("vera", "validator"), ("omar", "approver"), ("petra", "approver"), ("vera", "approver"))
SIGNING = st.one_of(st.just(SIGNERS), st.lists(st.sampled_from(SIGNERS), max_size=3, unique=True))
BETWEEN = st.sampled_from([None, None, None, "policy", "policy", "laxer", "leaves", "finding", "days"])
LEVELS = {1: ("high", "high", "medium"), 2: ("medium", "medium", "high"), 3: ("medium", "medium", "medium"), 4: ("low", "low", "low")}
TEXTS = (*POLICIES, *POLICIES, next(iter(POLICIES)))


def tiers_text(rules):
    lines = ["unassessed = 2"]
    for tier, asked in rules.items():
        cells = [f"{name} = {str(value).lower()}" for name, value in asked.items()]
        lines += [f"[tier.{tier}]", *cells]
    return "\n".join(lines)


TIERS = (
    tiers_text(DEFAULT),
    tiers_text(
        {1: tier_rule(1, 2, 30, groups=True, back=1), 2: tier_rule(1, 1, 60, back=1), 3: tier_rule(0, 1, 90), 4: tier_rule(0, 0, 90)}
    ),
    tiers_text({1: tier_rule(1, 2, 9), 2: tier_rule(1, 1, 9), 3: tier_rule(0, 1, 365, own=True), 4: tier_rule(0, 0, 365, own=True)}),
)


class Histories(GuardedMachine):
    # Acts.

    @initialize(factors=st.lists(st.sampled_from(FACTORS), min_size=2, max_size=4), depth=st.integers(0, 3))
    def begin_with_a_few_versions(self, factors, depth):
        for model in "mn":  # so that the built-in policy, which has no arithmetic, never holds
            self.attempt("rita", self.told("policy", lambda ws, model=model: set_policy(ws, target=model, text=TEXTS[0])))
        for number, factor in enumerate(factors):
            self.register("dev", "m" if number < 3 else "n", factor, SLOTS[number == 2], None, "dev", [])
        for factor in (1.3, 1.5, 1.7)[:depth]:
            self.bring_a_new_one_forward(factor, SLOTS[0], SIGNERS[1:3], None)

    @rule(
        who=st.one_of(st.just("dev"), WHO), model=st.sampled_from("mmmn"), factor=st.sampled_from(FACTORS), slot=st.sampled_from(SLOTS),
        fuse=FUSE, ran=WHO, wrote=st.lists(st.sampled_from(WRITERS), max_size=1),
    )  # fmt: skip
    def register(self, who, model, factor, slot, fuse, ran, wrote):
        self.runs += 1
        run = add_run(self.ws, self.world, f"run-{self.runs:06}", factor=factor, actor=ran, addresses=wrote)

        def act(ws):
            version = register(ws, model=model, run=run, artifact="model", slot=slot)
            assert f"{model}@{version.version}" not in self.names

        self.attempt(
            who, self.told("register", act), fuse, may=lambda: self.book.can_record(self.world.time) and self.book.may(who, "register")
        )
        for name in self.book.versions.keys() - set(self.names):
            self.names.append(name)
            self.factors[name] = factor

    @precondition(lambda self: self.names)
    @rule(data=st.data(), slot=st.sampled_from(SLOTS), who=WHO, fuse=FUSE)
    def propose(self, data, slot, who, fuse):
        name = data.draw(st.sampled_from(self.names))
        self.attempt(who, self.told("propose", lambda ws: propose(ws, **self.which(name), slot=slot)), fuse)

    @rule(who=WHO, whose=st.sampled_from(["m", "m", "n", "tier-2"]), place=st.integers(0, 4), fuse=FUSE)
    def set_policy(self, who, whose, place, fuse):
        self.attempt(who, self.told("policy", lambda ws: set_policy(ws, target=whose, text=TEXTS[place])), fuse)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), slot=st.sampled_from(SLOTS), who=WHO, fuse=FUSE)
    def evaluate(self, data, slot, who, fuse):
        name = data.draw(st.sampled_from(self.names))
        self.attempt(who, self.told("evaluate", lambda ws: evaluate(ws, Host(self.world), **self.which(name), slot=slot)), fuse)

    @precondition(lambda self: self.book.evidence)
    @rule(data=st.data(), who=WHO, seat=st.sampled_from(["validator", "approver"]), fuse=FUSE,
          meaning=st.sampled_from([None, None, None, "rejected", "accepted-risk"]))  # fmt: skip
    def sign(self, data, who, seat, meaning, fuse):
        name, slot = data.draw(st.sampled_from(sorted(self.book.evidence)))
        meant = None if (seat, meaning) == ("validator", "accepted-risk") else meaning
        self.sign_as(who, name, slot, seat, fuse, meant)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), slot=st.sampled_from(SLOTS), who=WHO, fuse=FUSE)
    def promote(self, data, slot, who, fuse):
        self.promote_as(who, data.draw(st.sampled_from(self.names)), slot, fuse)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), slot=st.sampled_from(SLOTS), signers=SIGNING, between=BETWEEN)
    def bring_forward(self, data, slot, signers, between):
        """Everybody does what is theirs to do, so that histories get as far as Production often; or something comes in between."""
        self.bring(self.draw_candidate(data, slot), slot, signers, between)

    @rule(factor=st.sampled_from(FACTORS), slot=st.sampled_from(SLOTS), signers=SIGNING, between=BETWEEN)
    def bring_a_new_one_forward(self, factor, slot, signers, between):
        known = set(self.names)
        self.register("dev", "m", factor, slot, None, "dev", [])
        for name in set(self.names) - known:
            self.bring(name, slot, signers, between)

    def bring(self, name, slot, signers, between):
        self.make_ready(name, slot, signers)
        match between:
            case "policy":
                self.set_policy("rita", name.split("@")[0], 0, None)
            case "laxer":
                self.assess("omar", name.split("@")[0], 4, None)
            case "leaves":
                self.change_person("omar", False, True, "ada", None)
            case "finding":
                self.open_finding("ben", slot, True)
            case "days":
                self.let_days_pass(100)
        self.promote_as("olga", name, slot)

    @rule(data=st.data(), slot=st.sampled_from(SLOTS), who=st.sampled_from(["olga", "otto", "dev"]), is_glass=st.booleans(), fuse=FUSE)
    def roll_back(self, data, slot, who, is_glass, fuse):
        past = sorted(self.book.slots.get(slot, Slot()).promoted)
        to = data.draw(st.sampled_from([None, None, *past]))
        self.roll_back_as(who, slot, to, is_glass, fuse)

    @precondition(lambda self: any(map(self.book.roll_back_target, SLOTS)))
    @rule(data=st.data(), is_glass=st.booleans(), fuse=FUSE)
    def go_back_where_there_is_a_way(self, data, is_glass, fuse):
        self.world.time = max(self.world.time, self.book.last_at)
        slot = data.draw(st.sampled_from([name for name in SLOTS if self.book.roll_back_target(name)]))
        self.roll_back_as("olga", slot, None, is_glass, fuse)

    @precondition(lambda self: any(slot.live for slot in self.book.slots.values()))
    @rule(data=st.data(), signers=SIGNING, between=BETWEEN)
    def replace_what_is_live_by_a_better_one(self, data, signers, between):
        slot = data.draw(st.sampled_from([name for name in SLOTS if self.book.slots.get(name, Slot()).live]))
        off = abs(self.factors[self.book.slots[slot].live] - 2)
        self.bring_a_new_one_forward(2 - off + 0.2, slot, signers, between)

    @precondition(lambda self: self.book.slots)
    @rule(data=st.data(), who=WHO, fuse=FUSE)
    def archive(self, data, who, fuse):
        slot = data.draw(st.sampled_from(sorted(self.book.slots)))
        name, status = data.draw(st.sampled_from(sorted(self.book.slots[slot].statuses.items())))

        def may():
            act = {"Staging": "reject", "Production": "archive"}.get(status)
            return act is not None and self.book.can_record(self.world.time) and self.book.may(who, act)

        self.attempt(who, self.told("archive", lambda ws: archive(ws, **self.which(name), slot=slot, reason="worn out")), fuse, may=may)

    @rule(who=st.sampled_from(["omar", "ann", "rita", "dev"]), model=st.sampled_from("mn"), tier=st.integers(1, 4), fuse=FUSE)
    def assess(self, who, model, tier, fuse):
        exposure, purpose, inherent = LEVELS[tier]
        act = self.told(
            "assess", lambda ws: assess_tier(ws, model=model, exposure=exposure, purpose=purpose, inherent=inherent, reason="so it is")
        )
        self.attempt(who, act, fuse)

    @rule(who=st.sampled_from(["omar", "omar", "ann", "petra", "dev"]), place=st.integers(0, 2))
    def set_tiers(self, who, place):
        self.attempt(who, self.told("tiers", lambda ws: set_tiers(ws, text=TIERS[place])))

    @rule(
        person=st.sampled_from(sorted(PEOPLE)),
        is_active=st.booleans(),
        has_roles=st.booleans(),
        by=st.sampled_from(["ada", "ada", "otto", "ann", "petra", "ben"]),
        fuse=FUSE,
        is_admin=st.sampled_from([False, False, True]),
    )
    def change_person(self, person, is_active, has_roles, by, fuse, is_admin=False):
        roles = [*(PEOPLE[person] if has_roles else ["auditor"]), *(["admin"] if is_admin else [])]
        self.attempt(by, self.told("person", lambda ws: change_person(ws, person=person, is_active=is_active, roles=roles)), fuse)

    @rule(
        person=st.sampled_from(["vera", "omar", "olga", "rita"]),
        is_new=st.booleans(),
        by=st.sampled_from(["ada", "ada", "otto", "petra"]),
        fuse=FUSE,
    )
    def change_keys(self, person, is_new, by, fuse):
        good = [name for name, key in self.book.keys.items() if key["person_id"] == person and key["revoked_at"] is None]
        if is_new:
            name = f"{person}-{len(self.ws.keys.list_names())}"
            self.attempt(person, self.told("key", lambda ws: new_key(ws, person=person, name=name)), fuse)
            self.attempt(by, self.told("bind", lambda ws: bind_key(ws, key=person)), fuse)
        elif good:
            self.attempt("ada", self.told("key", lambda ws: revoke_key(ws, key=good[0], reason="lost")), fuse)

    @rule(person=st.sampled_from(["vera", "omar", "rita"]), is_bound_again=st.booleans())
    def be_an_admin_for_a_while(self, person, is_bound_again):
        """An admin's own key is bound as it is made, and they stop being one; another admin may look at it then, and bind it again."""
        self.change_person(person, True, True, "ada", None, is_admin=True)
        name = f"{person}-{len(self.ws.keys.list_names())}"
        self.attempt(person, self.told("key", lambda ws: new_key(ws, person=person, name=name)))
        self.change_person(person, True, True, "ada", None)
        if is_bound_again and name in self.ws.keys.list_names():
            key = key_name(self.ws.keys.find(name))
            self.attempt("ada", self.told("bind", lambda ws: bind_key(ws, key=key)))

    @rule(who=WHO, subject=st.sampled_from([*SLOTS, "m"]), blocks=st.booleans())
    def open_finding(self, who, subject, blocks):
        self.attempt(who, self.told("finding", lambda ws: open_finding(ws, subject=subject, title="odd", blocks=blocks)))

    @precondition(lambda self: any(finding["state"] == "open" for finding in self.book.findings.values()))
    @rule(who=st.sampled_from(["vera", "rita", "petra", "olga"]), fuse=FUSE)
    def close_finding(self, who, fuse):
        name = next(name for name, finding in self.book.findings.items() if finding["state"] == "open")
        self.attempt(who, self.told("close", lambda ws: close_finding(ws, finding=name, resolution="mended")), fuse)

    @rule(days=st.sampled_from([1, 8, 40, 100]))
    def let_days_pass(self, days):
        self.world.time += timedelta(days=days)

    @rule(seconds=st.sampled_from([1.5, 2.0, 3.0, 86_400.0]))
    def set_the_clock_back(self, seconds):
        self.world.time -= timedelta(seconds=seconds)

    @precondition(lambda self: self.names)
    @rule(data=st.data(), is_damaged=st.booleans())
    def damage_or_mend_a_bundle(self, data, is_damaged):
        name = data.draw(st.sampled_from(self.names))
        self.world.damaged = {self.book.versions[name]["bundle"]["digest"]} if is_damaged else set()

    # Two at once.

    @precondition(lambda self: len(self.names) > 1)
    @rule(data=st.data(), slot=st.sampled_from(SLOTS), first=st.sampled_from(["promote", "roll-back"]),
          second=st.sampled_from(["promote", "roll-back", "archive", "policy", "reject"]))  # fmt: skip
    def two_at_once(self, data, slot, first, second):
        """The second acts while the first is reading the bundle. Where the second moved the slot, the first may not succeed."""
        mine, theirs = self.draw_candidate(data, slot), self.draw_candidate(data, slot)
        self.world.damaged = set()
        for name in dict.fromkeys([theirs, mine]):
            self.make_ready(name, slot, SIGNERS)
        acts = {
            "promote": lambda ws, name: promote(ws, **self.which(name), slot=slot, reason="first"),
            "roll-back": lambda ws, _: roll_back(ws, slot=slot, reason="back", break_glass=True),
            "archive": lambda ws, _: archive(ws, **self.which(self.book.slots[slot].live), slot=slot, reason="stop"),
            "policy": lambda ws, name: set_policy(replace(ws, actor="rita"), target=name.split("@")[0], text=TEXTS[1]),
            "reject": lambda ws, _: archive(replace(ws, actor="rita"), **self.which(mine), slot=slot, reason="no"),
        }
        if second == "archive" and not self.book.slots.get(slot, Slot()).live:
            return
        outcomes = []

        def meanwhile():
            self.world.time += timedelta(seconds=1)
            try:
                acts[second](replace(self.ws, actor="otto"), theirs)
                outcomes.append("done")
            except IncumbentError as error:
                outcomes.append(type(error).__name__)

        def act(ws):
            self.world.meanwhile = meanwhile
            acts[first](ws, mine)

        self.raced = True
        before = len(self.leaves)
        try:
            error = self.attempt("olga", self.told(f"{first} against {second}", act))
        finally:
            self.raced = False
        moved = [
            entry
            for entry in map(json.loads, self.leaves[before:])
            if entry["to"] == "Production" and entry["act"] != "refuse" and entry["object"]["id"].startswith(f"{slot} ")
        ]
        assert len(moved) <= 1, "both went live"
        if outcomes == ["done"] and second != "policy" and (first, second) != ("roll-back", "reject"):  # those move nothing of the slot
            assert isinstance(error, Conflict | Refused), f"{second} was done, and then {first} came to {error!r}"


def run_machine(machine, examples, steps, **more):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck), database=None, **more
        ),
    )
