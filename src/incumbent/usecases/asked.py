"""What a caller of a governed act gives, held to its type before anything is asked, done or recorded.

Types are for whoever writes Python, and Python does not hold anybody to them: `version=True` finds version 1, and `reason=None` fails
deep inside. So each act that takes one of these names is marked, and a test finds those that are not.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from incumbent.base.errors import InvalidInput
from incumbent.governance.fields import check_line

VERSION_MAX = 10**9 - 1
_P = ParamSpec("_P")
_T = TypeVar("_T")


def _check_name(value: object, what: str) -> None:
    check_line(_check_words(value, what), f"the name of a {what}", is_needed=False)


def _check_words(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is {_show(value)}; it is a text")
    return value


def _check_version(value: object, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= VERSION_MAX:
        raise InvalidInput(f"{what} is {_show(value)}; it is a whole number from 1 to {VERSION_MAX:,}")


def _check_target(value: object, what: str) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InvalidInput(f"{what} is {_show(value)}; it is a model and a version: ('flights-late', 2)")
    _check_name(value[0], "model")
    _check_version(value[1], "version")


CHECKS: Mapping[str, Callable[[object, str], object]] = MappingProxyType(
    {
        "model": _check_name, "slot": _check_name, "version": _check_version, "to": _check_target,
        "reason": _check_words, "comment": _check_words, "resolution": _check_words,
    }
)  # fmt: skip
"""Name of an argument -> what it is held to."""


def asked(act: Callable[_P, _T]) -> Callable[_P, _T]:
    """Mark a governed act: whatever it is given under these names is held to its type first. Then it raises InvalidInput."""
    parameters = inspect.signature(act).parameters
    optional = {name for name, found in parameters.items() if found.default is None or "None" in str(found.annotation)}

    @wraps(act)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for name, value in kwargs.items():
            if name in CHECKS and not (value is None and name in optional):
                CHECKS[name](value, name)
        return act(*args, **kwargs)

    return checked


def _show(value: object) -> str:
    """Return a value as it may be shown: what is huge, or writes itself in a way of its own, by its type."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    return f"{value[:80]!r}" if isinstance(value, str) else f"a value of the type {type(value).__name__}"
