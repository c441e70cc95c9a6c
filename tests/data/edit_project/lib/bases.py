"""Reached through a base class."""


class Base:
    def weight(self, x: int) -> int:
        return x * 11
