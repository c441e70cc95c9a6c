import math

import numpy as np
import pytest
from scipy import stats

from incumbent.base.errors import InvalidInput
from incumbent.gates.policy import policy_from_json
from unit.gates.judged import ACCURACY, FIRST, ask, labelled, only, policy, probabilities
from unit.stats.scores import reference_bounds, reference_low, reference_statistic


@pytest.mark.parametrize(
    ("measured", "outcome", "words"),
    [
        (99, "passed", "99 bytes at the peak, Python included, within the ceiling 100"),
        (100, "passed", "within"),
        (101, "failed", "101 bytes at the peak, Python included, above the ceiling 100"),
        (None, "undecided", "cannot be measured"),
    ],
)
def test_memory_is_one_number_held_against_its_ceiling(measured, outcome, words):
    rules = policy({"metric": "memory_bytes", "ceiling": 100})
    result = only(ask(rules, challenger_memory_bytes=measured))
    assert result.outcome == outcome
    assert words in result.reason


def test_a_process_without_memory_is_a_fault_of_what_measured_it():
    with pytest.raises(InvalidInput, match="is none"):
        ask(policy({"metric": "memory_bytes", "ceiling": 100}), challenger_memory_bytes=0)


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ((90, 40, 4000), "passed"),
        ((40, 90, 4000), "failed"),
        ((52, 40, 4000), "undecided"),
        ((0, 0, 4000), "failed"),
        ((0, 0, 40), "undecided"),
    ],
)
def test_the_primary_rule_answers_by_where_the_interval_lies(counts, outcome):
    found = only(ask(policy(**ACCURACY), **labelled(*counts)))
    d, low, high = reference_bounds(*counts, FIRST)
    assert (found.estimate, found.low, found.high) == pytest.approx((d, low, high))
    assert found.outcome == outcome == ("passed" if low > 0.002 else "failed" if high <= 0.002 else "undecided")
    assert found.n == counts[2]
    assert (found.rows_needed is not None) == (outcome == "undecided")


def test_undecided_says_how_many_rows_would_settle_it_and_so_many_do():
    found = only(ask(policy(margin=0.001, **ACCURACY), **labelled(60, 40, 4000)))
    assert found.outcome == "undecided"
    assert f"about {found.rows_needed:,} more rows would settle it" in found.reason
    times = 1 + found.rows_needed / 4000
    assert times > 1
    more = only(ask(policy(margin=0.001, **ACCURACY), **labelled(round(60 * times), round(40 * times), round(4000 * times))))
    assert more.outcome == "passed"


def test_each_look_is_paid_for_and_says_so():
    rows = labelled(90, 40, 4000)
    first, third = (only(ask(policy(**ACCURACY), look=look, **rows)) for look in (1, 3))
    assert third.low < first.low
    assert third.low == pytest.approx(reference_bounds(90, 40, 4000, FIRST / 9)[1])
    assert "look 3 of 20: judged at one-sided 0.0034 instead of 0.05" in third.reason
    assert only(ask(policy(**ACCURACY), look=20, **rows)).outcome == "undecided"


def test_a_budget_that_is_used_up_gives_no_verdict_but_a_fresh_holdout():
    found = only(ask(policy(look_rules={"looks_max": 2}, **ACCURACY), look=3))
    assert (found.rule, found.outcome) == ("holdout march", "failed")
    assert "register a fresh holdout" in found.reason


@pytest.mark.parametrize("look", [0, -1])
def test_a_look_before_the_first_is_refused(look):
    with pytest.raises(InvalidInput, match="count from 1"):
        ask(policy(**ACCURACY), look=look, **labelled(1, 1, 100))


def test_a_policy_of_tests_alone_is_not_judged_here():
    rules = policy_from_json({"format": 1, "tests": {"required": ["serves"]}})
    with pytest.raises(InvalidInput, match="no rule on a holdout"):
        ask(rules, **labelled(1, 1, 100))


def test_an_empty_slot_has_nothing_to_beat_and_the_guardrails_decide():
    rows = labelled(0, 400, 1000) | {"champion": None}
    verdict = ask(policy({"metric": "accuracy", "floor": 0.9}, {"metric": "recall", "tolerance": 0.01}, **ACCURACY), **rows)
    assert [result.outcome for result in verdict.results] == ["passed", "failed", "passed"]
    assert "no champion" in verdict.results[0].reason
    assert verdict.results[2].reason.startswith("not applicable")
    assert verdict.outcome == "failed"


