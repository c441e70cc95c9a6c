"""What a param's value is recorded as."""

import math

from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.tracking.record import check_text


def plain_value(name: str, value: object) -> Json:
    """Return a param's value as it is recorded: as itself if JSON has it, else as the text that names it best.

    NumPy's scalars become Python's; NaN and infinities, which JSON lacks, "nan", "inf"; a function or class its dotted name.

    >>> plain_value("depth", 6), plain_value("missing", math.nan), plain_value("loss", math.hypot), plain_value("shape", (2, 3))
    (6, 'nan', 'math.hypot', [2, 3])

    Raises:
        InvalidInput: It is too long for a param.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    plain: Json
    if isinstance(value, float) and not math.isfinite(value):
        plain = str(float(value))
    elif isinstance(value, str | bool | int | float | None):
        plain = value
    elif isinstance(value, list | tuple | dict):
        plain = _plain_container(name, value)
    elif callable(value) and hasattr(value, "__qualname__"):
        plain = f"{value.__module__}.{value.__qualname__}"
    else:
        plain = str(value)
    text = plain if isinstance(plain, str) else document_bytes({"": plain}).decode()
    check_text("param", name, text)
    return plain


def _plain_container(name: str, value: list[object] | tuple[object, ...] | dict[object, object]) -> Json:
    try:
        if isinstance(value, dict):
            return {str(key): plain_value(name, inner) for key, inner in value.items()}
        return [plain_value(name, inner) for inner in value]
    except RecursionError as error:
        raise InvalidInput(f"param {name!r} is nested too deep, or holds itself") from error
