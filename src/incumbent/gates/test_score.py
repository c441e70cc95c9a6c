"""The ML Test Score of Breck, Cai, Nielsen, Salib and Sculley (IEEE Big Data 2017): 28 tests in four sections.

    a test earns 0.5 when it was done by hand with the result documented, 1 when it runs by itself
    a section's score is the sum of its seven tests; the final score is the LEAST of the four sections
    a point needs evidence: the number of a ledger entry, not older than its days

Bands are the paper's of 2017; the draft of 2016 had others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.gates.examined import LAYERS, Layer, TestOutcome

VALID_DAYS = 90
"""For how many days evidence earns its point."""
VALID_DAYS_MAX = 36_600
"""A hundred years: whoever asks for more has made a mistake, and dates end."""

By = Literal["hand", "machine"]
WORTH: dict[By, float] = {"hand": 0.5, "machine": 1.0}

POINTS: dict[str, str] = {
    "data-1": "feature expectations are captured in a schema",
    "data-2": "all features are beneficial",
    "data-3": "no feature's cost is too much",
    "data-4": "features adhere to meta-level requirements",
    "data-5": "the data pipeline has appropriate privacy controls",
    "data-6": "new features can be added quickly",
    "data-7": "all input feature code is tested",
    "model-1": "model specs are reviewed and submitted",
    "model-2": "offline and online metrics correlate",
    "model-3": "all hyperparameters have been tuned",
    "model-4": "the impact of model staleness is known",
    "model-5": "a simpler model is not better",
    "model-6": "model quality is sufficient on important data slices",
    "model-7": "the model is tested for considerations of inclusion",
    "infrastructure-1": "training is reproducible",
    "infrastructure-2": "model specs are unit tested",
    "infrastructure-3": "the ML pipeline is integration tested",
    "infrastructure-4": "model quality is validated before serving",
    "infrastructure-5": "the model is debuggable",
    "infrastructure-6": "models are canaried before serving",
    "infrastructure-7": "serving models can be rolled back",
    "monitoring-1": "dependency changes result in notification",
    "monitoring-2": "data invariants hold for inputs",
    "monitoring-3": "training and serving are not skewed",
    "monitoring-4": "models are not too stale",
    "monitoring-5": "models are numerically stable",
    "monitoring-6": "computing performance has not regressed",
    "monitoring-7": "prediction quality has not regressed",
}
"""The 28 tests by section and number, in the paper's order."""

BY_HAND: Mapping[str, str] = {
    "data-5": "who may read the data, why and for how long, a scan of columns does not see",
}
"""Points that no test of ours shows whole, and why: a test that failed takes them away, and only a person's word earns half of them."""

BANDS: tuple[tuple[float, str], ...] = (
    (0.0, "more of a research project than a productionized system"),
    (1.0, "not totally untested, but serious holes in reliability are possible"),
    (2.0, "a first pass at basic productionization, and more may be needed"),
    (3.0, "reasonably tested, and more of the tests could be automated"),
    (5.0, "strong automated testing and monitoring, fit for mission-critical systems"),
    (7.0, "exceptional automated testing and monitoring"),
)
"""(greatest score, what it means), in order."""


@dataclass(frozen=True, slots=True)
class PointEvidence:
    """What a ledger entry says of one of the 28 tests.

    Attributes:
        point: A key of POINTS.
        seq: Number of the entry.
        outcome: Only what passed earns.
        what: The test or statement, for people.
    """

    point: str
    by: By
    seq: int
    at: datetime
    outcome: TestOutcome
    what: str


@dataclass(frozen=True, slots=True)
class PointScore:
    """One of the 28 lines: what it earned, from which entries, or what is missing."""

    point: str
    score: float
    entries: tuple[int, ...]
    reason: str

    @property
    def section(self) -> Layer:
        """The section, one of LAYERS."""
        return next(layer for layer in LAYERS if self.point.startswith(f"{layer}-"))


