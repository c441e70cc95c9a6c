"""What docs/how-to/write-a-gate-policy.md says of rows that are found again, and of those that are not."""

import random

import pytest

from incumbent.usecases.holdout_rows import SHARED_MIN, count_overlap, share_of_rows

CHANCE = random.Random(5)
ROWS = 400
TABLE = {
    "x": [CHANCE.uniform(0, 10) for _ in range(ROWS)],
    "site": [CHANCE.choice(["north", "south"]) for _ in range(ROWS)],
    "y": [CHANCE.gauss(0, 1) for _ in range(ROWS)],
}


def change(function):
    return {**TABLE, "x": [function(value) for value in TABLE["x"]], "y": [function(value) for value in TABLE["y"]]}


def keep(rows):
    return {name: values[:rows] for name, values in TABLE.items()}


FOUND = {
    "other order of rows": {name: values[::-1] for name, values in TABLE.items()},
    "other order of columns": dict(reversed(TABLE.items())),
    "other names": dict(zip(["a", "b", "c"], TABLE.values(), strict=True)),
    "numbers as text": change(repr),
    "half of the rows": keep(ROWS // 2),
    "a column more": {**TABLE, "row": list(range(ROWS))},
}
NOT_FOUND = {
    "another unit": change(lambda value: value * 1000),
    "noise in the sixth digit": change(lambda value: value * (1 + 1e-6)),
    "rounded to two digits": change(lambda value: round(value, 2)),
}


@pytest.mark.parametrize("changed", FOUND)
def test_a_copy_that_changes_no_value_shares_the_budget(changed):
    assert share_of_rows(TABLE, FOUND[changed]) >= SHARED_MIN


@pytest.mark.parametrize("changed", sorted(FOUND.keys() - {"other names"}))
def test_training_rows_that_change_no_value_are_found_in_the_holdout(changed):
    training = FOUND[changed]
    assert count_overlap(TABLE, training, inputs=["x", "site"], label="y").rows == len(training["x"])


@pytest.mark.parametrize("changed", NOT_FOUND)
def test_a_copy_with_other_values_is_other_data_as_the_page_admits(changed):
    """Who finds these one day changes the page, too."""
    other = NOT_FOUND[changed]
    assert share_of_rows(TABLE, other) < SHARED_MIN
    assert count_overlap(TABLE, other, inputs=["x", "site"], label="y").rows == 0


def test_a_few_old_rows_among_many_new_ones_share_no_budget_but_are_found_in_training_rows_one_by_one():
    fresh = random.Random(6)
    mixed = {
        "x": [*TABLE["x"][:100], *[fresh.uniform(0, 10) for _ in range(300)]],
        "site": [*TABLE["site"][:100], *[fresh.choice(["north", "south"]) for _ in range(300)]],
        "y": [*TABLE["y"][:100], *[fresh.gauss(0, 1) for _ in range(300)]],
    }
    assert share_of_rows(TABLE, mixed) == pytest.approx(0.25)
    assert count_overlap(TABLE, mixed, inputs=["x", "site"], label="y").rows == 100


def test_columns_under_other_names_are_not_looked_for_in_training_rows():
    renamed = {"x": TABLE["y"], "site": TABLE["site"], "y": TABLE["x"]}
    assert share_of_rows(TABLE, renamed) == 1.0
    assert count_overlap(TABLE, renamed, inputs=["x", "site"], label="y").rows == 0
