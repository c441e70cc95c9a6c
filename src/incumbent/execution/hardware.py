"""The machine as far as it changes the bits that numeric code gives: processor, its features, how many cores."""

import os
import platform
import re
import sys

from incumbent.base.documents import Document, Json

_FEATURES = re.compile(
    r"(?:sse\w*|ssse3|avx\w*|fma\w*|f16c|bmi[12]|popcnt|amx\w*|vnni|gfni|vaes|vpclmulqdq|sha_ni"  # x86
    r"|fp|asimd\w*|sve\w*|bf16|i8mm|fphp|fcma|neon\w*|vfpv\d|vsx|altivec)",  # ARM, POWER
    re.ASCII,
)
_IDENTITY = {
    "vendor_id": "vendor",
    "cpu family": "family",
    "model": "model",
    "CPU implementer": "vendor",
    "CPU part": "model",
    "cpu": "model",
}


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def describe_processor() -> Document:
    """Return the processor's make and the features that numeric libraries choose their kernels by.

    OpenBLAS chooses by vendor, family and model, NumPy by features; flags that a kernel update adds (mitigations) are left out.
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return parse_processor(_first_block(file.read(1 << 14)))
    except OSError:
        return {"vendor": platform.processor() or platform.machine(), "features": []}


def _first_block(text: str) -> str:
    return text.partition("\n\n")[0]


def parse_processor(block: str) -> Document:
    r"""Return what one block of /proc/cpuinfo says.

    >>> parse_processor("vendor_id : AuthenticAMD\nmodel : 17\nflags : fpu avx2 ibpb")
    {'vendor': 'AuthenticAMD', 'model': '17', 'features': ['avx2']}
    """
    described: dict[str, Json] = {}
    features: list[Json] = []
    for line in block.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in _IDENTITY:
            described[_IDENTITY[key]] = value
        elif key in ("flags", "Features"):
            features = [name for name in sorted(value.split()) if _FEATURES.fullmatch(name)]
    return {**described, "features": features}


def describe_libc() -> str:
    """Return the C library and its version, "" where the system does not say."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):  # macOS, musl
        return platform.mac_ver()[0]


def count_memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
