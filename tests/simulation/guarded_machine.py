"""The machine under the histories of the guarded path: how a step is done, and what is checked after each."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from incumbent.base.errors import Corrupt, IncumbentError, Refused
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.live import get_live
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from simulation.guarded_authority import Slot
from simulation.guarded_book import Book, check_note
from simulation.guarded_world import Host, PowerCut, open_world

POLICIES = {
    f'format = 1\n[primary]\nmetric = "mae"\nmethod = "points"\nmargin = {margin}\nlabel = "y_true"\noutput = "y"\n[[guardrail]]\n'
    f'metric = "mae"\nceiling = 6.0\n[holdout]\nname = "frozen"\nlooks_max = {looks}\n': {"margin": margin, "looks_max": looks}
    for margin, looks in ((0.2, 500), (0.5, 500), (0.2, 4))
}
"""Text -> what it means."""


class GuardedMachine(RuleBasedStateMachine):
    """What every history has: a world, a second opinion, and the checks after each step.

    Attributes:
        folder: For the product's scratch files.
        counts: "act: outcome" -> how often, over all histories.
        raced: Two act at once, so what one of them meets is not told from what was there before.
    """

    folder: ClassVar = None
    counts: ClassVar = {}
    raced = False

    def __init__(self):
        super().__init__()
        self.world, self.ws = open_world(self.folder)
        self.book = Book(POLICIES)
        self.leaves, self.names, self.factors, self.runs = [], [], {}, 0
        self.read()

    # Reading what is new, and holding what is there against it.

    def read(self):
        """Take in the new entries and their documents, which name each other by digest."""
        rows = self.world.rows("SELECT seq, body FROM ledger_entries WHERE seq >= ? ORDER BY seq", len(self.leaves))
        documents = {
            seq: (digest, bytes(body))
            for seq, digest, body in self.world.rows("SELECT seq, digest, body FROM records WHERE seq >= ?", len(self.leaves))
        }
        new = []
        self.book.now = self.world.time
        for seq, data in rows:
            entry = json.loads(bytes(data))
            assert entry["seq"] == seq == len(self.leaves)
            digest, body = documents.pop(seq, (None, None))
            assert body is None or entry["object"]["digest"] == digest
            self.leaves.append(bytes(data))
            self.book.read(entry, None if body is None else json.loads(body))
            new.append(entry)
            self._check_gate(entry, body)
        assert not documents, "a document stands on no entry"
        return new

    def _check_gate(self, entry, body):
        """The gate's outcome is arithmetic here, so it is checked where it is recorded."""
        if entry["object"]["kind"] == "evidence" and not self.raced:
            told = json.loads(body)
            name = f"{told['model']}@{told['version']}"
            passed = self.book.judge_gate(name, told["slot"], told["champion"], self.book.looks, self.factors)
            assert (told["verdict"]["outcome"] == "passed") is passed, told["verdict"]

    @invariant()
    def the_ledger_is_whole_and_checkpointed(self):
        stored = [bytes(body) for (body,) in self.world.rows("SELECT body FROM ledger_entries ORDER BY seq")]
        assert stored == self.leaves, "an entry changed"
        [(note,)] = self.world.rows("SELECT note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1")
        check_note(note, json.loads(self.leaves[0])["log"], self.leaves)

    @invariant()
    def the_registry_is_what_the_entries_tell(self):
        assert reconcile(self.ws).differences == ()
        rows = self.world.rows("SELECT slot, model, version, status FROM placements WHERE is_current = 1")
        there = {(slot, f"{model}@{version}"): status for slot, model, version, status in rows}
        assert there == {(name, version): status for name, slot in self.book.slots.items() for version, status in slot.statuses.items()}
        for name, slot in self.book.slots.items():
            assert [version for version, status in slot.statuses.items() if status == "Production"] == [slot.live] * bool(slot.live)
            live = get_live(self.ws, name)
            assert (live.live and f"{live.live.model}@{live.live.version}") == slot.live
            target = live.roll_back_to and f"{live.roll_back_to[0]}@{live.roll_back_to[1]}"
            assert target == self.book.roll_back_target(name), "the way back is another"

    def teardown(self):
        self.world.fuse = None
        verification = verify_ledger(self.ws)
        assert verification.is_sound, [check for check in verification.checks if check.outcome == "failed"]

    # Doing things.

    def attempt(self, who, act, fuse=None, *, may=None):
        """Do an act as somebody, with power for so many statements; return the exception, or None. `may` says what must come of it."""
        self.world.time += timedelta(seconds=1)
        allowed = None if may is None else may()
        photo = self.world.committed = self.world.photograph()
        self.world.fuse = fuse
        error = None
        try:
            act(replace(self.ws, actor=who))
        except PowerCut as cut:
            error = cut
        except IncumbentError as refused:
            error = refused
        finally:
            self.world.fuse = self.world.meanwhile = None
        after = self.world.photograph()
        if isinstance(error, PowerCut):
            assert after == self.world.committed, "a transaction that was cut off left something"
        new = self.read()
        kinds = [(entry["act"], entry["object"]["kind"]) for entry in new]
        if isinstance(error, Refused | Corrupt) and not self.raced:  # damaged bytes are an attempt, too
            assert kinds, f"a refusal that nobody recorded: {error}"
            assert kinds[-1][0] == "refuse", f"a refusal that nobody recorded: {error}"
            assert set(kinds[:-1]) <= {("evaluate", "look")}, "a refused attempt changed something"
        elif error is not None and not isinstance(error, PowerCut) and not self.raced:
            told = {kind for kind in kinds if isinstance(error, Corrupt) and kind[0] == "refuse"}  # bytes that changed are an entry too
            assert set(kinds) <= {("evaluate", "look"), *told}, f"{error} changed something"
            assert kinds or photo == after
        if allowed is not None and not isinstance(error, PowerCut):
            assert (error is None) is allowed, f"{who}: allowed is {allowed}, and it came to {error!r}"
        key = f"{getattr(act, 'told', 'act')}: {'done' if error is None else type(error).__name__}"
        self.counts[key] = self.counts.get(key, 0) + 1
        return error

    def told(self, word, act):
        act.told = word
        return act

    def which(self, name):
        model, number = name.split("@")
        return {"model": model, "version": int(number)}

    # What several rules do.

    def sign_as(self, who, name, slot, seat, fuse=None, meaning=None):
        def act(ws):
            sign_off(ws, **self.which(name), slot=slot, capacity=seat, meaning=meaning, comment="why" if meaning else "")

        def may():
            book, person = self.book, self.book.acting(who)[0]
            right = "validate" if seat == "validator" else "approve"
            is_own = person in book.authors(name, slot) or book.is_lowerer(person, name, slot)
            is_dependent = "admin" in book.acting(who)[1] or book.is_vouched_by_authors(person, None, name, slot)
            is_own = is_own or (meaning != "rejected" and is_dependent)
            is_free = not is_own or book.rule_of(name, slot)["self_approval"]
            return book.can_record(self.world.time) and book.may(who, right) and is_free and book.has_key(who)

        return self.attempt(who, self.told("sign", act), fuse, may=may)

    def promote_as(self, who, name, slot, fuse=None):
        def act(ws):
            promote(ws, **self.which(name), slot=slot, reason="better")

        def may():
            return self.which_is_whole(name) and self.book.may_promote(who, name, slot, self.world.time)

        return self.attempt(who, self.told("promote", act), fuse, may=may)

    def which_is_whole(self, name):
        return self.book.versions[name]["bundle"]["digest"] not in self.world.damaged

    def draw_candidate(self, data, slot):
        waiting = [name for name, status in self.book.slots.get(slot, Slot()).statuses.items() if status == "Staging"]
        return data.draw(st.sampled_from(waiting or self.names))

    def make_ready(self, name, slot, signers):
        self.world.time = max(self.world.time, self.book.last_at)
        if self.book.slots.get(slot, Slot()).statuses.get(name, "None") == "None":
            self.attempt("dev", self.told("propose", lambda ws: propose(ws, **self.which(name), slot=slot)))
        self.attempt("dev", self.told("evaluate", lambda ws: evaluate(ws, Host(self.world), **self.which(name), slot=slot)))
        if (name, slot) in self.book.evidence:
            for who, seat in signers:
                self.sign_as(who, name, slot, seat)

    def roll_back_as(self, who, slot, to, is_glass, fuse=None):
        def act(ws):
            named = None if to is None else tuple(self.which(to).values())
            roll_back(ws, slot=slot, reason="complaints", to=named, break_glass=is_glass)

        def may():
            target = to or self.book.roll_back_target(slot)
            is_there = target is not None and self.which_is_whole(target)
            return is_there and self.book.may_roll_back(who, slot, target, self.world.time, is_glass=is_glass)

        return self.attempt(who, self.told("break-glass" if is_glass else "roll-back", act), fuse, may=may)
