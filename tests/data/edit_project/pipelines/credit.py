"""One stage that uses everything of Python that a code fingerprint has to follow."""

import lib.areas
import numpy as np
from lib.bases import Base
from lib.marks import times
from lib.tables import lookup

import incumbent as inc

OFFSET = 5


def shift(x: int) -> int:
    return x + OFFSET


def make_adder(amount: int):
    def add(x: int) -> int:
        return x + amount

    return add


add_seven = make_adder(7)
double, triple = lambda x: x * 2, lambda x: x * 3


class Model(Base):
    def score(self, x: int) -> int:
        return self.weight(x) + 1


def unrelated(x: int) -> int:
    return x - 1


@inc.stage
@times(10)
def train(raw: int, *, depth: int = 6) -> int:
    """Fit the model."""
    kinds = {"red", "green", "blue"}
    a, b = shift(raw), len(kinds)
    total = a + b + 100
    total += add_seven(depth) + double(raw) + Model().score(raw)
    total += lookup(raw) + lib.areas.square(raw)
    return int(np.abs(total))


@inc.stage
def raw() -> int:
    return 4


pipeline = inc.Pipeline("credit", [raw, train])
