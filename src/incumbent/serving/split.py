"""Who answers a request: a slot's traffic in exact shares, the same caller always in the same arm.

A caller's key is hashed to one of 10,000 places, and each place belongs to one arm. Rules:
    shares are whole ten-thousandths and sum to 10,000; nothing is rounded
    the hash is keyed by slot and rollout, so that two rollouts draw their callers independently of each other
    when shares change, an arm that loses gives places away and keeps the rest: no key moves that need not
    MODES says for each mode how many challengers there are, who is asked, and whose answer goes out
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, groupby
from typing import Final, Literal, cast

from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput

PLACES: Final = 10_000
KEY_CHARACTERS_MAX: Final = 1024

Mode = Literal["all", "canary", "ab", "shadow"]


@dataclass(frozen=True, slots=True)
class ModeRule:
    """One row of MODES.

    Attributes:
        challengers: Fewest and most challengers.
        champion_least: Fewest places that stay with the champion.
        is_answered_by_assigned: Whether the arm of the caller's place answers; otherwise the champion answers everybody, and that arm
            is asked beside it.
        needs_key: Whether a request without a caller's key is refused: assigned anew each time, a caller would meet both arms.
        compared: How the arms are compared: as two samples, as pairs of answers to one request, or not at all.
    """

    challengers: tuple[int, int]
    champion_least: int
    is_answered_by_assigned: bool
    needs_key: bool
    compared: Literal["samples", "pairs"] | None


MODES: Final[dict[Mode, ModeRule]] = {
    "all": ModeRule((0, 0), PLACES, True, False, None),
    "canary": ModeRule((1, 1), 1, True, False, "samples"),
    "ab": ModeRule((1, 20), 1, True, True, "samples"),
    "shadow": ModeRule((1, 20), 0, False, False, "pairs"),
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What becomes of one request.

    Attributes:
        answers: The arm whose answer goes out.
        shadow: The arm that is asked beside it and whose answer is only recorded; None for none.
        place: Of the key, from 0 up to 9,999.
    """

    answers: str
    shadow: str | None
    place: int


@dataclass(frozen=True, slots=True)
class Split:
    """A slot's arms and the places of each; make one with `make_split`.

    Attributes:
        slot: Its name.
        rollout: Id of the live comparison; with the slot it salts the hash.
        mode: A key of MODES.
        champion: The arm of the Production version.
        spans: (arm, places) from place 0 up.
    """

    slot: str
    rollout: str
    mode: Mode
    champion: str
    spans: tuple[tuple[str, int], ...]
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _salt: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(isinstance(places, bool) or not isinstance(places, int) or places < 1 for _, places in self.spans):
            raise InvalidInput(f"slot {self.slot!r}: {str(self.spans)[:200]} are no spans; each has an arm and one place at least")
        _check_shares(self.slot, self.mode, self.champion, self.shares)
        object.__setattr__(self, "_ends", tuple(accumulate(places for _, places in self.spans)))
        salt = document_bytes({"slot": self.slot, "rollout": self.rollout})
        object.__setattr__(self, "_salt", hashlib.blake2b(salt, digest_size=32, person=b"incumbent split").digest())

    @property
    def shares(self) -> dict[str, int]:
        """Ten-thousandths by arm, the champion's first."""
        found = {self.champion: 0}
        for arm, places in self.spans:
            found[arm] = found.get(arm, 0) + places
        return found

    def assign(self, key: str) -> Assignment:
        """Return who answers a caller; the same key always gets the same answer.

        Args:
            key: The caller's own, such as a customer's number; where the mode needs none, the prediction's id will do.

        Raises:
            InvalidInput: The key is empty, longer than KEY_CHARACTERS_MAX, or no text that has bytes.
        """
        place = self.place(key)
        arm = self.spans[bisect_right(self._ends, place)][0]
        if MODES[self.mode].is_answered_by_assigned:
            return Assignment(arm, None, place)
        return Assignment(self.champion, arm if arm != self.champion else None, place)

    def place(self, key: str) -> int:
        """Return the place of a key: the first 64 bits of its keyed BLAKE2b, as a fraction of 10,000.

        Raises:
            InvalidInput: As for `assign`.
        """
        if not 1 <= len(key) <= KEY_CHARACTERS_MAX:
            raise InvalidInput(f"a caller's key has from 1 to {KEY_CHARACTERS_MAX} characters, not {len(key)}")
        try:
            data = key.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("a caller's key holds a lone surrogate, which has no UTF-8 form") from error
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._salt).digest(), "big") * PLACES >> 64

    def to_json(self) -> Document:
        """Return the split as plain JSON; `split_from_json` reads it."""
        spans: list[Json] = [[arm, places] for arm, places in self.spans]
        return {"slot": self.slot, "rollout": self.rollout, "mode": self.mode, "champion": self.champion, "spans": spans}


