"""Which risk tier a model is held to, and what that asks for: from the assessments and tier policies, of those who may say so.

Nobody lowers what is asked of their own model. Where somebody who had a hand in it assessed it, or set what the tiers ask for, what that
lowered does not count (`incumbent.governance.lowering`), whether they did so before they had a hand in it or after. Nor does the word of
somebody who is known here on an author's (`incumbent.governance.vouching`). Where nobody else had ever been an approver here, there was
nobody to ask, and it counts: an installation of one person says itself what it holds itself to.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, document_bytes
from incumbent.governance.assessment import Assessment, assessment_from_json
from incumbent.governance.independence import Authorship, authors
from incumbent.governance.lowering import Held, Setting, hold
from incumbent.governance.person import index_people, person_from_json
from incumbent.governance.tier import DEFAULT_TIER_POLICY, TierPolicy, TierRule, rule_of_asks, tier_policy_from_json
from incumbent.governance.vouching import find_author, list_vouchers
from incumbent.registry.grounds import UNGOVERNED_TIER
from incumbent.registry.slot import list_models_ever_live
from incumbent.usecases.authorship import list_all_authorships
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import list_people
from incumbent.usecases.standing import find_actor, read_vouching

_TIER = "tier"


@dataclass(frozen=True, slots=True)
class Tier:
    """The risk tier that a model is held to, by itself or in a slot.

    Attributes:
        assessment: None if nobody assessed it whose word counts.
        rule: What the tier asks for.
        digest: Of all that it was derived from: what a sign-off names.
        inherited_from: The other model whose tier it is, which was live in the slot before; "" where it is the model's own.
        lowered_by: Who set what the tier asks for, where that is less than it was before; "" otherwise.
        ignored: What somebody who had a hand in it lowered, and what of it does not count, in words.
    """

    number: int
    assessment: Assessment | None
    rule: TierRule
    digest: str
    inherited_from: str = ""
    lowered_by: str = ""
    ignored: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The tier as people read it; it begins with the number."""
        of = f", that of {self.inherited_from}, which was live in the slot" if self.inherited_from else ""
        held = "" if self.assessment else ", not assessed"
        return f"{self.number}{of}{held}{', self-approval allowed' if self.rule.self_approval else ''}"

    def list_authorships(self) -> list[Authorship]:
        """Return who set its thresholds: whoever lowered what the tier asks for, which they may not fill themselves then."""
        return [Authorship(self.lowered_by, "tier", f"what tier {self.number} asks for")] if self.lowered_by else []


def find_tiers(tx: Transaction) -> TierPolicy:
    """Return what each tier asks for."""
    record = tx.records.find("tiers", "tiers")
    return DEFAULT_TIER_POLICY if record is None else tier_policy_from_json(record.body)


def list_ever_live(tx: Transaction, slot: str | None) -> list[str]:
    """Return the models that were ever in Production in a slot, the newest first."""
    return [] if slot is None else list_models_ever_live(tx.registry.list_placements(slot))


def find_tier(tx: Transaction, model: str, slot: str | None = None) -> Tier:
    """Return the tier that a model is held to: assessed, or else what the policy says of models that nobody assessed.

    In a slot it is the strictest among the model and all that were ever in Production there: what depends on the slot depends on
    whatever answers in it, so another model's name does not make it less.
    """
    others = [name for name in list_ever_live(tx, slot) if name != model]
    is_barred = _bar(tx, (model, *others))
    policies = [(record.seq, tier_policy_from_json(record.body)) for record in tx.records.list_history("tiers", "tiers")]
    given = hold(
        {_TIER: -DEFAULT_TIER_POLICY.unassessed},
        [Setting(seq, find_actor(tx, seq), {_TIER: -policy.unassessed}) for seq, policy in policies],
        is_barred,
    )
    is_governed = bool(policies or list_people(tx))
    unassessed = -given.asks[_TIER] if is_governed else UNGOVERNED_TIER
    assessed = {name: _hold_assessments(tx, name, unassessed, is_barred) for name in (model, *others)}
    numbers = {name: -held.asks[_TIER] for name, (held, _) in assessed.items()}
    holder = min(numbers, key=lambda name: numbers[name])  # the model itself, of several
    number, (held, assessment) = numbers[holder], assessed[holder]
    rules = hold(
        DEFAULT_TIER_POLICY.rule_of(number).asks,
        [Setting(seq, find_actor(tx, seq), policy.rule_of(number).asks) for seq, policy in policies],
        is_barred,
    )
    rule = rule_of_asks(number, rules.asks)
    document: Document = {"tier": number, "assessment": assessment.to_json() if assessment else None, "rule": rule.to_json()}
    if others:
        document["slot"] = {name: {"tier": numbers[name], "is_assessed": assessed[name][1] is not None} for name in (model, *others)}
    return Tier(
        number,
        assessment,
        rule,
        digest_bytes(document_bytes(document), "sha256"),
        "" if holder == model else holder,
        _find_lowerer([rules, *([] if assessment or not is_governed else [given])]),
        tuple(_tell_ignored(number, holder, rules, held, given)),
    )


def _hold_assessments(tx: Transaction, model: str, unassessed: int, is_barred: Callable[[Setting], bool]) -> tuple[Held, Assessment | None]:
    history = [(record.seq, assessment_from_json(record.body)) for record in tx.records.list_history("tier", model)]
    held = hold({_TIER: -unassessed}, [Setting(seq, find_actor(tx, seq), {_TIER: -found.tier}) for seq, found in history], is_barred)
    return held, dict(history)[held.setting.seq] if held.setting else None


def _find_lowerer(held: Iterable[Held]) -> str:
    return next((one.setting.by for one in held if one.is_lowered and one.setting), "")


def _tell_ignored(number: int, holder: str, rules: Held, assessed: Held, unassessed: Held) -> Iterable[str]:
    settings = {one.seq: one for one in (*rules.ignored, *([] if assessed.setting else unassessed.ignored))}
    for seq, one in sorted(settings.items()):
        yield (
            f"{one.by} asked for less of a tier in ledger entry {seq}, and had a hand in {holder}, or is known here on the word of "
            f"somebody who had: it is held to what tier {number} asked for before; an approver who had none may set the tiers anew"
        )
    for one in assessed.ignored:
        yield (
            f"{one.by} put {holder} into tier {-one.asks[_TIER]} in ledger entry {one.seq}, and had a hand in it, or is known here on the "
            f"word of somebody who had: it stays in tier {number}; an approver who had none may assess it anew"
        )


def _bar(tx: Transaction, models: Sequence[str]) -> Callable[[Setting], bool]:
    """Return what says whether somebody's word may not lower what is asked of these models."""

    @cache
    def involved() -> frozenset[str]:
        return authors([work for model in models for work in list_all_authorships(tx, model)], list_people(tx))

    def is_barred(setting: Setting) -> bool:
        directory, vouching = index_people(list_people(tx)), read_vouching(tx)
        by = directory.accountable(setting.by)
        is_author = by in involved() or find_author(list_vouchers(vouching, by), involved(), directory) is not None
        return is_author and any(directory.accountable(name) != by for name in _list_approvers(tx, setting.seq))

    return is_barred


def _list_approvers(tx: Transaction, before: int) -> set[str]:
    """Return the ids of all who were ever approvers before an entry, also those who are none any more: there was another to ask."""
    history = tx.records.list_history("person")
    return {record.record_id for record in history if record.seq < before and "approver" in person_from_json(record.body).roles}
