"""The test `distributions`: the holdout, and the champion's training rows, are distributed like the training rows.

A column has moved where its PSI or its KS distance is beyond what matters AND beyond what luck does in samples of these sizes. The
level of luck is shared out over all comparisons (Bonferroni), so that without any drift the whole test fails at most once in
1 / ALARM times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from incumbent.base.documents import Json
from incumbent.registry.signature import Scalar
from incumbent.stats.ks import ks
from incumbent.stats.psi import psi, psi_floor
from incumbent.usecases.examine_subject import Exam, Found, Rows, count_rows, numbers, shown, spread

ALARM = 0.01
"""How often the test may fail where nothing moved at all."""
PSI_LIMIT, KS_LIMIT = 0.25, 0.2
"""What matters: the customary PSI of a shift, and a fifth of all rows on another side of some value."""
BINS, CATEGORIES, BIN_ROWS_MIN, ROWS_MAX = 10, 20, 5, 50_000
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one column is from the training rows'.

    Attributes:
        floor: The PSI that luck exceeds at the level asked for; 0 for a column with one value.
        distance: KS distance, None where the column is no number.
        p: Of that distance.
    """

    psi: float
    floor: float
    bins: int
    distance: float | None = None
    p: float | None = None

    def has_moved(self, alpha: float) -> bool:
        """Return whether it moved beyond what matters and beyond luck."""
        by_psi = self.psi > max(PSI_LIMIT, self.floor)
        return by_psi or (self.distance is not None and self.p is not None and self.distance > KS_LIMIT and self.p < alpha)


def measure_shift(before: Sequence[Scalar], after: Sequence[Scalar], *, alpha: float) -> Shift:
    """Return how far `after` is from `before`; null is a bin of its own.

    Args:
        before: At least one value.
        after: At least one value.
        alpha: Level of the noise floor.
    """
    old, new = numbers(before), numbers(after)
    if old is None or new is None:
        keys = [repr(value) for value in before], [repr(value) for value in after]
        return _compare_counts(*_count_categories(*keys), alpha=alpha)
    known = old[~np.isnan(old)], new[~np.isnan(new)]
    distinct = np.unique(np.concatenate(known))
    if distinct.size <= BINS:
        keys = [repr(value) for value in old.tolist()], [repr(value) for value in new.tolist()]
        found = _compare_counts(*_count_categories(*keys), alpha=alpha)
    else:
        found = _compare_counts(*_count_bins(old, new, known[0] if known[0].size else distinct), alpha=alpha)
    finite = known[0][np.isfinite(known[0])], known[1][np.isfinite(known[1])]  # what is infinite is in a bin, and has no distance
    if finite[0].size == 0 or finite[1].size == 0:
        return found
    distance, p = ks(*finite)
    return Shift(found.psi, found.floor, found.bins, distance, p)


def _count_bins(old: NDArray[np.float64], new: NDArray[np.float64], known: NDArray[np.float64]) -> tuple[Counts, Counts]:
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf"))

    def count(values: NDArray[np.float64]) -> Counts:
        missing = np.isnan(values)
        counts = np.bincount(np.searchsorted(edges, values[~missing], side="left"), minlength=edges.size + 1)
        return np.array([*counts, int(missing.sum())], dtype=np.int64)

    return count(old), count(new)


def _count_categories(old: Sequence[str], new: Sequence[str]) -> tuple[Counts, Counts]:
    before, after = _tally(old), _tally(new)
    names = sorted(before.keys() | after.keys(), key=lambda name: (-before.get(name, 0) - after.get(name, 0), name))
    kept, rest = names[:CATEGORIES], names[CATEGORIES:]

    def count(tally: Mapping[str, int]) -> Counts:
        return np.array([*(tally.get(name, 0) for name in kept), sum(tally.get(name, 0) for name in rest)], dtype=np.int64)

    return count(before), count(after)


def _tally(values: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found


def _compare_counts(before: Counts, after: Counts, *, alpha: float) -> Shift:
    n, m = int(before.sum()), int(after.sum())
    expected = (before + after) / (n + m) * min(n, m)
    order = np.argsort(-expected, kind="stable")
    before, after, expected = before[order], after[order], expected[order]
    large = int((expected >= BIN_ROWS_MIN).sum())
    if 0 < large < expected.size:  # the small ones are one bin; if that is small itself, it joins the smallest of the large
        cut = large if expected[large:].sum() >= BIN_ROWS_MIN else large - 1
        before, after = (np.array([*counts[:cut], int(counts[cut:].sum())], dtype=np.int64) for counts in (before, after))
    if before.size < 2 or large == 0:
        return Shift(0.0, 0.0, 1)
    floor = psi_floor(n, m, before.size, alpha=alpha)
    return Shift(psi(np.maximum(before, 1), np.maximum(after, 1)), floor, int(before.size))


def examine_distributions(exam: Exam) -> Found:
    """Holdout and champion's training rows are distributed like the training rows, column by column."""
    training = exam.training
    assert training is not None
    known = {"the holdout": exam.holdout, "the champion's training rows": exam.champion_training}
    others = {name: spread(rows, ROWS_MAX) for name, rows in known.items() if rows is not None}
    if not others:
        return Found("not-applicable", "no holdout is known, and no champion's training rows, to compare the training rows with")
    mine = spread(training, ROWS_MAX)
    empty = [name for name, rows in {"the training rows": mine, **others}.items() if count_rows(rows) == 0]
    if empty:
        return Found("undecided", f"{' and '.join(empty)} have no rows")
    label = [exam.subject.scoring.label] if exam.subject.scoring else []
    pairs = [(table, column) for table, rows in others.items() for column in (*exam.inputs, *label) if column in mine and column in rows]
    if not pairs:
        return Found("undecided", f"the tables share none of the columns {shown([*exam.inputs, *label])}")
    return _judge(mine, others, pairs)


def _judge(mine: Rows, others: Mapping[str, Rows], pairs: Sequence[tuple[str, str]]) -> Found:
    alpha = ALARM / (2 * len(pairs))  # PSI and KS of every column in every table
    facts: dict[str, Json] = {"false_alarm_rate": ALARM, "alpha": alpha, "psi_limit": PSI_LIMIT, "ks_limit": KS_LIMIT}
    moved, thin = [], []
    for table, column in pairs:
        found = measure_shift(mine[column], others[table][column], alpha=alpha)
        facts[f"{column} against {table}"] = {
            "psi": found.psi, "psi_floor": found.floor, "bins": found.bins, "ks": found.distance, "p": found.p,
        }  # fmt: skip
        told = f"{column[:64]!r} in {table}: PSI {found.psi:.3f}, of which luck explains {found.floor:.3f}"
        told += "" if found.distance is None else f"; KS distance {found.distance:.3f}"
        if found.has_moved(alpha):
            moved.append(told)
        elif found.floor > PSI_LIMIT:
            thin.append(told)
    if moved:
        return Found("failed", f"{len(moved)} columns are distributed otherwise: {'; '.join(moved[:5])}", facts)
    if thin:
        return Found("undecided", f"too few rows to tell luck from a shift that matters: {'; '.join(thin[:5])}", facts)
    tables = " and ".join(others)
    reason = f"of {len(pairs)} comparisons with {tables} none is beyond PSI {PSI_LIMIT} or KS {KS_LIMIT} and beyond luck"
    return Found("passed", f"{reason}; without any shift the test fails at most {ALARM:.0%} of the time", facts)
