"""Reached as a decorator with an argument."""

import functools


def times(factor: int):
    def mark(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            return factor * function(*args, **kwargs)

        return call

    return mark
