"""Chance inside a stage: every generator that a seed can reach is seeded, and unseeded ones are caught.

Seeded at the start of an attempt, or when the library is first imported during it: `random`, NumPy's legacy state, Polars,
PyTorch. PYTHONHASHSEED is fixed in the worker's environment, before its interpreter starts.

Caught when project code asks for them: entropy from the operating system (`os.urandom`, `uuid.uuid4`, `secrets`,
`random.SystemRandom`, an unseeded `random.Random()`), and NumPy without a seed (`default_rng()`, `SeedSequence()`,
`RandomState()`, bit generators, `np.random.seed()`): all of these draw from one function of numpy.random.bit_generator.
Libraries may draw as they like (scikit-learn, tempfile): the nearest frame outside of the standard library decides.
"""

import dis
import os
import random
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType
from typing import Any

Seeder = Callable[[ModuleType, int], None]


def _seed_random(module: ModuleType, seed: int) -> None:
    module.seed(seed)


def _seed_numpy(module: ModuleType, seed: int) -> None:
    module.seed(seed % 2**32)  # the legacy state takes 32 bits


def _seed_polars(module: ModuleType, seed: int) -> None:
    module.set_random_seed(seed)


def _seed_torch(module: ModuleType, seed: int) -> None:
    module.manual_seed(seed)
    module.use_deterministic_algorithms(True, warn_only=True)


SEEDERS: Mapping[str, Seeder] = {
    "random": _seed_random, "numpy.random": _seed_numpy, "polars": _seed_polars, "torch": _seed_torch,
}  # fmt: skip
"""How each library's own state is seeded. None of them is imported for it."""


def seed_loaded(seed: int) -> None:
    """Seed every library of SEEDERS that is already imported. `seed` is the stage's derived one, 0 <= seed < 2**32."""
    for name, seeder in SEEDERS.items():
        module = sys.modules.get(name)
        if module is not None:
            seeder(module, seed)


def make_rng(seed: int) -> object:
    """Return the NumPy Generator that a stage gets as `rng`: PCG64 seeded with the stage's derived seed."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(seed))


CaughtChance = Callable[[str], None]
"""Told that something drew unseeded chance, with its name; decides by the calling frames whether that matters."""


def catch_entropy(caught: CaughtChance) -> None:
    """Pass every draw of entropy in the standard library by `caught`. Done once a process, before user code is imported."""
    original = os.urandom

    def urandom(size: int, /) -> bytes:
        caught("os.urandom")
        return original(size)

    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]  # SystemRandom, and with it secrets and uuid4, draw from this name
    system_bits = random.SystemRandom.getrandbits
    seed_instance = random.Random.seed

    def getrandbits(self: random.SystemRandom, k: int) -> int:
        caught("random.SystemRandom")
        return system_bits(self, k)

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and not isinstance(self, random.SystemRandom):
            caught("random.Random() without a seed")
        seed_instance(self, a, version)

    random.SystemRandom.getrandbits = getrandbits  # type: ignore[method-assign]  # the point: it is replaced while a stage runs
    random.Random.seed = seed  # type: ignore[method-assign]  # the point: it is replaced while a stage runs
    random.seed = random._inst.seed  # the module's function is a method bound at import


_legacy = threading.local()
_system_entropy = os.urandom


def catch_numpy(module: ModuleType, caught: CaughtChance) -> None:
    """Pass every unseeded NumPy generator by `caught`. `module` is numpy.random.bit_generator."""

    def randbits(k: int) -> int:
        if not getattr(_legacy, "is_seeded", False):
            caught("numpy.random without a seed")
        return int.from_bytes(_system_entropy((k + 7) // 8), "little") >> (-k % 8)  # the original would be caught once more

    setattr(module, "randbits", randbits)  # noqa: B010 - the type of a module has no such attribute


def spare_legacy(module: ModuleType) -> None:
    """Let `RandomState(seed)` draw entropy: it makes an unseeded MT19937 first and seeds it after. `module` is numpy.random.mtrand.

    What it was given cannot be seen from inside, so the calling instruction is asked whether it passes anything.
    """
    module._MT19937 = _LegacyMaker(module._MT19937)  # type: ignore[attr-defined]  # NumPy's stubs leave it out


class _LegacyMaker:
    """Stands for the class MT19937 inside of numpy.random.mtrand, which calls it and asks `isinstance`, no more."""

    def __init__(self, original: type) -> None:
        self._original = original

    def __call__(self, *args: object) -> object:
        _legacy.is_seeded = _passes_arguments(sys._getframe(1))
        try:
            return self._original(*args)
        finally:
            _legacy.is_seeded = False

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._original)


def _passes_arguments(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    return (dis.opname[code[frame.f_lasti]], code[frame.f_lasti + 1]) != ("CALL", 0)
