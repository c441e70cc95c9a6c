"""The ML Test Score, held to the paper's rules."""

from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import InvalidInput
from incumbent.gates.examined import TestResult, result_of_test_from_json
from incumbent.gates.test_score import POINTS, PointEvidence, find_band, judge_test_score

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def proof(point, seq=1, *, by="machine", outcome="passed", days=0, what="a test"):
    return PointEvidence(point, by, seq, NOW - timedelta(days=days), outcome, what)


def judged(*evidence):
    return judge_test_score(evidence, now=NOW, missing={}, valid_days=90)


def line(point, *evidence):
    return next(one for one in judged(*evidence).points if one.point == point)


def test_there_are_seven_tests_in_each_of_four_sections():
    sections = [point.rpartition("-")[0] for point in POINTS]
    assert {name: sections.count(name) for name in sections} == {"data": 7, "model": 7, "infrastructure": 7, "monitoring": 7}


def test_the_final_score_is_the_least_section_and_not_the_mean():
    everything_but_monitoring = [proof(point) for point in POINTS if not point.startswith("monitoring")]
    score = judged(*everything_but_monitoring, proof("monitoring-3", by="hand"))
    assert score.sections == {"data": 6, "model": 7, "infrastructure": 7, "monitoring": 0.5}
    assert (score.final, score.band) == (0.5, "not totally untested, but serious holes in reliability are possible")
    whole = judged(*[proof(point) for point in POINTS])
    assert whole.sections == {"data": 6, "model": 7, "infrastructure": 7, "monitoring": 7}, "data-5 takes a person"
    assert whole.final == 6


def test_by_hand_is_worth_half_and_the_better_of_both_counts():
    assert line("data-1", proof("data-1", by="hand")).score == 0.5
    assert line("data-1", proof("data-1", 1, by="hand"), proof("data-1", 2)).score == 1
    assert line("data-1", proof("data-1", 1, by="hand"), proof("data-1", 2, outcome="undecided")).score == 0.5


def test_a_word_does_not_stand_against_a_test_that_failed():
    assert line("data-1", proof("data-1", 1, by="hand"), proof("data-1", 2, outcome="failed")).score == 0
    assert line("data-1", proof("data-1", 2, by="hand"), proof("data-1", 1, outcome="failed")).score == 0
    assert line("data-1", proof("data-1", 1, by="hand", outcome="failed"), proof("data-1", 2)).score == 1


def test_privacy_takes_a_persons_word_which_a_failed_scan_takes_away():
    told = line("data-5", proof("data-5"))
    assert (told.score, told.entries) == (0, ())
    assert "a test passed, but who may read the data" in told.reason
    assert line("data-5", proof("data-5", 1), proof("data-5", 2, by="hand")).score == 0.5
    assert line("data-5", proof("data-5", 2, by="hand")).entries == (2,)
    assert line("data-5", proof("data-5", 1, outcome="failed"), proof("data-5", 2, by="hand")).score == 0
    assert line("data-5", proof("data-5", 1, days=91)).reason == "a test expired"


def test_a_point_names_its_entries_and_expires():
    assert line("data-1", proof("data-1", 41, days=90)).entries == (41,)
    late = line("data-1", proof("data-1", 41, days=91))
    assert (late.score, late.entries, late.reason) == (0, (), "a test expired")


def test_only_the_newest_answer_of_a_test_counts_and_one_that_does_not_apply_says_nothing():
    assert line("data-1", proof("data-1", 1), proof("data-1", 2, outcome="failed")).reason == "a test failed (entry 2)"
    assert line("data-1", proof("data-1", 2), proof("data-1", 1, outcome="failed")).score == 1
    assert line("data-1", proof("data-1", 1), proof("data-1", 2, outcome="not-applicable")).score == 1
    assert line("data-1", proof("data-1", 1, what="a"), proof("data-1", 2, what="b", outcome="undecided")).score == 0


@pytest.mark.parametrize(
    ("score", "begins"),
    [(0, "more of a research"), (0.5, "not totally"), (1, "not totally"), (1.5, "a first pass"), (2, "a first pass"), (2.5, "reasonably"),
     (3, "reasonably"), (3.5, "strong"), (5, "strong"), (5.5, "exceptional"), (7, "exceptional")],
)  # fmt: skip
def test_bands_are_those_of_the_paper_of_2017(score, begins):
    assert find_band(score).startswith(begins)


@pytest.mark.parametrize("score", [-0.5, 7.5, float("nan")])
def test_what_is_no_score_has_no_band(score):
    with pytest.raises(InvalidInput, match="no ML Test Score"):
        find_band(score)


def test_unknown_points_and_no_days_are_errors():
    with pytest.raises(InvalidInput, match="none of the 28"):
        judged(proof("data-8"))
    for days in (0, -1, 36_601, 10**12):
        with pytest.raises(InvalidInput, match="1 to 36,600 days"):
            judge_test_score([], now=NOW, missing={}, valid_days=days)


def test_a_result_is_read_as_it_was_written_and_what_is_none_is_refused():
    made = TestResult("skew", "infrastructure", "failed", "they differ", {"rows": 3})
    assert result_of_test_from_json(made.to_json()) == made
    for broken in [
        {},
        [],
        None,
        {**made.to_json(), "outcome": "fine"},
        {**made.to_json(), "layer": "roof"},
        {**made.to_json(), "reason": ""},
    ]:
        with pytest.raises(InvalidInput):
            result_of_test_from_json(broken)
