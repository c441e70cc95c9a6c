import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.gates.holdout import LadderAnswer, alpha_of_look, ladder, thresholdout
from incumbent.stats.paired import paired_counts, paired_mean


def test_the_prices_of_all_looks_sum_to_the_level():
    """Basel: the sum of 1 / k^2 to K is pi^2 / 6 less about 1 / K."""
    assert sum(alpha_of_look(0.05, look) for look in range(1, 10_001)) == pytest.approx(0.05 * (1 - 6 / math.pi**2 / 10_000), rel=1e-6)
    assert alpha_of_look(0.025, 3) == pytest.approx(0.0017, abs=5e-5)


@pytest.mark.parametrize(("alpha", "look"), [(0.05, 0), (0.05, -1), (0.0, 1), (1.0, 1), (math.nan, 1)])
def test_a_look_that_has_no_price_is_refused(alpha, look):
    with pytest.raises(InvalidInput, match="cannot be priced"):
        alpha_of_look(alpha, look)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.integers(1, 10_000))
def test_the_ladder_only_climbs_and_only_by_a_standard_error(best, score, se, m):
    found = ladder(best, score, se=se, m=m)
    if score > best + se:
        assert found.improved
        assert found.released == pytest.approx(score, abs=0.5 / m + 1e-12)
    else:
        assert found == LadderAnswer(best, False)


@pytest.mark.parametrize("changes", [{"best": math.nan}, {"score": math.inf}, {"se": math.nan}, {"se": -1.0}, {"m": 0}])
def test_a_rung_from_what_is_no_number_is_refused(changes):
    with pytest.raises(InvalidInput, match="no rung"):
        ladder(**{"best": 0.5, "score": 0.6, "se": 0.1, "m": 10, **changes})


def attack(release, *, m=2000, k=200, seed=1):
    """Coin flips against coin flips: keep every random vote that the holdout calls better than chance, and let them vote.

    The boosting attack of Blum and Hardt (2015, section 4); every vote, and so their majority, is right half of the time.
    """
    rng = np.random.default_rng(seed)
    truth = rng.random(m) < 0.5
    votes = rng.random((k, m)) < 0.5
    kept = [vote for vote in votes if release(vote == truth) > 0.5]
    majority = np.mean(kept, axis=0) > 0.5 if kept else votes[0]
    return release(majority == truth)


class Climber:
    """A holdout that answers by the parameter-free Ladder, beginning from a coin."""

    def __init__(self, m):
        self.best, self.scores = 0.5, np.arange(m) % 2 == 0

    def __call__(self, right):
        se = paired_mean(self.scores.astype(float), right.astype(float)).se
        answer = ladder(self.best, float(right.mean()), se=se, m=right.size)
        self.best = answer.released
        if answer.improved:
            self.scores = right
        return answer.released


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_coin_flips_climb_on_an_open_holdout_and_not_on_the_ladder(seed):
    """m = 2,000, k = 200: page 6.2 measured 0.599 on the open holdout, and 0.527 with the Ladder."""
    assert attack(lambda right: float(right.mean()), seed=seed) == pytest.approx(0.599, abs=0.025)
    assert attack(Climber(2000), seed=seed) <= 0.54


def test_a_hundred_equal_challengers_win_by_luck_unless_their_looks_are_paid_for():
    """m = 2,000, p = .82, 5 % discordant: page 6.2 has 0.83 for an unpaid 1.96, and at most 0.035 where looks are paid for."""
    rng, m, unpaid, paid = np.random.default_rng(7), 2000, 0, 0
    for _ in range(200):
        right = rng.random(m) < 0.82
        swaps = rng.random((100, m))
        unpaid_now = paid_now = False
        for look, swap in enumerate(swaps, 1):
            n01 = int((~right & (swap < 0.025 / 0.18)).sum())
            n10 = int((right & (swap < 0.025 / 0.82)).sum())
            found = paired_counts(n01, n10, m)
            unpaid_now |= found.low(0.025) > 0
            paid_now |= found.low(alpha_of_look(0.025, look)) > 0
        unpaid, paid = unpaid + unpaid_now, paid + paid_now
    assert unpaid / 200 >= 0.6
    assert paid / 200 <= 0.06


def answer(**changes):
    quiet = {"threshold": 0.04, "noise": 0.0, "threshold_noise": 0.0, "answer_noise": 0.0}
    return thresholdout(**{"train": 0.6, "holdout": 0.59, **quiet, **changes})


def test_thresholdout_answers_from_training_until_the_holdout_disagrees():
    assert answer().value == 0.6
    assert not answer().costs_budget
    assert answer(holdout=0.5, answer_noise=0.01).value == pytest.approx(0.51)
    assert answer(holdout=0.5).costs_budget
    assert not answer(holdout=0.5, threshold_noise=0.07).costs_budget
    assert answer(noise=-0.04).costs_budget


@pytest.mark.parametrize("changes", [{"train": math.nan}, {"noise": math.inf}, {"threshold": 0.0}])
def test_thresholdout_of_what_is_no_number_is_refused(changes):
    with pytest.raises(InvalidInput, match="finite numbers"):
        answer(**changes)
