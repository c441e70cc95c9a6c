import math

import numpy as np
import pytest

from incumbent.base.errors import InvalidInput
from incumbent.stats.calibration import calibration_error, plugin_ece


def calibrated(rng, m, shift=0.0):
    """Probabilities of rows whose truth happens `shift` more often than they announce."""
    p = rng.uniform(0.1, 0.8, size=m)
    return rng.random(m) < p + shift, p


def test_two_bins_give_what_a_pencil_gives():
    """Bins {.2, .4} and {.6, .8}: gaps 0.5 - 0.3 and 1.0 - 0.7; square .5 (.04 - .25 / 1) + .5 (.09 - 0) < 0."""
    p, truth = np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, True, True])
    assert plugin_ece(truth, p, bins=2) == pytest.approx((0.2 + 0.3) / 2)
    assert calibration_error(truth, p, alpha=0.05, rng=np.random.default_rng(1), bins=2).value == 0.0
    truth = np.array([True, True, True, True])
    found = calibration_error(truth, p, alpha=0.05, rng=np.random.default_rng(1), bins=2)
    assert found.value == pytest.approx(math.sqrt((0.49 + 0.09) / 2))  # no variance in either bin, so nothing is taken off


@pytest.mark.parametrize("m", [200, 1000, 5000])
def test_the_usual_error_of_a_perfect_model_is_far_from_zero_and_the_debiased_square_is_not(m):
    """E|gap| of a bin of m / 15 rows is sqrt(2 / pi) * sqrt(p (1 - p) / (m / 15))."""
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.8, size=100_000)
    expected = math.sqrt(2 / math.pi) * float(np.sqrt(p * (1 - p)).mean()) * math.sqrt(15 / m)
    plugin = np.mean([plugin_ece(*calibrated(rng, m)) for _ in range(200)])
    assert plugin == pytest.approx(expected, rel=0.06)
    debiased = [calibration_error(*calibrated(rng, m), alpha=0.05, rng=rng).value ** 2 for _ in range(20)]
    assert np.mean(debiased) < plugin**2 / 2


def test_the_bounds_of_a_shifted_model_hold_as_often_as_they_say():
    """Every bin is off by 0.06, so the true error is 0.06 (bins of equal mass of a uniform p have no gap inside)."""
    rng = np.random.default_rng(3)
    below = above = 0
    for _ in range(100):
        found = calibration_error(*calibrated(rng, 2000, shift=0.06), alpha=0.05, rng=rng)
        below += found.low > 0.06
        above += found.high < 0.06
    assert max(below, above) <= 14  # Binomial(100, 0.05): mean 5, four standard deviations are 8.7
    assert below + above >= 1


def test_the_bounds_close_in_on_zero_for_a_perfect_model():
    high = [
        calibration_error(*calibrated(np.random.default_rng(4), m), alpha=0.05, rng=np.random.default_rng(5)).high for m in (500, 20_000)
    ]
    assert high[1] < 0.03 < high[0] < 0.12


def test_a_model_that_answers_one_number_has_one_bin():
    truth, p = np.arange(100) < 30, np.full(100, 0.5)
    assert plugin_ece(truth, p) == pytest.approx(0.2)
    assert calibration_error(truth, p, alpha=0.05, rng=np.random.default_rng(6)).value == pytest.approx(math.sqrt(0.04 - 0.21 / 99))


@pytest.mark.parametrize("p", [[0.5, math.nan], [0.5, 1.01], [-0.1, 0.5], [0.5], []])
def test_what_is_no_probability_a_row_is_refused(p):
    for call in (plugin_ece, lambda truth, p: calibration_error(truth, p, alpha=0.05, rng=np.random.default_rng(7))):
        with pytest.raises(InvalidInput):
            call(np.array([True, False]), np.array(p))
