"""Whether a slot may go back to a version: judged anew, on the approvals that stand behind it at that moment.

1. It was promoted here, and the approvals of that promotion have not expired, and still verify by keys that were in nobody else's hands;
   or it was approved anew since it was left, by as many approvers as its tier asks for now. A broken glass is no way around this: nobody
   would answer for what answers.
2. Those approvals are as many, and such, as its tier asks for today; where it was promoted under less, it is approved anew likewise.
   A broken glass goes without: it was let in by the rules of its day.
3. Where the tier asks for approvals of a roll-back, they were given since it was left, and count by the rules of every quorum: exact
   digests, role, term, independence. Nobody rejects it. A broken glass goes without.
4. While the finding of a broken glass is open, the way leads along the line of versions that led to today and to no retired one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from incumbent.base.errors import Refused
from incumbent.governance.independence import Authorship
from incumbent.governance.quorum import Quorum, Standing, judge_quorum
from incumbent.governance.sign_off import SignOff
from incumbent.governance.vouching import Backing
from incumbent.ledger.clock import tell_lag
from incumbent.registry.grounds import FOUNDER, SIGN_OFF, name_sign_offs, read_backing
from incumbent.registry.model import ModelVersion, Placement
from incumbent.registry.slot import find_live, list_line, name_of
from incumbent.usecases.authorship import list_authorships
from incumbent.usecases.evidence import find_evidence
from incumbent.usecases.lasting import list_missing, read_sign_offs, tell_lapsed
from incumbent.usecases.live import PROMOTION, find_promotion
from incumbent.usecases.ports import Transaction
from incumbent.usecases.readiness import (
    find_policy,
    list_findings,
    list_sign_offs,
    list_threshold_authorships,
    names_now,
    tell_quorum,
    tell_rejections,
    tell_unknown,
)
from incumbent.usecases.recording import find_time, list_people
from incumbent.usecases.standing import find_standing
from incumbent.usecases.tier_in_force import Tier, find_tier
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class WayBack:
    """What going back to a version rests on.

    Attributes:
        lapsed: What became of the approvals of its promotion, in words: they expired, or one does not count any more; "" if they last.
        missing: What those approvals lack of what its tier asks for today, in words.
        promotion: What the entry names of the promotion that is gone back to.
        sign_offs: (entry, on whose word) of the sign-offs that it rests on: of the promotion while they last, and those given since it
            was left; None where the promotion is from before entries named those who vouch.
        tier: The tier of the version in the slot today, in words.
        asked: How many approvals since it was left are asked for.
        given: How many there are.
        problems: What stands in the way, in words; empty when nothing does.
    """

    lapsed: str
    missing: tuple[str, ...]
    promotion: Mapping[str, str]
    sign_offs: tuple[tuple[int, Backing | None], ...]
    tier: str
    asked: int
    given: int
    problems: tuple[str, ...]

    def refs(self) -> dict[str, str]:
        """Return what the entry names."""
        return {**self.promotion, **name_sign_offs(self.sign_offs)}


def judge_way_back(tx: Transaction, version: ModelVersion, slot: str, *, now: datetime) -> WayBack:
    """Say what going back to a version that was live in a slot would rest on at a time, and what stands in its way."""
    history = tx.registry.list_placements(slot)
    promotion = _find_promotion(tx, history, version)
    refs: Mapping[str, str] = {} if promotion is None else tx.ledger.get(int(promotion)).draft.refs
    sign_offs = read_sign_offs(tx, (int(seq) for name, seq in refs.items() if name.startswith(SIGN_OFF)))
    tier = find_tier(tx, version.model, slot)
    lapsed, missing = tell_lapsed(tx, sign_offs, now), list_missing(tx, sign_offs, tier, now)
    rule = tier.rule.for_roll_back()
    if lapsed or missing:  # they take the place of what lapsed or lacks, where the tier asks for none of a roll-back too
        rule = replace(rule, approvers=max(1, rule.approvers, tier.rule.approvers))
    given = [(seq, found) for seq, found in list_sign_offs(tx, version, slot) if found.version == version.version]
    since = next((p.seq for p in history if name_of(p) == (version.model, version.version) and p.status == "Archived"), None)
    fresh = [(seq, found) for seq, found in given if since is None or seq > since]
    standing = find_standing(tx, fresh, is_grouped=rule.distinct_groups)
    quorum, authorships = _judge_approvals(tx, version, slot, now=now, tier=replace(tier, rule=rule), fresh=fresh, standing=standing)
    problems = tell_rejections(given, version)
    if quorum is not None:
        problems += tell_quorum(quorum, version)
    elif rule.approvers:
        problems.append(f"missing: evidence that could be signed: `incumbent evaluate {version.model}@{version.version} --slot {slot}`")
    if rule.approvers:
        problems += tell_unknown(authorships, list_people(tx))
    counted = {found.sign_off_id for found in quorum.given} if quorum else set()
    new = [(seq, standing[found.sign_off_id].backing) for seq, found in fresh if found.sign_off_id in counted]
    kept = [] if lapsed else _list_backing(tx, promotion, [seq for seq, _ in sign_offs])
    named = {"bundle": str(version.bundle.digest)} | ({} if promotion is None else {PROMOTION: promotion})
    if quorum is not None and quorum.founder:
        named[FOUNDER] = quorum.founder
    return WayBack(lapsed, missing, named, (*kept, *new), tier.words, rule.approvers, len(counted), tuple(problems))


def _list_backing(tx: Transaction, promotion: str | None, seqs: Sequence[int]) -> list[tuple[int, Backing | None]]:
    """Return (entry, on whose word) of the sign-offs of a promotion, as it names them."""
    refs: Mapping[str, str] = {} if promotion is None else tx.ledger.get(int(promotion)).draft.refs
    names = {int(seq): name for name, seq in refs.items() if name.startswith(SIGN_OFF)}
    return [(seq, read_backing(refs, names[seq])) for seq in seqs]


def check_way_back(ws: Workspace, tx: Transaction, version: ModelVersion, slot: str, *, break_glass: bool) -> WayBack:
    """Return what going back to a version rests on.

    A broken glass is judged by this machine's clock: it is there where another's was ahead, and its finding shows it to whoever looks.

    Raises:
        Refused: It may not be gone back to; the message says all that stands in the way.
    """
    name = f"{version.model}@{version.version}"
    _check_line(tx, version, slot)
    clock = ws.clock.now()
    now = clock if break_glass else find_time(tx, clock)
    found = judge_way_back(tx, version, slot, now=now)
    if not found.problems or (break_glass and not found.lapsed):
        return found
    sign = f"`incumbent sign-off {name} --slot {slot} --as approver`"
    listed = "".join(f"\n  - {problem}" for problem in found.problems)
    if found.lapsed:
        if now > clock:
            raise Refused(
                f"{name}'s approval {found.lapsed} by the ledger's time, which is {tell_lag(now - clock)} ahead of this clock: go at once "
                "with --break-glass, which goes by this clock and opens a finding, or have an admin accept the time with "
                f"`incumbent ledger accept-clock`{listed}"
            )
        raise Refused(
            f"{name}'s approval {found.lapsed}, so {slot} cannot go back to it: have it approved anew with "
            f"{sign} ({found.asked} asked, {found.given} there), name another with --to, or stop the slot with `incumbent archive`{listed}"
        )
    if found.missing and found.given < found.asked:
        raise Refused(
            f"{name} went live on less than tier {found.tier} asks for today (missing: {'; '.join(found.missing)}): have it approved anew "
            f"with {sign} ({found.asked} asked, {found.given} there), or go at once with --break-glass, which opens a finding{listed}"
        )
    if found.given >= found.asked:
        raise Refused(f"{slot} may not go back to {name}, unless at once with --break-glass, which opens a finding:{listed}")
    raise Refused(
        f"the tier of {slot} asks for {found.asked} approval(s) of a roll-back, and {found.given} are there: have it signed with "
        f"{sign}, or go at once with --break-glass, which opens a finding{listed}"
    )


def _check_line(tx: Transaction, version: ModelVersion, slot: str) -> None:
    """Whoever broke the glass is alone until somebody has looked, and chooses among nothing that was taken out of the line."""
    broken = [found for found in list_findings(tx, slot) if found.kind == "break-glass" and found.state == "open"]
    if not broken:
        return
    history = tx.registry.list_placements(slot)
    live = find_live(history)
    line = [name for name in list_line(history) if live is None or name != name_of(live)]
    if (version.model, version.version) not in line:
        legal = ", ".join(f"{model}@{number}" for model, number in reversed(line)) or "nothing"
        raise Refused(
            f"the glass of {slot} is broken ({broken[0].finding_id} is open), so it goes back along its line only: to {legal}, and not to "
            f"{version.model}@{version.version}; `incumbent findings close {broken[0].finding_id}` is for an approver who did not break it"
        )


def _find_promotion(tx: Transaction, history: Sequence[Placement], version: ModelVersion) -> str | None:
    """Return the number of the promotion that brought a version into the slot; None from before there was a ledger."""
    name = (version.model, version.version)
    seq = next((placed.seq for placed in history if name_of(placed) == name and placed.status == "Production"), None)
    return None if seq is None else find_promotion(tx, seq)


def _judge_approvals(
    tx: Transaction,
    version: ModelVersion,
    slot: str,
    *,
    now: datetime,
    tier: Tier,
    fresh: Sequence[tuple[int, SignOff]],
    standing: Mapping[str, Standing],
) -> tuple[Quorum | None, list[Authorship]]:
    """Return what the sign-offs since a version was left amount to, None where there is no evidence to sign; and whose work it is."""
    policy = find_policy(tx, version.model, tier.number, slot)
    evidence = find_evidence(tx, version, slot)
    authorships = list_authorships(tx, version, list_threshold_authorships(tx, policy, tier))
    if evidence is None:
        return None, authorships
    quorum = judge_quorum(
        [found for _, found in fresh],
        tier.rule,
        digests=names_now(version, evidence, policy, tier),
        people=list_people(tx),
        authorships=authorships,
        now=now,
        model=version.model,
        version=version.version,
        slot=slot,
        standing=standing,
    )
    return quorum, authorships
