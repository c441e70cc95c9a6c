"""Lowering what is asked: of the times that something was set, which count for a model that somebody had a hand in.

Whoever made a model may not be the one who decides that less is asked of it. So where they set the tiers, or assessed the model's tier,
what they lowered stays as it was, until somebody without a hand in it sets it. What they raised holds.

What is asked is a few whole numbers by name, of which more is stricter: places of a quorum, days that a sign-off does not count.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Asks = Mapping[str, int]
"""What is asked, by name; a greater number asks for more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One time that it was set what is asked.

    Attributes:
        seq: Number of its entry.
        by: Who set it.
        asks: What is asked from then on, under the names of all other settings.
    """

    seq: int
    by: str
    asks: Asks


@dataclass(frozen=True, slots=True)
class Held:
    """What is asked of one model.

    Attributes:
        asks: The numbers that hold.
        setting: The setting that they are from, the last that counts whole; None while what held at the beginning still does.
        is_lowered: Less is asked, of something, than was ever asked before.
        ignored: The settings since then that asked for less and do not count for it, oldest first.
    """

    asks: Asks
    setting: Setting | None
    is_lowered: bool
    ignored: tuple[Setting, ...]


def hold(start: Asks, settings: Iterable[Setting], is_barred: Callable[[Setting], bool]) -> Held:
    """Return what is asked of a model.

    Args:
        start: What was asked before anybody set anything.
        settings: All settings, oldest first.
        is_barred: Whether a setting is the word of somebody who may not lower what is asked of this model. It is asked only of those that
            lower something.

    >>> times = [Setting(1, "omar", {"approvers": 2}), Setting(2, "ann", {"approvers": 0})]
    >>> hold({"approvers": 1}, times, lambda setting: setting.by == "ann").asks
    {'approvers': 2}
    """
    asks, strictest, last, ignored = dict(start), dict(start), None, list[Setting]()
    for setting in settings:
        if _is_lower(setting.asks, asks) and is_barred(setting):
            ignored.append(setting)
            asks = _join(asks, setting.asks)
        else:
            last, ignored, asks = setting, [], dict(setting.asks)
        strictest = _join(strictest, asks)
    return Held(asks, last, _is_lower(asks, strictest), tuple(ignored))


def _is_lower(one: Asks, other: Asks) -> bool:
    return any(one[name] < other[name] for name in other)


def _join(one: Asks, other: Asks) -> dict[str, int]:
    return {name: max(one[name], other[name]) for name in one}
