"""Reached by name; it reaches a second file."""

from lib.deep import deepest

BASE = 1000


def lookup(x: int) -> int:
    return BASE + deepest(x)