def test_points_follow_equation_v7_3_with_the_champions_noise_as_margin():
    """p = 0.90 on 2,000 rows: 0.01315. Of 200 wrong rows 27 put right is 0.0135, 26 is 0.0130."""
    for right, outcome in ((27, "passed"), (26, "failed")):
        rows = labelled(0, 0, 2000)
        wrong = np.arange(2000) < 200
        rows |= {"champion": rows["truth"] ^ wrong, "challenger": rows["truth"] ^ (wrong & (np.arange(2000) >= right))}
        found = only(ask(policy(method="points", metric="accuracy", margin="noise"), **rows))
        assert found.outcome == outcome
        assert found.facts["margin"] == pytest.approx(0.01315, abs=5e-6)
        assert found.estimate == pytest.approx(right / 2000)


def test_a_lower_log_loss_is_a_gain():
    rows = probabilities(1, 3000, {"champion": 2.0, "challenger": 0.5})
    found = only(ask(policy(metric="log_loss", margin=0.01), **rows))
    assert found.outcome == "passed"
    assert found.estimate == pytest.approx(found.facts["champion"] - found.facts["challenger"])


def test_one_seed_gives_one_verdict_and_the_bootstrap_hardly_another():
    rows = probabilities(2, 800, {"champion": 1.6, "challenger": 1.2})
    rules = policy({"metric": "recall", "floor": 0.5}, metric="f1", threshold=0.5)
    assert ask(rules, **rows) == ask(rules, **rows)
    first, other = (ask(rules, seed=seed, **rows).results[0] for seed in (1, 2))
    assert first.low == pytest.approx(other.low, abs=0.005)


