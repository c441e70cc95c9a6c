from hypothesis import given
from hypothesis import strategies as st

from incumbent.gates.policy import parse_policy
from incumbent.gates.policy_change import list_changes, list_values

TEXT = """
format = 1
[primary]
metric = "mae"
margin = 0.013
label = "y_true"
output = "y"
[[guardrail]]
metric = "p99_latency_ms"
ceiling = 180.0
[[guardrail]]
metric = "forbidden_rate"
output = "bad"
ceiling = 0.5
[holdout]
name = "frozen"
looks_max = 20
[tests]
required = ["serves"]
"""


def changes(text):
    return list_changes(list_values(parse_policy(TEXT)), list_values(parse_policy(text)))


def test_each_number_that_differs_is_told_by_its_place():
    assert changes(TEXT) == {}
    assert changes(TEXT.replace("0.013", "0.002").replace("180.0", "900.0")) == {
        "primary margin": ("0.013", "0.002"),
        "guardrail p99_latency_ms ceiling": ("180.0", "900.0"),
    }
    assert changes(TEXT.replace("0.5", "0.9")) == {"guardrail forbidden_rate bad ceiling": ("0.5", "0.9")}
    assert changes(TEXT.replace('["serves"]', '["serves", "skew"]')) == {"tests required": ("serves", "serves, skew")}


def test_a_rule_that_was_taken_out_or_another_order_of_them_is_told_for_what_it_is():
    head, rails = TEXT.partition("[[guardrail]]")[0], TEXT.partition("[holdout]")[0].split("[[guardrail]]")[1:]
    tail = "[holdout]" + TEXT.partition("[holdout]")[2]
    swapped = head + "".join(f"[[guardrail]]{rail}" for rail in reversed(rails)) + tail
    assert changes(swapped) == {}
    without = changes(f"{head}[[guardrail]]{rails[1]}{tail}")
    assert without["guardrail p99_latency_ms ceiling"] == ("180.0", "none")
    assert {place.split()[1] for place in without} == {"p99_latency_ms"}


VALUES = st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"))


@given(VALUES, VALUES)
def test_what_is_told_turns_the_one_into_the_other(before, after):
    told = list_changes(before, after)
    assert {place: after.get(place, "none") for place in told} | {place: value for place, value in before.items() if place not in told} == {
        place: after.get(place, "none") for place in before | after
    }
