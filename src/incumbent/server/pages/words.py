"""How values are spelled on a page. Nothing here makes HTML: the templates escape whatever comes from here."""

import json
import math
from datetime import datetime

from incumbent.base.documents import Json

ABSENT = "\u2013"
"""What a cell holds where there is no value: a dash."""
NAME_SHOWN = 120
"""Characters of a name or value that are shown; a longer one is cut, with the number of characters that are left out."""
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def cut(text: str, shown: int = NAME_SHOWN) -> str:
    """Return the text, or as much of its beginning as is shown.

    >>> cut("abcdefgh", 5)
    'abcde… (3 more)'
    """
    return text if len(text) <= shown else f"{text[:shown]}… ({len(text) - shown:,} more)"


def show_value(value: Json) -> str:
    """Return a value as text: a string as it is, anything else as JSON."""
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def show_number(value: float | int | None) -> str:
    """Return a number in six digits.

    >>> show_number(0.123456789), show_number(12), show_number(None), show_number(float("nan"))
    ('0.123457', '12', 'none', 'NaN')
    """
    if value is None:
        return "none"
    if math.isnan(value):
        return "NaN"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def show_bytes(size: int) -> str:
    """Return a size.

    >>> show_bytes(1023), show_bytes(1024), show_bytes(5 << 20)
    ('1,023 bytes', '1.0 KiB', '5.0 MiB')
    """
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{size:,} bytes" if unit == 0 else f"{amount:,.1f} {_UNITS[unit]}"


def show_seconds(seconds: float) -> str:
    """Return a span of time.

    >>> show_seconds(0.25), show_seconds(75), show_seconds(7325)
    ('0.25 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def show_time(at: datetime) -> str:
    """Return a time of UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def short_digest(digest: str) -> str:
    """Return a digest with its algorithm and its first twelve digits; the whole stands in the element's title.

    >>> short_digest("blake3:" + "ab" * 32)
    'blake3:abababababab…'
    """
    algorithm, _, digits = digest.rpartition(":")
    return f"{algorithm}:{digits[:12]}…" if algorithm and len(digits) >= 64 else cut(digest)