class TestGuardrails:
    @pytest.mark.parametrize(
        ("n", "wrong", "outcome"), [(2000, 80, "passed"), (2000, 130, "failed"), (2000, 100, "undecided"), (40, 0, "undecided")]
    )
    def test_a_floor_holds_by_its_bound(self, n, wrong, outcome):
        rows = labelled(0, wrong, n) | {"champion": None}
        found = only(ask(policy({"metric": "accuracy", "floor": 0.95}), **rows))
        ci = stats.binomtest(n - wrong, n).proportion_ci(1 - 2 * FIRST, method="wilson")
        assert (found.low, found.high) == pytest.approx((ci.low, ci.high))
        assert found.outcome == outcome
        if wrong == 100:
            assert found.rows_needed is None  # exactly at the limit: no number of rows would settle it
            assert "no number of rows" in found.reason
        if n == 40:
            z = stats.norm.ppf(1 - FIRST)
            assert found.rows_needed == math.ceil(z * z * 0.95 / 0.05) - 40  # Wilson's bound of n of n is n / (n + z^2)

    @pytest.mark.parametrize(("ceiling", "outcome"), [(0.30, "failed"), (0.49, "undecided"), (0.51, "undecided"), (0.60, "passed")])
    def test_a_ceiling_breaks_by_its_bound_and_not_by_the_point(self, ceiling, outcome):
        """Squares of 0 and 1 in equal parts: 0.5 with a standard error of 0.5 / sqrt(400) = 0.025."""
        answers = np.arange(400) % 2 == 0
        found = only(ask(policy({"metric": "brier", "ceiling": ceiling}), truth=np.arange(400) < 200, challenger=answers.astype(float)))
        z = stats.norm.ppf(1 - FIRST)
        assert (found.estimate, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.025 * z, 0.5 + 0.025 * z))
        assert found.outcome == outcome

    def test_the_non_inferiority_vector_of_the_research_page_does_not_pass(self):
        """n01 = 40, n10 = 52, m = 5,000, tolerance .005: the page has Wald's lower bound, -.006159; the score's is a little lower."""
        rules = policy({"metric": "accuracy", "tolerance": 0.005}, look_rules={"reuse": "ladder", "confidence": 0.975})
        found = only(ask(rules, **labelled(40, 52, 5000)))
        assert found.outcome == "undecided"
        assert found.low == pytest.approx(reference_low(40, 52, 5000, 0.025), abs=1e-7) == pytest.approx(-0.006159274, abs=2e-4)
        assert found.facts["p_value"] == pytest.approx(stats.norm.sf(reference_statistic(40, 52, 5000, -0.005)))
        assert only(ask(rules, **labelled(40, 160, 5000))).outcome == "failed"
        assert only(ask(rules, **labelled(40, 42, 5000))).outcome == "passed"

    def test_a_truly_worse_model_passes_seldom_and_an_equal_one_often(self):
        """Truly worse by the tolerance: at most 5 % (page 6.3: a rule on points passes half of them)."""
        rules, rng = policy({"metric": "accuracy", "tolerance": 0.01}, look_rules={"reuse": "ladder"}), np.random.default_rng(3)
        passed = {}
        for name, shares in {"worse": [0.02, 0.03, 0.95], "equal": [0.025, 0.025, 0.95]}.items():
            counts = rng.multinomial(10_000, shares, size=200)
            passed[name] = sum(ask(rules, **labelled(int(a), int(b), 10_000)).is_passed for a, b, _ in counts)
        assert passed["worse"] <= 22  # Binomial(200, 0.05): mean 10, four standard deviations are 12.3
        assert passed["equal"] >= 190

    @pytest.mark.parametrize(
        ("slow", "n", "outcome", "needed"),
        [(0, 298, "undecided", 1), (0, 299, "passed", None), (30, 1000, "failed", None), (4, 1000, "passed", None)],
    )
    def test_the_99th_percentile_of_latency_needs_299_measurements(self, slow, n, outcome, needed):
        times = np.where(np.arange(n) < slow, 240.0, 180.0)
        found = only(ask(policy({"metric": "p99_latency_ms", "ceiling": 200.0}), look=7, challenger_latencies_ms=times))
        assert (found.outcome, found.rows_needed) == (outcome, needed)
        exact = stats.binomtest(slow, n, alternative="less").proportion_ci(0.95).high
        assert (exact <= 0.01) == (outcome == "passed")

    def test_the_champions_latency_is_shown_beside(self):
        found = only(
            ask(
                policy({"metric": "p50_latency_ms", "ceiling": 5.0}),
                challenger_latencies_ms=np.full(100, 3.0), champion_latencies_ms=np.full(100, 4.0),
            )
        )  # fmt: skip
        assert (found.estimate, found.facts["champion"]) == (3.0, 4.0)

    @pytest.mark.parametrize("times", [None, [], [1.0, math.nan], [-1.0]])
    def test_latencies_that_are_none_are_refused(self, times):
        with pytest.raises(InvalidInput, match="latenc"):
            ask(policy({"metric": "p99_latency_ms", "ceiling": 5.0}), challenger_latencies_ms=None if times is None else np.array(times))

    @pytest.mark.parametrize(("hits", "n", "outcome"), [(0, 100, "undecided"), (0, 500, "passed"), (30, 500, "failed")])
    def test_forbidden_answers_are_judged_by_the_upper_bound(self, hits, n, outcome):
        rules = policy({"metric": "forbidden_rate", "output": "bad", "ceiling": 0.01})
        found = only(ask(rules, forbidden={"bad": np.arange(n) < hits}))
        assert found.outcome == outcome
        assert found.facts["forbidden"] == hits
        if outcome == "undecided":
            assert found.rows_needed == math.ceil(math.log(FIRST) / math.log(0.99)) - 100

    def test_an_answer_that_does_not_say_whether_it_is_forbidden_fails(self):
        rules = policy({"metric": "forbidden_rate", "output": "bad", "ceiling": 0.01})
        found = only(ask(rules, forbidden={"bad": np.array([False] * 999 + [None], dtype=object)}))
        assert (found.outcome, found.reason) == ("failed", "1 of 1,000 answers do not say whether they are forbidden")
        with pytest.raises(InvalidInput, match="no answers with the column 'bad'"):
            ask(rules)

    def test_calibration_is_judged_without_the_bias_that_fails_a_perfect_model(self):
        rng = np.random.default_rng(4)
        p = rng.uniform(0.05, 0.95, 4000)
        draws = rng.random(4000)
        rules = policy({"metric": "calibration_error", "ceiling": 0.04})
        assert only(ask(rules, truth=draws < p, challenger=p)).outcome == "passed"
        assert only(ask(rules, truth=draws < p**2, challenger=p)).outcome == "failed"
        few = only(ask(rules, truth=(draws < p)[:300], challenger=p[:300]))
        assert few.outcome == "undecided"
        assert few.rows_needed > 0

    def gap(self, sizes, hits, **sample):
        groups = np.repeat([*"abcdefgh"][: len(sizes)], sizes)
        labels = np.concatenate([np.arange(n) < k for n, k in zip(sizes, hits, strict=True)])
        rules = policy({"metric": "subgroup_gap", "by": "origin", "of": "tpr", "ceiling": 0.10})
        return only(ask(rules, truth=np.ones(labels.size, dtype=bool), challenger=labels, **{"groups": {"origin": groups}, **sample}))

    @pytest.mark.parametrize(
        ("sizes", "hits", "outcome"),
        [((2000, 2000), (1800, 1790), "passed"), ((2000, 2000), (1800, 1400), "failed"), ((80, 80), (72, 70), "undecided")],
    )
    def test_a_gap_is_judged_by_its_bounds(self, sizes, hits, outcome):
        found = self.gap(sizes, hits)
        assert found.outcome == outcome
        assert found.estimate == pytest.approx(abs(hits[0] / sizes[0] - hits[1] / sizes[1]))
        assert [(group["group"], group["hits"], group["n"]) for group in found.facts["groups"]] == [
            ("a", hits[0], sizes[0]),
            ("b", hits[1], sizes[1]),
        ]
        assert (found.rows_needed is not None) == (outcome == "undecided")

    def test_a_small_group_is_no_evidence_and_is_named_with_the_rows_it_needs(self):
        found = self.gap((2000, 2000, 20), (1800, 1790, 20))
        assert found.outcome == "undecided"
        assert "insufficient evidence: tpr of fewer than 50 rows says nothing about c (20)" in found.reason
        assert found.rows_needed == math.ceil(4020 * 30 / 20)

    def test_a_gap_between_large_groups_fails_whatever_the_small_ones_say(self):
        assert self.gap((2000, 2000, 20), (1800, 1400, 20)).outcome == "failed"

    def test_one_group_has_no_gap(self):
        found = self.gap((2000,), (1800,))
        assert (found.outcome, found.rows_needed) == ("undecided", None)
        assert "one group only" in found.reason

    def test_a_column_of_identifiers_is_no_column_of_groups(self):
        with pytest.raises(InvalidInput, match="has 400 values; at most 100 are groups"):
            self.gap((400,), (300,), groups={"origin": np.arange(400)})
        with pytest.raises(InvalidInput, match="no column 'origin'"):
            self.gap((400,), (300,), groups={})