def make_split(*, slot: str, rollout: str, mode: Mode, champion: str, shares: Mapping[str, int]) -> Split:
    """Return the first split of a rollout.

    Args:
        slot: Its name.
        rollout: Id of the live comparison.
        mode: A key of MODES.
        champion: The arm of the Production version.
        shares: Ten-thousandths by arm, the champion's included; in shadow what each is asked beside the champion.

    Raises:
        InvalidInput: The shares do not sum to 10,000, or are not what the mode takes.

    >>> split = make_split(slot="s", rollout="r", mode="canary", champion="m@1", shares={"m@1": 9500, "m@2": 500})
    >>> split.assign("customer-17").answers == split.assign("customer-17").answers
    True
    """
    _check_shares(slot, mode, champion, shares)
    order = [champion, *sorted(shares.keys() - {champion})]
    return Split(slot, rollout, mode, champion, tuple((arm, shares[arm]) for arm in order if shares.get(arm)))


def change_shares(split: Split, *, mode: Mode, shares: Mapping[str, int]) -> Split:
    """Return the split with other shares, moving as few places as can be: half the sum of what the shares change by.

    Raises:
        InvalidInput: As for `make_split`.
    """
    _check_shares(split.slot, mode, split.champion, shares)
    owners = [arm for arm, places in split.spans for _ in range(places)]
    surplus = {arm: places - shares.get(arm, 0) for arm, places in split.shares.items()}
    takers = [arm for arm in sorted(shares) for _ in range(shares[arm] - split.shares.get(arm, 0))]
    for place in range(PLACES - 1, -1, -1):
        if surplus[owners[place]] > 0:
            surplus[owners[place]] -= 1
            owners[place] = takers.pop()
    return Split(split.slot, split.rollout, mode, split.champion, tuple((arm, len(list(run))) for arm, run in groupby(owners)))


def ten_thousandths(share: float | str | Fraction) -> int:
    """Return a share as whole ten-thousandths, exactly as it is written.

    Raises:
        InvalidInput: It is no number within 0 and 1, or no whole number of ten-thousandths.

    >>> ten_thousandths(0.05), ten_thousandths("0.3333"), ten_thousandths(Fraction(1, 8))
    (500, 3333, 1250)
    """
    try:
        places = Fraction(str(share)) * PLACES
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidInput(f"{str(share)[:40]!r} is no share; it takes a number from 0 to 1, such as 0.05") from error
    if not 0 <= places <= PLACES or places.denominator != 1:
        raise InvalidInput(f"{str(share)[:40]} is no share: from 0 to 1 in steps of 0.0001, so that all shares sum to 1 exactly")
    return int(places)


def split_from_json(value: Json) -> Split:
    """Return the split that `Split.to_json` wrote.

    Raises:
        InvalidInput: `value` has another form, or its shares are not what its mode takes.
    """
    match value:
        case {"slot": str(slot), "rollout": str(rollout), "mode": str(mode), "champion": str(champion), "spans": list(spans), **rest}:
            if not rest:
                return Split(slot, rollout, cast(Mode, mode), champion, tuple(_read_spans(spans)))
    raise InvalidInput("a split has exactly the keys slot, rollout, mode, champion and spans")


def _read_spans(spans: Iterable[Json]) -> Iterable[tuple[str, int]]:
    for span in spans:
        match span:
            case [str(arm), int(places)]:
                yield arm, places
            case _:
                raise InvalidInput(f"{str(span)[:80]} is no span of a split; it takes [arm, places]")


def _check_shares(slot: str, mode: Mode, champion: str, shares: Mapping[str, int]) -> None:
    if mode not in MODES:
        raise InvalidInput(f"slot {slot!r}: {mode!r} is no mode; there are {', '.join(MODES)}")
    where, rule = f"slot {slot!r}, mode {mode}", MODES[mode]
    challengers, (fewest, most) = len(shares.keys() - {champion}), rule.challengers
    if not fewest <= challengers <= most:
        wanted = str(most) if fewest == most else f"from {fewest} to {most}"
        raise InvalidInput(f"{where}: {challengers} challengers; it takes {wanted}")
    for arm, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int) or share < (rule.champion_least if arm == champion else 1):
            least = rule.champion_least if arm == champion else 1
            raise InvalidInput(f"{where}: the share of {arm} is {share!r}; it takes whole ten-thousandths from {least} up")
    if champion not in shares and rule.champion_least:
        raise InvalidInput(f"{where}: the champion {champion} has no share; it keeps {rule.champion_least} ten-thousandths at least")
    total = sum(shares.values())
    if total != PLACES:
        raise InvalidInput(f"{where}: the shares sum to {total:,} ten-thousandths; they sum to {PLACES:,} exactly")
