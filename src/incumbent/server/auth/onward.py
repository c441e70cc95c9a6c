"""Where to go after logging in: a path of this server, never another one's address."""

import re

_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", re.ASCII)
CHARACTERS_MAX = 1000


def safe_onward(text: str) -> str:
    r"""Return `text` if it is a path of this server, else "/": browsers take `//host`, `/\host` and what begins with a tab for addresses.

    >>> [safe_onward(text) for text in ("/runs?q=1", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "")]
    ['/runs?q=1', '/', '/', '/', '/', '/']
    """
    return text if len(text) <= CHARACTERS_MAX and _PATH.fullmatch(text) else "/"
