"""Log a metric from inside a stage: the point travels with the stage's outcome, so a cache hit gives it again."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real

from incumbent.base.errors import InvalidInput, Refused

Recorder = Callable[[str, float, int], None]
"""Takes in one point: name, value, step."""

_recorders: list[Recorder] = []  # a stack, not a context variable: threads that a stage starts must find it too


@contextmanager
def recording_metrics(recorder: Recorder) -> Iterator[None]:
    """Send what `log_metric` is given to `recorder` while the block runs (one attempt at a time in a process)."""
    _recorders.append(recorder)
    try:
        yield
    finally:
        _recorders.remove(recorder)


def log_metric(name: str, value: float, step: int = 0) -> None:
    """Record one point of a metric of the stage that is running.

    Args:
        name: The metric's name, e.g. "auc"; not empty.
        value: Any real number (NumPy's too). NaN and infinities are kept: a diverging loss is a fact.
        step: Place on the metric's own axis (epoch, batch).

    Raises:
        Refused: No stage is running here.
        InvalidInput: The name is empty, or value or step is not a number.
    """
    if not _recorders:
        raise Refused(
            f"log_metric({name!r}, …) was called outside of a stage, so there is no run to hold the point; "
            "call it in a stage function, or use `with incumbent.run(…) as run: run.log_metric(…)`"
        )
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput(f"log_metric needs a name, not {name!r}")
    if not isinstance(value, Real) and not hasattr(value, "__float__"):
        raise InvalidInput(f"log_metric({name!r}) needs a number, not {type(value).__name__}")
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise InvalidInput(f"log_metric({name!r}) needs a whole number as its step, not {step!r}")
    number = float(value)
    _recorders[-1](name, number if not math.isnan(number) else math.nan, step.__index__())
