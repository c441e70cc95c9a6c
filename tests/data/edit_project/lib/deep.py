"""Two imports away from the stage."""


def deepest(x: int) -> int:
    return x + 31
