"""Quorum: whether the sign-offs that a tier asks for are there, judged anew each time, and in words what is missing.

A sign-off counts only if all of this holds; the first that does not is what the quorum reports of it:

1. It is about this version in this slot, and was given before now.
2. Its four digests are today's. Otherwise it is void, with each digest that changed.
3. It has not expired, by its own date or by the tier's `valid_days`.
4. Its person is known, active, no service, and still holds the role (the table of acts).
5. Its signature was verified anew with the key that is bound to its person, and nothing is known against that key.
6. Its person had no hand in the version, as far as accounts and services lead to them; nor had anybody on whose word they are known:
   whoever bound the key or gave the person the role (or set their group, where groups are to differ), who could have invented both;
   whoever vouches for those; and so on. Whoever began the installation stands at the end of every such chain, and bars only those for
   whom they gave their word themselves; the quorum says that it rests on them. Where the tier allows self-approval all of this counts
   all the same, and the quorum says so.
7. Its person is no admin: admins hand out the identities of all others. Nor does their key, or their group, rest on their own word from
   when they were one. Again, self-approval lifts this.
8. Its person has not rejected the same digests since.

Each person fills one place (in tiers 3 and 4: one as validator and one as approver at most), each reporting group too where
the tier asks for distinct groups. A rejection of today's digests, by anybody, stands until that person validates or approves
them after it: it does not lapse with time, role or account, or waiting would be a way around it. Accepted risks fill no place.
Taking away anything but a rejection never makes a quorum met.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document, Json
from incumbent.governance.acts import get_act
from incumbent.governance.fields import check_time, format_time
from incumbent.governance.independence import Authorship, authors, find_own_work, tell_work
from incumbent.governance.person import Directory, Person, index_people
from incumbent.governance.places import fill_places, is_expired, sort_once, tell_missing, tell_places
from incumbent.governance.sign_off import NAMES, SignOff, check_names
from incumbent.governance.tier import TierRule
from incumbent.governance.vouching import NO_BACKING, Backing, Voucher, find_author, find_founder, tell_voucher


@dataclass(frozen=True, slots=True)
class Change:
    """A digest that is another today: which of bundle, evidence, policy and tier, from what, to what."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Void:
    """A sign-off of other digests than today's."""

    sign_off: SignOff
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Barred:
    """A sign-off that does not count for what its person is or did; the reason is a sentence."""

    sign_off: SignOff
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands behind a sign-off besides its person.

    Attributes:
        vouchers: On whose word the identity of its person rests, up to whoever began this installation.
        fault: Why its signature does not count, in words; "" if it was verified and does.
        own_word: What of it rests on its person's own word alone, in words; "" if nothing does.
        backing: The names of those who vouch, for showing them.
    """

    vouchers: tuple[Voucher, ...] = ()
    fault: str = ""
    own_word: str = ""
    backing: Backing = NO_BACKING


@dataclass(frozen=True, slots=True)
class Quorum:
    """The sign-offs of one version in one slot against what its tier asks for.

    Attributes:
        needed: What the tier asks for, in words: "1 validator", "2 approvers".
        given: The sign-offs that fill a place.
        spare: Sign-offs that would fill one, were it not filled by another, or by the same person or group.
        missing: What is still needed, in words; empty if and only if the quorum is met.
        accepted_risks: Risks accepted on today's digests by somebody who may; they fill no place.
        rejections: Standing rejections of today's digests.
        void: Sign-offs of other digests, each with what changed.
        expired: Sign-offs of today's digests whose time is over.
        barred: Sign-offs that do not count, each with the reason.
        self_approved: Persons whose sign-off of their own work fills a place, as the tier allows; every card says so.
        founder: Whoever began the installation, where they are an author: all that fills a place rests on them. "" otherwise.
    """

    needed: tuple[str, ...]
    given: tuple[SignOff, ...]
    spare: tuple[SignOff, ...]
    missing: tuple[str, ...]
    accepted_risks: tuple[SignOff, ...]
    rejections: tuple[SignOff, ...]
    void: tuple[Void, ...]
    expired: tuple[SignOff, ...]
    barred: tuple[Barred, ...]
    self_approved: tuple[str, ...]
    founder: str = ""

    @property
    def is_met(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def to_json(self) -> Document:
        """Return the document form; sign-offs stand in it by their ids."""
        return {
            "is_met": self.is_met,
            "needed": [*self.needed],
            "given": _ids(self.given),
            "spare": _ids(self.spare),
            "missing": [*self.missing],
            "accepted_risks": _ids(self.accepted_risks),
            "rejections": _ids(self.rejections),
            "void": [
                {
                    "sign_off_id": void.sign_off.sign_off_id,
                    "changes": [{"name": change.name, "from": change.before, "to": change.after} for change in void.changes],
                }
                for void in self.void
            ],
            "expired": _ids(self.expired),
            "barred": [{"sign_off_id": barred.sign_off.sign_off_id, "reason": barred.reason} for barred in self.barred],
            "self_approved": [*self.self_approved],
            "founder": self.founder,
        }


@dataclass(frozen=True, slots=True)
class _Case:
    """What every sign-off is held against."""

    subject: tuple[str, int, str]
    names: Mapping[str, str]
    rule: TierRule
    directory: Directory
    authorships: Sequence[Authorship]
    authors: Collection[str]
    standing: Mapping[str, Standing]
    now: datetime

    def person_of(self, sign_off: SignOff) -> str:
        return self.directory.accountable(sign_off.person_id)

    def is_self(self, sign_off: SignOff) -> bool:
        is_vouched = self.find_voucher(sign_off) is None and not self.standing_of(sign_off).own_word
        return sign_off.is_self or self.find_work(sign_off) is not None or not is_vouched

    def find_work(self, sign_off: SignOff) -> Authorship | None:
        return find_own_work(sign_off.person_id, self.authorships, self.directory)

    def find_voucher(self, sign_off: SignOff) -> Voucher | None:
        """Return the first author on whose word the signer's identity rests, or None."""
        return find_author(self.standing_of(sign_off).vouchers, self.authors, self.directory)

    def find_founder(self, given: Iterable[SignOff]) -> str:
        """Return the founder if they are an author and these sign-offs rest on their word in the end, "" otherwise."""
        vouchers = (voucher for sign_off in given for voucher in self.standing_of(sign_off).vouchers)
        return find_founder(vouchers, self.authors, self.directory)

    def standing_of(self, sign_off: SignOff) -> Standing:
        return self.standing.get(sign_off.sign_off_id, Standing((), "its signature was not verified"))

    def changes(self, sign_off: SignOff) -> tuple[Change, ...]:
        pairs = ((name, sign_off.names[name], self.names[name]) for name in NAMES)
        return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])

    def is_expired(self, sign_off: SignOff) -> bool:
        return is_expired(sign_off, self.rule, self.now)

    def misplaced(self, sign_off: SignOff) -> str:
        """Return why it has no place here at all, or ""."""
        if sign_off.subject != self.subject:
            model, version, slot = sign_off.subject
            return f"it is about {model}@{version} in slot {slot}"
        return f"it is dated {format_time(sign_off.at)}, after now" if sign_off.at > self.now else ""

    def fault(self, sign_off: SignOff) -> str:
        """Return why its signature does not count, or "". One at fault takes no rejection back; a rejection stands even so."""
        return "" if sign_off.meaning == "rejected" else self.standing_of(sign_off).fault

    def bar(self, sign_off: SignOff) -> str:
        """Return why what its person is or did bars it from counting, or ""."""
        return self._bar_person(sign_off) or ("" if self.rule.self_approval else self._bar_dependence(sign_off))

    def _bar_person(self, sign_off: SignOff) -> str:
        act, person = get_act(sign_off.act), self.directory.find(sign_off.person_id)
        if person is None:
            return f"nobody is known by the name {sign_off.person_id!r}"
        if person.kind != "person":
            return f"{person.person_id} is a service; a sign-off is a person's own"
        if not person.is_active:
            return f"{person.person_id} is no longer active"
        if not person.roles & act.roles:
            return f"{person.person_id} does not hold the role {sign_off.role} now"
        if self.rule.distinct_groups and not person.group.strip() and sign_off.meaning != "accepted-risk":
            return f"{person.person_id} has no known reporting group; tier {self.rule.tier} asks for distinct groups"
        return ""

    def _bar_dependence(self, sign_off: SignOff) -> str:
        model, version, _ = self.subject
        work, voucher = self.find_work(sign_off), self.find_voucher(sign_off)
        person = self.directory.find(sign_off.person_id)
        if work is not None:
            told = tell_work(sign_off.person_id, work, f"{model}@{version}", self.directory)
        elif voucher is not None:
            told = tell_voucher(voucher, f"{model}@{version}")
        elif sign_off.is_self:
            told = "it was given as a self-approval"
        elif person is not None and "admin" in person.roles:
            told = tell_admin(person.person_id)
        elif own_word := self.standing_of(sign_off).own_word:
            told = own_word
        else:
            return ""
        return f"{told}; tier {self.rule.tier} allows no self-approval"


