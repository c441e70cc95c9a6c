"""Whether what a promotion or a roll-back names is there: judged from the ledger's entries, and the documents that they name.

A promotion was judged when it was made, on rows that somebody with access to the database could have changed for that moment. What
its entry rests on can be judged again for ever. Each entry that puts a version into Production and names anything is held to this:

1. Its evidence is an earlier evaluation of this bundle, version and slot, by this policy; it passed, and had not expired.
2. Its policy was set before that evidence, and was not replaced before the promotion; the built-in one has no entry, and holds only
   where the model has none of its own.
3. Each sign-off is an earlier one that is no rejection, names the same four digests, is about this version and slot, and had not
   expired. Nobody's newest judgement of these digests is a rejection.
4. The tier is the one that the assessments before it give, or a higher one, and as many people signed in each role as the tier policy
   asked then, or as the entry says. More is asked than those say where what an author lowered does not count.
5. No finding that blocks was open, on the slot or on a model that counts there.
6. A roll-back names the promotion of the same version in the same slot, and as many approvals, given since the version was left, as the
   tier policy asked of a roll-back; a broken glass opens a finding instead.

A version may go live on nothing while no person is known to the ledger; afterwards not. What was recorded before slots remembered the
models that were live in them is held to the tier of its own model (it does not say what its tier asks: `ASKS`). Who was independent of
whom depends on people and lineages that entries do not hold; the promotion itself judges that.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput
from incumbent.governance.sign_off import NAMES
from incumbent.governance.tier import DEFAULT_TIER_POLICY, TIERS, TierPolicy, TierRule, tier_policy_from_json
from incumbent.governance.vouching import Backing
from incumbent.ledger.clock import read_clock
from incumbent.ledger.entry import Draft, Entry

SIGN_OFF = "sign-off"
"""What an entry names the sign-offs by that it rests on, with a number: their entries."""
ASKS = "tier-asks"
"""What an entry of a promotion names its tier's numbers by; since there is one, the tier is that of the slot."""
FOUNDER = "founder"
"""What an entry names whoever began the installation by, where they are an author and all its sign-offs rest on them."""
POLICY_CHANGED = "policy-changed"
"""What an entry of a promotion says of a policy by: that it is another than at the first look at the version, and how."""
UNGOVERNED_TIER = 4
"""The tier of a model that nobody assessed, while nobody is registered here: a single user's own installation."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_WAYS_BACK = ("roll-back", "break-glass")
_SIGNED = ("validated", "approved", "accepted-risk")


_ASKS = re.compile(r"validators=(?P<validators>[0-9]{1,2}) approvers=(?P<approvers>[0-9]{1,2})", re.ASCII)


def tell_asks(rule: TierRule) -> str:
    """Return what a tier asks for, as an entry of a promotion names it.

    >>> tell_asks(DEFAULT_TIER_POLICY.rule_of(1))
    'validators=1 approvers=2'
    """
    return f"validators={rule.validators} approvers={rule.approvers}"


def name_sign_offs(sign_offs: Iterable[tuple[int, Backing | None]]) -> dict[str, str]:
    """Return how an entry names the sign-offs that it rests on, by their entries, and on whose word each rests, where that is known.

    >>> name_sign_offs([(7, Backing(("ben", "ada"), ("ada",)))])
    {'sign-off-1': '7', 'vouched-1': 'ben ada', 'bound-1': 'ada'}
    """
    found = {}
    for number, (seq, backing) in enumerate(sign_offs, 1):
        found[f"{SIGN_OFF}-{number}"] = str(seq)
        if backing is not None:
            found |= {f"vouched-{number}": " ".join(backing.vouched), f"bound-{number}": " ".join(backing.bound)}
    return found


def read_backing(refs: Mapping[str, str], name: str) -> Backing | None:
    """Return on whose word a sign-off of this name rests, as an entry's refs tell it; None from before they did."""
    number = name.removeprefix(f"{SIGN_OFF}-")
    vouched, bound = refs.get(f"vouched-{number}"), refs.get(f"bound-{number}")
    return None if vouched is None or bound is None else Backing(tuple(vouched.split()), tuple(bound.split()))