class TestAnswers:
    @pytest.mark.parametrize("bad", [math.nan, math.inf, 1.5, -0.1, None, "high"])
    def test_a_challenger_that_answers_no_probability_fails_and_raises_nothing(self, bad):
        rows = probabilities(5, 200, {"champion": 1.0, "challenger": 1.0})
        answers = np.array(rows["challenger"].tolist(), dtype=object)
        answers[7] = bad
        verdict = ask(policy({"metric": "auc", "floor": 0.6}, metric="auc"), **{**rows, "challenger": answers})
        assert [result.outcome for result in verdict.results] == ["failed", "failed"]
        assert "cannot be scored" in verdict.results[0].reason

    def test_a_champion_that_answers_no_probability_is_an_error(self):
        rows = probabilities(5, 200, {"champion": 1.0, "challenger": 1.0})
        with pytest.raises(InvalidInput, match="the champion cannot be compared: 1 of 200 answers"):
            ask(policy(metric="auc"), **{**rows, "champion": np.where(np.arange(200) == 3, math.nan, rows["champion"])})

    def test_a_holdout_without_labels_is_an_error(self):
        rows = probabilities(5, 200, {"champion": 1.0, "challenger": 1.0})
        truth = np.array(rows["truth"].tolist(), dtype=object)
        truth[:3] = [None, math.nan, None]
        with pytest.raises(InvalidInput, match="3 of 200 rows of the holdout have no 'y'"):
            ask(policy(metric="auc"), **{**rows, "truth": truth})

    @pytest.mark.parametrize("short", ["truth", "champion", "challenger"])
    def test_arrays_of_other_rows_are_refused(self, short):
        rows = labelled(1, 1, 100)
        with pytest.raises(InvalidInput, match="the same rows"):
            ask(policy(**ACCURACY), **{**rows, short: rows[short][1:]})

    def test_a_positive_value_that_no_row_has_is_refused(self):
        rows = labelled(1, 1, 100)
        with pytest.raises(InvalidInput, match="no row of the holdout has 'y' = 'yes', the positive value; it has False, True"):
            ask(policy(positive="yes", **ACCURACY), **rows)

    def test_labels_of_any_kind_are_compared_by_the_positive_value(self):
        rows = {name: np.where(values, "yes", "no").astype(object) for name, values in labelled(90, 40, 4000).items()}
        found = only(ask(policy(positive="yes", metric="recall"), **rows))
        assert found.facts["champion"] == pytest.approx(1955 / 2000)  # every other of the 90 rows is positive
        assert only(ask(policy(**ACCURACY), **rows)).outcome == "passed"  # accuracy asks no positive value
        with pytest.raises(InvalidInput, match="say which value is `positive`"):
            ask(policy(metric="recall"), **rows)

    def test_a_number_too_large_to_square_fails_its_model_and_not_the_gate(self):
        rng = np.random.default_rng(6)
        truth = rng.normal(size=100)
        found = only(ask(policy(metric="rmse", margin=0.1), truth=truth, champion=truth + 1, challenger=truth + 1e200))
        assert (found.outcome, "100 of 100 answers" in found.reason) == ("failed", True)

    def test_a_truth_that_never_varies_is_an_error_where_the_metric_needs_it_to(self):
        with pytest.raises(InvalidInput, match="r2 is undefined on these 50 rows"):
            ask(policy(metric="r2", margin=0.1), truth=np.ones(50), champion=np.ones(50), challenger=np.ones(50))

    def test_a_class_that_is_too_rare_leaves_it_open(self):
        rows = probabilities(7, 400, {"champion": 1.0, "challenger": 0.2}) | {"truth": np.arange(400) < 4}
        found = only(ask(policy(metric="auc"), **rows))
        assert (found.outcome, found.rows_needed) == ("undecided", 600)