def tell_admin(person_id: str) -> str:
    """Return in words why an admin fills no place."""
    return f"{person_id} is an admin, who hands out the identities of those who sign, and fills no place beside them"


def judge_quorum(
    sign_offs: Iterable[SignOff],
    rule: TierRule,
    *,
    digests: Mapping[str, str],
    people: Iterable[Person],
    authorships: Iterable[Authorship],
    now: datetime,
    model: str,
    version: int,
    slot: str,
    standing: Mapping[str, Standing],
    cosigned: int = 0,
) -> Quorum:
    """Return what the sign-offs of a version amount to; the rules stand at the head of this file.

    Args:
        sign_offs: All that were given for it, in any order. Those of other versions or slots are barred.
        rule: What the tier asks for (`TierPolicy.rule_of`; for a roll back `TierRule.for_roll_back`).
        digests: Today's digest of each of bundle, evidence, policy and tier.
        people: Everybody known.
        authorships: What was done in the version's lineage since its last approved ancestor.
        now: The time to judge at.
        model: The model.
        version: Its version.
        slot: Where the version is to go live.
        standing: Sign-off id -> what stands behind it; one that lacks was not verified, and is barred.
        cosigned: How many witnesses have cosigned a checkpoint that covers what is signed for.

    Raises:
        InvalidInput: The digests are not those four, the people do not fit together, the time has no zone, or an id stands twice.
    """
    check_names(digests)
    everyone, works = tuple(people), tuple(authorships)
    case = _Case((model, version, slot), digests, rule, index_people(everyone), works, authors(works, everyone), standing, check_time(now))
    void, expired, barred, valid, current = [], [], [], [], []
    for sign_off in sort_once(sign_offs):
        if sign_off.subject == case.subject and not case.changes(sign_off) and not case.fault(sign_off):
            current.append(sign_off)
        if reason := case.misplaced(sign_off) or case.fault(sign_off):
            barred.append(Barred(sign_off, reason))
        elif changes := case.changes(sign_off):
            void.append(Void(sign_off, changes))
        elif sign_off.meaning == "rejected":
            continue  # judged together, below
        elif case.is_expired(sign_off):
            expired.append(sign_off)
        elif reason := case.bar(sign_off):
            barred.append(Barred(sign_off, reason))
        else:
            valid.append(sign_off)
    rejections = _standing_rejections(current, case)
    rejecting = {case.person_of(sign_off) for sign_off in rejections}
    barred += [Barred(s, f"{s.person_id} rejects the same digests") for s in valid if case.person_of(s) in rejecting]
    valid = [sign_off for sign_off in valid if case.person_of(sign_off) not in rejecting]
    given = _fill(valid, case)
    return Quorum(
        needed=tell_places({"validator": rule.validators, "approver": rule.approvers}, rule.witnesses, ""),
        given=given,
        spare=tuple(sign_off for sign_off in valid if sign_off.meaning != "accepted-risk" and sign_off not in given),
        missing=(*tell_missing(given, rule, cosigned), *(f"withdrawal of {name}'s rejection" for name in sorted(rejecting))),
        accepted_risks=tuple(sign_off for sign_off in valid if sign_off.meaning == "accepted-risk"),
        rejections=rejections,
        void=tuple(void),
        expired=tuple(expired),
        barred=tuple(barred),
        self_approved=tuple(sorted({case.person_of(sign_off) for sign_off in given if case.is_self(sign_off)})),
        founder=case.find_founder(given),
    )


