import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.gates.champion import Guardrail, champion_challenger, noise_margin

SOURCE = [
    Guardrail("p99_latency_ms", 180.0, 200.0, higher_is_better=False),
    Guardrail("fairness_gap", 0.030, 0.050, higher_is_better=False),
    Guardrail("calibration_ece", 0.021, 0.040, higher_is_better=False),
]


def decide(**changes):
    return champion_challenger(**{"m_champ": 0.842, "m_chal": 0.857, "delta": 0.005, "guardrails": SOURCE, **changes})


def test_the_sources_example_promotes():
    found = decide()
    assert found.promote
    assert found.beats_margin
    assert found.breaches == ()
    assert found.gain == pytest.approx(0.015)
    assert found.reason == "promote: gain +0.015 > margin 0.005; every guardrail holds"


def test_the_sources_counterfactual_keeps_the_champion_at_240_ms():
    found = decide(guardrails=[Guardrail("p99_latency_ms", 240.0, 200.0, higher_is_better=False), *SOURCE[1:]])
    assert not found.promote
    assert found.beats_margin
    assert found.breaches == ("p99_latency_ms",)
    assert found.reason == "keep the champion: gain +0.015 > margin 0.005; broken guardrails: p99_latency_ms"


def test_a_gain_of_exactly_the_margin_is_not_enough_and_a_guardrail_at_its_limit_holds():
    assert not champion_challenger(m_champ=0.5, m_chal=0.75, delta=0.25).promote
    assert Guardrail("recall", 0.8, 0.8).holds
    assert Guardrail("gap", 0.1, 0.1, higher_is_better=False).holds


def test_the_sources_noise_margin():
    assert noise_margin(0.90, 2000) == pytest.approx(0.01315, abs=5e-6)
    assert noise_margin(1.0, 2000) == 0.0


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(1e-6, 1), st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.booleans())))
def test_it_promotes_if_and_only_if_equation_v7_3_says_so(champ, chal, delta, rails):
    found = champion_challenger(
        m_champ=champ, m_chal=chal, delta=delta, guardrails=[Guardrail(str(i), *rail) for i, rail in enumerate(rails)]
    )
    holds = all(value >= limit if higher else value <= limit for value, limit, higher in rails)
    assert found.promote == ((chal - champ > delta) and holds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"m_champ": math.nan}, "the champion's metric is nan"),
        ({"m_chal": math.inf}, "the challenger's metric is inf"),
        ({"delta": 0.0}, "delta is 0.0; a margin of 0 or less"),
        ({"delta": -0.1}, "a margin of 0 or less"),
        ({"delta": math.nan}, "delta is nan"),
        ({"guardrails": [Guardrail("a", math.nan, 1.0)]}, "guardrail a is nan"),
        ({"guardrails": [Guardrail("a", 1.0, math.nan)]}, "the limit of guardrail a is nan"),
        ({"guardrails": [Guardrail("a", 1.0, 1.0), Guardrail("a", 2.0, 1.0)]}, "two guardrails are called a"),
    ],
)
def test_what_decides_nothing_is_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        decide(**changes)


@pytest.mark.parametrize(("p", "m"), [(1.1, 10), (-0.1, 10), (math.nan, 10), (0.5, 0)])
def test_a_margin_of_no_proportion_is_refused(p, m):
    with pytest.raises(InvalidInput, match="no noise to tell"):
        noise_margin(p, m)
