"""The verifier as one file, to travel in every export: `offline` and what it needs, joined. Standard library and `cryptography` only."""

import inspect
import re

from incumbent.ledger import offline, primitives, reading, report

_PARTS = (primitives, reading, report, offline)
_OWN_IMPORT = re.compile(r"^from incumbent\.ledger\.\w+ import (?:\([^)]*\)|[^\n(]*)\n", re.MULTILINE)


def verifier_source() -> str:
    """Return the text of `verify.py`.

    >>> "import incumbent" in verifier_source() or "from incumbent" in verifier_source()
    False
    """
    texts = (_OWN_IMPORT.sub("", inspect.getsource(module)).strip() for module in _PARTS)
    return f'"""{offline.__doc__}"""\n\n' + "\n\n\n".join(texts) + "\n"
