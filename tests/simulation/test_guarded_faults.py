"""Faults planted in the product: the histories of the guarded path find each, so that what they pass means something."""

from dataclasses import replace
from inspect import isfunction

import pytest
from hypothesis import Phase

from incumbent.usecases import live, readiness, recording, signing, standing, tier_in_force
from incumbent.usecases import promote as promoting
from simulation.guarded_histories import SIGNERS, SLOTS, Histories, run_machine
from simulation.guarded_world import Fuse, PowerCut


def quorum_of_nobody(patch):
    judged = readiness.judge_quorum
    patch.setattr(readiness, "judge_quorum", lambda *given, **named: replace(judged(*given, **named), missing=(), rejections=()))


def superseding_forgotten(patch):
    moved = promoting.move

    def move(ws, tx, *, act, slot, **named):
        if act == "supersede":
            return replace(tx.registry.find_live(slot), since_at=ws.clock.now())
        return moved(ws, tx, act=act, slot=slot, **named)

    patch.setattr(promoting, "move", move)


def evidence_of_another_policy(patch):
    judged = readiness._judge_evidence

    def judge(version, slot, *, policy, evidence, **named):
        same = policy if evidence is None else replace(policy, digest=evidence.policy, seq=evidence.policy_entry)
        return judged(version, slot, policy=same, evidence=evidence, **named)

    patch.setattr(readiness, "_judge_evidence", judge)


def refusals_untold(patch):
    patch.setattr(recording, "_record_refusal", lambda *_: None)


def transactions_in_halves(patch):
    def execute(self, *arguments):
        try:
            self._world.burn()
        except PowerCut:
            self._cursor.execute("COMMIT")
            raise
        return self._cursor.execute(*arguments)

    patch.setattr(Fuse, "execute", execute)


def the_way_back_to_the_first(patch):
    patch.setattr(
        live, "find_target", lambda history: next(iter([(p.model, p.version) for p in history if p.status == "Production"][::-1]), None)
    )


def authors_lower_what_is_asked_of_them(patch):
    patch.setattr(tier_in_force, "_bar", lambda *_: lambda _: False)


def a_former_admins_own_word_counts(patch):
    for module in (standing, signing):
        patch.setattr(module, "find_own_word", lambda *_, **__: "")


NEW = "bring_a_new_one_forward"
FAULTS = {
    quorum_of_nobody: ("no quorum|rejection stands|allowed is False", {"bring_forward"}),
    superseding_forgotten: ("allowed is True, and it came to Conflict", {NEW}),
    evidence_of_another_policy: ("another policy|allowed is False", {"bring_forward"}),
    refusals_untold: ("a refusal that nobody recorded", {"register"}),
    transactions_in_halves: ("left something|changed something|nobody signed", {"register"}),
    the_way_back_to_the_first: ("the way back is another", {NEW, "archive"}),
}
"""Fault -> what finds it, and the acts that it lies in: of these alone it takes a few histories, of all of them a few hundred."""


def keep_to(machine, acts):
    """Return the machine with these acts only; the others are still there for them to call."""

    def plain(method):
        def call(self, *given, **named):
            return method(self, *given, **named)

        return call

    kept = {"begin_with_a_few_versions", *acts}
    others = {name: plain(method) for name, method in vars(Histories).items() if isfunction(method) and name not in kept}
    return type(machine.__name__, (machine,), others)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_histories_find_a_fault_that_is_planted(machine, monkeypatch, fault):
    words, acts = FAULTS[fault]
    fault(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        run_machine(keep_to(machine, acts), 100, 8, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


def somebody_assesses_a_model_down_and_becomes_its_author(history):
    history.begin_with_a_few_versions([], 0)
    history.register("dev", "m", 1.1, SLOTS[0], None, "dev", [])
    history.assess("ann", "m", 4, None)
    history.register("dev", "m", 1.3, SLOTS[0], None, "ann", [])  # from here on ann is an author
    history.bring(history.names[-1], SLOTS[0], (), None)


def somebody_signs_with_a_key_that_only_they_bound(history):
    history.begin_with_a_few_versions([], 0)
    history.be_an_admin_for_a_while("omar", False)
    history.register("dev", "m", 1.3, SLOTS[0], None, "dev", [])
    history.bring(history.names[-1], SLOTS[0], SIGNERS[1:3], None)


@pytest.mark.parametrize(
    ("fault", "walk", "words"),
    [
        (authors_lower_what_is_asked_of_them, somebody_assesses_a_model_down_and_becomes_its_author, "promoted m@2: no quorum"),
        (a_former_admins_own_word_counts, somebody_signs_with_a_key_that_only_they_bound, "allowed is False"),
    ],
)
def test_the_second_opinion_finds_a_fault_that_histories_come_upon_seldom(machine, monkeypatch, fault, walk, words):
    walk(machine())
    fault(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        walk(machine())
