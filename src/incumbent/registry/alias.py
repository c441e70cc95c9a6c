"""What an alias of a model may be called, and which aliases are not free to point anywhere because they say what is live.

    champion, production            of model M: what is in Production in slot M/production
    NAME, if there is a slot M/NAME what is in Production there
    NAME, if there is a slot NAME   what is in Production there, once a version of M was ever placed in it
    any other                       a word: whoever works here may point it at any version

Case does not make another alias of a governed one: `Champion` is champion.
"""

import re
from collections.abc import Iterable

from incumbent.base.errors import InvalidInput
from incumbent.registry.transitions import STATES, State

ALIAS_CHARACTERS_MAX = 255
GOVERNED = ("champion", "production")
_ALIAS = re.compile(r"[\w-]+", re.ASCII)
_VERSION = re.compile(r"[vV]\d+", re.ASCII)


def check_alias(name: str) -> str:
    """Return `name` if an alias may have it.

    Raises:
        InvalidInput: It may not; the message says what is legal.

    >>> check_alias("best_2")
    'best_2'
    """
    if len(name) > ALIAS_CHARACTERS_MAX or _ALIAS.fullmatch(name) is None:
        raise InvalidInput(f"{name[:80]!r} cannot name an alias: 1 to {ALIAS_CHARACTERS_MAX} ASCII letters, digits, '_' and '-'")
    if name.lower() == "latest" or _VERSION.fullmatch(name):
        raise InvalidInput(f"the alias {name[:80]!r} is reserved: clients take it for the newest version, or for a version's number")
    return name


def own_slot(model: str) -> str:
    """Return the slot that champion, production, and MLflow's four words for a version's life are about."""
    return f"{model}/production"


def slots_behind(model: str, alias: str) -> tuple[str, ...]:
    """Return the slots that an alias of a model could be about, the closest first; which of them is there, the caller looks up.

    >>> slots_behind("credit", "EU")
    ('credit/eu', 'eu')
    """
    word = alias.lower()
    return (own_slot(model),) if word in GOVERNED else (f"{model}/{word}", word)


def aliases_of(model: str, slot: str) -> tuple[str, ...]:
    """Return the aliases by which a slot is read that holds a version of a model; none if its name cannot be one.

    >>> aliases_of("credit", "credit/eu"), aliases_of("credit", "credit/production"), aliases_of("credit", "bank/eu")
    (('eu',), ('champion', 'production'), ())
    """
    if slot == own_slot(model):
        return GOVERNED
    word = slot.removeprefix(f"{model}/")
    return (word,) if word not in GOVERNED and is_alias(word) else ()


def is_alias(word: str) -> bool:
    """Return whether an alias may have this name."""
    try:
        return check_alias(word) == word
    except InvalidInput:
        return False


def find_stages(stages: Iterable[str]) -> tuple[State, ...]:
    """Return statuses by MLflow's words for them, in any case.

    Raises:
        InvalidInput: One is none of the four.

    >>> find_stages(["production", "NONE"])
    ('Production', 'None')
    """
    known: dict[str, State] = {state.lower(): state for state in STATES}
    given = tuple(stages)
    for word in given:
        if word.lower() not in known:
            raise InvalidInput(f"Invalid Model Version stage: {word[:80]}. Value must be one of {', '.join(known.values())}")
    return tuple(known[word.lower()] for word in given)