@dataclass(frozen=True, slots=True)
class TestScore:
    """The score of one version."""

    __test__ = False  # no class of tests for pytest
    points: tuple[PointScore, ...]

    @property
    def sections(self) -> Mapping[Layer, float]:
        """Section -> sum of its points."""
        return {layer: sum(point.score for point in self.points if point.section == layer) for layer in LAYERS}

    @property
    def final(self) -> float:
        """The least of the four sections, 0 to 7."""
        return min(self.sections.values())

    @property
    def band(self) -> str:
        """What the paper calls such a score."""
        return find_band(self.final)

    def to_json(self) -> Document:
        """Return the document form."""
        points: list[Json] = [
            {"point": p.point, "text": POINTS[p.point], "score": p.score, "entries": list[Json](p.entries), "reason": p.reason}
            for p in self.points
        ]
        sections: dict[str, Json] = {layer: score for layer, score in self.sections.items()}  # noqa: C416 - widens the type
        return {"final": self.final, "band": self.band, "sections": sections, "points": points}


def find_band(score: float) -> str:
    """Return what a final score means.

    Raises:
        InvalidInput: It is not from 0 to 7.

    >>> find_band(0.5)
    'not totally untested, but serious holes in reliability are possible'
    """
    for greatest, words in BANDS:
        if 0 <= score <= greatest:
            return words
    raise InvalidInput(f"{score} is no ML Test Score; it lies between 0 and 7")


def judge_test_score(
    evidence: Iterable[PointEvidence], *, now: datetime, missing: Mapping[str, str], valid_days: int = VALID_DAYS
) -> TestScore:
    """Return the score that evidence earns.

    The newest evidence of each test (`what`) counts, so a test that passed once and fails now earns nothing; where several tests
    are evidence for one point, all of those on record must have passed. A test by hand earns its half point where no machine's test
    of the same point has failed.

    Args:
        evidence: Of one version and its bundle.
        now: Older evidence than `valid_days` before it has expired.
        missing: Point -> what would earn it, for those without evidence.
        valid_days: 1 to VALID_DAYS_MAX.

    Raises:
        InvalidInput: Evidence is about no point, or the days are not 1 to VALID_DAYS_MAX.
    """
    if not 1 <= valid_days <= VALID_DAYS_MAX:
        raise InvalidInput(f"evidence counts for 1 to {VALID_DAYS_MAX:,} days, and not for {valid_days}")
    newest: dict[str, dict[tuple[By, str], PointEvidence]] = {}
    for one in sorted(evidence, key=lambda one: one.seq):
        if one.point not in POINTS:
            raise InvalidInput(f"{one.point!r} is none of the 28 tests; they are {', '.join(POINTS)}")
        if one.outcome != "not-applicable":
            newest.setdefault(one.point, {})[one.by, one.what] = one
    oldest = now - timedelta(days=valid_days)
    return TestScore(tuple(_judge_point(point, list(newest.get(point, {}).values()), oldest, missing) for point in POINTS))


def _tell(passed: list[PointEvidence]) -> str:
    names = ", ".join(one.what for one in passed)
    return f"{names} passed" if passed[0].by == "machine" else f"done by hand, {names}"


def _judge_point(point: str, found: list[PointEvidence], oldest: datetime, missing: Mapping[str, str]) -> PointScore:
    machine_failed = any(one.by == "machine" and one.outcome == "failed" for one in found)
    for by in ("machine", "hand"):
        if by == "hand" and machine_failed:
            break
        mine = [one for one in found if one.by == by]
        if by == "machine" and point in BY_HAND:
            continue
        if mine and all(one.outcome == "passed" and one.at >= oldest for one in mine):
            entries = tuple(sorted({one.seq for one in mine}))
            return PointScore(point, WORTH[mine[0].by], entries, _tell(mine))
    if not found:
        return PointScore(point, 0.0, (), missing.get(point, "nothing on record earns it"))
    if point in BY_HAND and all(one.outcome == "passed" and one.at >= oldest for one in found):
        return PointScore(point, 0.0, (), f"{_tell(found)}, but {BY_HAND[point]}: a validator has to attest it, for half a point")
    why = [f"{one.what} expired" if one.outcome == "passed" else f"{one.what} {one.outcome} (entry {one.seq})" for one in found
           if one.outcome != "passed" or one.at < oldest]  # fmt: skip
    return PointScore(point, 0.0, (), "; ".join(why))
