"""What became of the sign-offs that a version went live on: whether they last, and what they lack of what is asked for today.

They were judged whole when it was promoted: who may sign, whose work it was, who vouched. What time and later rules do to them is judged
here: whether a term is over, a signature or key has become known as bad, and whether today's tier asks for more than there is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from incumbent.governance.places import find_missing
from incumbent.governance.sign_off import SignOff, sign_off_from_json
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import list_people
from incumbent.usecases.standing import find_standing
from incumbent.usecases.tier_in_force import Tier


def read_sign_offs(tx: Transaction, seqs: Iterable[int]) -> list[tuple[int, SignOff]]:
    """Return (number of the entry, sign-off) of these entries, oldest first; without those whose document is gone."""
    found = []
    for seq in sorted(seqs):
        record = tx.records.find("sign-off", tx.ledger.get(seq).draft.object.object_id)
        if record is not None:
            found.append((seq, sign_off_from_json(record.body)))
    return found


def tell_lapsed(tx: Transaction, sign_offs: Sequence[tuple[int, SignOff]], now: datetime) -> str:
    """Return why the approvals of a promotion carry nothing any more, or ""."""
    expiry = min((given.expires_at for _, given in sign_offs), default=None)
    if expiry is not None and expiry <= now:
        return f"expired on {expiry:%Y-%m-%d}"
    standing = find_standing(tx, sign_offs)
    faults = [(given.person_id, standing[given.sign_off_id].fault) for _, given in sign_offs]
    told = "; ".join(f"{person}'s sign-off: {fault}" for person, fault in faults if fault)
    return f"does not count any more ({told})" if told else ""


def list_missing(tx: Transaction, sign_offs: Sequence[tuple[int, SignOff]], tier: Tier, now: datetime) -> tuple[str, ...]:
    """Return what the sign-offs of a promotion lack of what the tier asks for today, in words."""
    return find_missing([given for _, given in sign_offs], tier.rule, people=list_people(tx), now=now)