@dataclass(slots=True)
class Grounds:
    """What the entries read so far give a promotion to rest on. `read` takes one entry after the other, in the ledger's order.

    Attributes:
        documents: Number of an entry -> (digest, document) of what it made. One that lacks, or is another than its entry names, is not
            judged by: that it lacks is for the comparison of rows to say.
        live: Slot -> the models that were ever in Production there, from before the ledger too.
    """

    documents: Mapping[int, tuple[str, Document]] = field(default_factory=dict)
    live: dict[str, set[str]] = field(default_factory=dict)
    _entries: dict[int, Entry] = field(default_factory=dict)
    _promoted: dict[str, int] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)
    _policies: dict[str, str] = field(default_factory=dict)
    _tiers: dict[str, int] = field(default_factory=dict)
    _tier_policy: TierPolicy | None = DEFAULT_TIER_POLICY
    _judgements: dict[str, list[Entry]] = field(default_factory=dict)
    _blocking: dict[str, str] = field(default_factory=dict)
    _broken: dict[int, str] = field(default_factory=dict)
    _clock: datetime = _BEGINNING
    _last: datetime | None = None
    _has_people: bool = False
    _has_tiers: bool = False

    def read(self, entry: Entry) -> list[str]:
        """Take in an entry; return what it contradicts, in words."""
        self._clock, self._last = read_clock(entry, self._last), entry.at
        problems = self._judge(entry)
        draft = entry.draft
        if draft.object.kind == "placement":
            self._remember_move(entry)
        elif draft.act != "refuse":
            self._remember(entry)
        return problems

    def finish(self) -> list[str]:
        """Return what the entries as a whole lack."""
        return [f"{told}, and no finding was opened about it" for told in self._broken.values()]

    # What an entry leaves to rest on.

    def _remember_move(self, entry: Entry) -> None:
        draft, name = entry.draft, entry.draft.object.object_id
        slot, model = _place(name)
        if draft.after == "Archived":
            self._left[name] = entry.seq
        elif draft.after == "Production":
            self.live.setdefault(slot, set()).add(model)
            self._entries[entry.seq] = entry
            if draft.act == "promote":
                self._promoted[name] = entry.seq
            if draft.act == "break-glass":
                self._broken[entry.seq] = f"entry {entry.seq} breaks the glass of {slot}"

    def _remember(self, entry: Entry) -> None:
        draft, kind = entry.draft, entry.draft.object.kind
        if kind in ("evidence", "sign-off", "policy"):
            self._entries[entry.seq] = entry
        if kind == "policy":
            self._policies[draft.object.object_id] = draft.object.digest or ""
        elif kind == "sign-off" and draft.act in ("validate", "approve"):
            self._judgements.setdefault(draft.refs.get("evidence", ""), []).append(entry)
        elif kind == "person":
            self._has_people = True
        elif kind == "tiers":
            self._has_tiers, self._tier_policy = True, self._read_tiers(entry)
        elif kind == "tier" and draft.after.isdecimal():
            self._tiers[draft.object.object_id] = int(draft.after)
        elif kind == "finding":
            self._remember_finding(entry)

    def _remember_finding(self, entry: Entry) -> None:
        name, body = entry.draft.object.object_id, self._document(entry)
        self._blocking.pop(name, None)
        if entry.draft.act == "open-finding" and body.get("blocks_promotion") is True:
            self._blocking[name] = str(body.get("subject"))
        cause = _number(entry.draft.refs.get("cause", ""))
        if cause is not None:
            self._broken.pop(cause, None)

    def _read_tiers(self, entry: Entry) -> TierPolicy | None:
        try:
            return tier_policy_from_json(self._document(entry))
        except InvalidInput:
            return None  # damaged or of another form, which is told where documents are compared

    def _document(self, entry: Entry) -> Document:
        digest, body = self.documents.get(entry.seq, ("", {}))
        return body if digest == entry.draft.object.digest else {}

    # Judging.

    def _judge(self, entry: Entry) -> list[str]:
        draft = entry.draft
        if draft.object.kind != "placement" or draft.after != "Production" or draft.act not in ("promote", *_WAYS_BACK):
            return []
        slot, model = _place(draft.object.object_id)
        version = draft.object.object_id.rpartition(" ")[2]
        if not draft.refs:
            found = ["it names nothing that it rests on, though there are people who could have signed"] if self._has_people else []
        elif draft.act == "promote":
            evidence = self._find(entry, "evidence-entry", "evidence")
            found = [
                *self._judge_evidence(entry, evidence),
                *self._judge_policy(entry, evidence, model),
                *self._judge_sign_offs(entry, NAMES),
                *self._judge_rejections(entry),
                *self._judge_tier(entry, slot, model),
                *self._judge_findings(entry, slot, model),
            ]
        else:
            found = [*self._judge_promotion(entry), *self._judge_sign_offs(entry, ("bundle",)), *self._judge_approvals(entry, model)]
        return [f"entry {entry.seq} ({draft.act}) puts {version} into Production of slot {slot}, and {problem}" for problem in found]

    def _find(self, entry: Entry, name: str, kind: str) -> Entry | None:
        """Return the earlier entry of a kind that a ref names by its number."""
        seq = _number(entry.draft.refs.get(name, ""))
        found = None if seq is None else self._entries.get(seq)
        return found if found is not None and found.draft.object.kind == kind else None

    def _judge_evidence(self, entry: Entry, evidence: Entry | None) -> Iterable[str]:
        refs = entry.draft.refs
        if evidence is None or evidence.draft.act != "evaluate":
            yield f"its evidence, entry {refs.get('evidence-entry', 'none')}, is no earlier evaluation"
            return
        told = f"its evidence, entry {evidence.seq},"
        if evidence.draft.object.digest != refs.get("evidence"):
            yield f"{told} has another digest than it names"
        if evidence.draft.after != "passed":
            yield f"{told} says {evidence.draft.after or 'nothing'}, not passed"
        if evidence.draft.refs.get("bundle") != entry.draft.object.digest or refs.get("bundle") != entry.draft.object.digest:
            yield f"{told} is about another bundle"
        if evidence.draft.refs.get("policy") != refs.get("policy"):
            yield f"{told} was judged by another policy"
        yield from self._judge_document(entry, evidence, told)

    def _judge_document(self, entry: Entry, named: Entry, told: str) -> Iterable[str]:
        """Hold the document of evidence or of a sign-off to the version, the slot and the time that it is named for."""
        body = self._document(named)
        if not body:
            return
        about = f"{body.get('slot')} {body.get('model')}@{body.get('version')}"
        if about != entry.draft.object.object_id:
            yield f"{told} is about {about}"
        expires_at = _time(body.get("expires_at"))
        if expires_at is None or expires_at <= self._clock:
            yield f"{told} had expired"

    def _judge_policy(self, entry: Entry, evidence: Entry | None, model: str) -> Iterable[str]:
        refs = entry.draft.refs
        if "policy-entry" not in refs:
            if model in self._policies:
                yield f"it names no policy's entry, though {model} had a policy of its own"
            return
        policy = self._find(entry, "policy-entry", "policy")
        told = f"its policy, entry {refs['policy-entry']},"
        if policy is None:
            yield f"{told} is no earlier policy"
            return
        if policy.draft.object.digest != refs.get("policy"):
            yield f"{told} has another digest than it names"
        if evidence is not None and policy.seq > evidence.seq:
            yield f"{told} was set after the evidence"
        if self._policies[policy.draft.object.object_id] != policy.draft.object.digest:
            yield f"{told} was not in force any more"

    def _judge_sign_offs(self, entry: Entry, names: Iterable[str]) -> Iterable[str]:
        """Hold each sign-off that an entry names to the digests of these names."""
        seen: set[int] = set()
        for name in _sign_offs(entry.draft):
            found = self._find(entry, name, "sign-off")
            told = f"its {name}, entry {entry.draft.refs[name]},"
            if found is None:
                yield f"{told} is no earlier sign-off"
                continue
            if found.seq in seen:
                yield f"{told} is named twice"
            seen.add(found.seq)
            if found.draft.after not in _SIGNED:
                yield f"{told} says {found.draft.after or 'nothing'}"
            changed = [what for what in names if found.draft.refs.get(what) != entry.draft.refs.get(what)]
            if changed:
                yield f"{told} names another {' and another '.join(changed)}"
            yield from self._judge_document(entry, found, told)

    def _judge_rejections(self, entry: Entry) -> Iterable[str]:
        newest: dict[str, str] = {}
        for judged in self._judgements.get(entry.draft.refs.get("evidence", ""), []):
            if all(judged.draft.refs.get(name) == entry.draft.refs.get(name) for name in NAMES):
                newest[judged.draft.actor.actor_id] = judged.draft.after
        yield from (f"{person} had rejected exactly this" for person, meaning in newest.items() if meaning == "rejected")

    def _judge_tier(self, entry: Entry, slot: str, model: str) -> Iterable[str]:
        refs = entry.draft.refs
        models = {model, *self.live.get(slot, set())} if ASKS in refs else {model}
        policy = self._tier_policy
        if policy is None:
            return
        expected = self._tier(models, policy)
        named = refs.get("tier-name", "").partition(",")[0]
        tier = int(named) if named in map(str, TIERS) else TIERS[-1]
        if tier > expected:
            yield f"it is held to tier {named or 'none'}, where the assessments before it give tier {expected}"
        rule = policy.rule_of(min(tier, expected))
        asks = _ASKS.fullmatch(refs.get(ASKS, tell_asks(rule)))
        asked = (int(asks["validators"]), int(asks["approvers"])) if asks else (-1, -1)
        if asked[0] < rule.validators or asked[1] < rule.approvers:
            yield f"it says that its tier asks for {refs[ASKS]}, where the tier policy said {tell_asks(rule)}"
        wanted = (max(asked[0], rule.validators), max(asked[1], rule.approvers))
        validators, approvers = self._signers(entry, "validated"), self._signers(entry, "approved")
        everybody = len(validators | approvers) if rule.needs_separate_people else sum(wanted)
        if len(validators) < wanted[0] or len(approvers) < wanted[1] or everybody < sum(wanted):
            yield (
                f"{len(validators)} validated and {len(approvers)} approved, {len(validators | approvers)} people in all, where tier "
                f"{rule.tier} asked for validators={wanted[0]} approvers={wanted[1]}"
            )

    def _tier(self, models: Iterable[str], policy: TierPolicy) -> int:
        unassessed = policy.unassessed if self._has_people or self._has_tiers else UNGOVERNED_TIER
        return min(self._tiers.get(model, unassessed) for model in models)

    def _signers(self, entry: Entry, meaning: str, since: int = -1) -> set[str]:
        named = [self._find(entry, name, "sign-off") for name in _sign_offs(entry.draft)]
        return {found.draft.actor.actor_id for found in named if found and found.draft.after == meaning and found.seq > since}

    def _judge_findings(self, entry: Entry, slot: str, model: str) -> Iterable[str]:
        subjects = {slot, model, *(self.live.get(slot, set()) if ASKS in entry.draft.refs else set())}
        yield from (f"{name} was open on {subject}, and blocks" for name, subject in self._blocking.items() if subject in subjects)

    def _judge_promotion(self, entry: Entry) -> Iterable[str]:
        name, refs = entry.draft.object.object_id, entry.draft.refs
        if refs.get("bundle") != entry.draft.object.digest:
            yield "it names another bundle than the version's"
        if "promotion" not in refs:
            if name in self._promoted:
                yield f"it does not name the promotion that it goes back to, entry {self._promoted[name]}"
            return
        found = self._find(entry, "promotion", "placement")
        if found is None or found.draft.object.object_id != name:
            yield f"entry {refs['promotion']}, which it goes back to, never put this version into Production there"

    def _judge_approvals(self, entry: Entry, model: str) -> Iterable[str]:
        policy = self._tier_policy
        if entry.draft.act == "break-glass" or policy is None:
            return
        tier = self._tier({model}, policy)  # a slot is never held to less than the model by itself
        asked = policy.rule_of(tier).roll_back_approvals
        given = self._signers(entry, "approved", since=self._left.get(entry.draft.object.object_id, -1))
        if len(given) < asked:
            yield f"{len(given)} people approved it since the version was left, where tier {tier} asked for {asked}"


def _place(name: str) -> tuple[str, str]:
    """Return (slot, model) of a placement's "SLOT MODEL@VERSION"."""
    slot, _, version = name.rpartition(" ")
    return slot, version.rpartition("@")[0]


def _sign_offs(draft: Draft) -> list[str]:
    return sorted(name for name in draft.refs if name.startswith(SIGN_OFF))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else None


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
