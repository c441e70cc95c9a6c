"""log_metric inside and outside of a stage."""

import pytest

from incumbent.base.errors import InvalidInput, Refused
from incumbent.usecases.log_metric import log_metric, recording_metrics


def test_outside_of_a_stage_it_is_refused_with_advice() -> None:
    with pytest.raises(Refused, match=r"outside of a stage.*incumbent\.run"):
        log_metric("auc", 0.9)


def test_inside_it_records_any_real_number_numpys_too() -> None:
    import numpy as np

    seen: list[tuple[str, float, int]] = []
    with recording_metrics(lambda *point: seen.append(point)):
        log_metric("auc", np.float32(0.5), np.int64(3))  # type: ignore[arg-type]
        log_metric("n", 4)
    assert seen == [("auc", 0.5, 3), ("n", 4.0, 0)]


@pytest.mark.parametrize(("name", "value", "step"), [("", 1, 0), (3, 1, 0), ("a", "1", 0), ("a", None, 0), ("a", 1, 0.5), ("a", 1, True)])
def test_what_is_no_point_is_refused(name: str, value: float, step: int) -> None:
    with recording_metrics(lambda *_: None), pytest.raises(InvalidInput, match="log_metric"):
        log_metric(name, value, step)