def _standing_rejections(current: Iterable[SignOff], case: _Case) -> tuple[SignOff, ...]:
    """Return each person's newest judgement of today's digests where it is a rejection; of two at one time, the rejection stands.

    A judgement dated after now withdraws nothing; a rejection dated after now stands.
    """
    newest: dict[str, SignOff] = {}
    for sign_off in current:  # in order of time
        is_rejection = sign_off.meaning == "rejected"
        if sign_off.meaning == "accepted-risk" or (sign_off.at > case.now and not is_rejection):
            continue
        last = newest.get(case.person_of(sign_off))
        if is_rejection or last is None or last.at < sign_off.at:
            newest[case.person_of(sign_off)] = sign_off
    return tuple(sign_off for sign_off in newest.values() if sign_off.meaning == "rejected")


def _fill(valid: Sequence[SignOff], case: _Case) -> tuple[SignOff, ...]:
    """Return the sign-offs that fill places, as many as can be; self-approvals only where nothing else does."""
    others = fill_places([sign_off for sign_off in valid if not case.is_self(sign_off)], case.rule, case.directory)
    everyone = fill_places(valid, case.rule, case.directory)
    return others if len(others) == len(everyone) else everyone


def _ids(sign_offs: Iterable[SignOff]) -> list[Json]:
    return [sign_off.sign_off_id for sign_off in sign_offs]
