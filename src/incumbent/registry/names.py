"""What models and slots may be called. Names go into paths, addresses and sentences, so they hold no surprises."""

import re

from incumbent.base.errors import InvalidInput

_PART = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_MODEL = re.compile(_PART, re.ASCII)
_SLOT = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}", re.ASCII)
_VERSION = re.compile(r"(.+)@v?([1-9][0-9]{0,8})", re.ASCII)
_LETTERS = "lower-case letters, digits, '.', '_' and '-', beginning and ending with a letter or digit, at most 64"


def check_model_name(name: str) -> str:
    """Return `name` if a model may have it.

    Raises:
        InvalidInput: It may not; the message says what is legal.
    """
    if _MODEL.fullmatch(name) is None:
        raise InvalidInput(f"{name[:80]!r} cannot name a model: {_LETTERS}")
    return name


def check_slot_name(name: str) -> str:
    """Return `name` if a slot may have it, e.g. "flights-late/nyc".

    Raises:
        InvalidInput: It may not; the message says what is legal.
    """
    if _SLOT.fullmatch(name) is None:
        raise InvalidInput(f"{name[:80]!r} cannot name a slot: one to four parts joined by '/', each of {_LETTERS}")
    return name


def parse_version_name(text: str) -> tuple[str, int]:
    """Return (model, version) of `MODEL@VERSION`.

    Raises:
        InvalidInput: `text` has another form.

    >>> parse_version_name("flights-late@3"), parse_version_name("flights-late@v3")
    (('flights-late', 3), ('flights-late', 3))
    """
    found = _VERSION.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text[:80]!r} does not name a version; expected MODEL@VERSION, such as flights-late@3")
    return check_model_name(found[1]), int(found[2])
