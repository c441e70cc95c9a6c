"""Reached by an attribute of the module."""


def square(x: int) -> int:
    return x * x
