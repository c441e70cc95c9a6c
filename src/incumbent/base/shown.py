"""Text that a person reads: what a name would hide, or do to whatever shows it, is spelled out."""

import json
import unicodedata

_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_HARMLESS = "\n\t\u200c\u200d\u00ad"
_LINES = str.maketrans("\n\t", "  ")


def show_marks(text: str) -> str:
    r"""Return the text with every character spelled out that would not be seen, would turn the writing round, or steer a terminal.

    >>> show_marks("safe\u202egnp.exe"), show_marks("\x1b[2J"), show_marks("caf\u00e9")
    ('safe⟨U+202E⟩gnp.exe', '⟨U+001B⟩[2J', 'café')
    """
    return text if _is_plain(text) else "".join(f"⟨U+{ord(one):04X}⟩" if _is_mark(one) else one for one in text)


def escape_marks(json_text: str) -> str:
    r"""Return a JSON text that says the same, with those characters as JSON spells them.

    >>> escape_marks('{"a": "\x9b2J", "b": "\U000e0041"}')
    '{"a": "\\u009b2J", "b": "\\udb40\\udc41"}'
    """
    return json_text if _is_plain(json_text) else "".join(json.dumps(one)[1:-1] if _is_mark(one) else one for one in json_text)


def show_line(text: str) -> str:
    r"""Return the text as one line, with those characters spelled out.

    >>> show_line("two\nlines\x07")
    'two lines⟨U+0007⟩'
    """
    return show_marks(text.translate(_LINES))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.translate(_LINES).isprintable()


def _is_mark(one: str) -> bool:
    return unicodedata.category(one) in _UNSHOWN and one not in _HARMLESS
