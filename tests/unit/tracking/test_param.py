import math
from pathlib import PurePosixPath

import numpy as np
import pytest

from incumbent.base.errors import InvalidInput
from incumbent.tracking.param import plain_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5), (np.int64(6), 6), (np.bool_(True), True), (np.array(3), 3), (np.float64("nan"), "nan"), (-math.inf, "-inf"),
        (PurePosixPath("a/b"), "a/b"), ((1, (2, math.nan)), [1, [2, "nan"]]), ({1: np.int8(2)}, {"1": 2}), (dict, "builtins.dict"),
        (None, None), (True, True), (1.0, 1.0), ("1", "1"),
    ],
)  # fmt: skip
def test_a_param_is_recorded_as_what_it_is_or_the_text_that_names_it(value, expected):
    found = plain_value("p", value)
    assert found == expected
    assert type(found) is type(expected)


def test_long_and_endless_values_are_refused_in_words():
    with pytest.raises(InvalidInput, match="log it as an artifact"):
        plain_value("p", "x" * 20_000)
    with pytest.raises(InvalidInput, match="log it as an artifact"):
        plain_value("p", list(range(10_000)))
    endless = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="holds itself"):
        plain_value("p", endless)
