"""Syntax whose tree, or whose dump, is not the same in every version of Python that we run on."""

import asyncio

WIDTH = 7
NAMES = f"a{WIDTH}b" "c" f"{WIDTH!r:>{WIDTH}}" f"{WIDTH:}" f"{WIDTH = }" f"{{}}{WIDTH:0{WIDTH}.2f}" "" f""
BIG = 0x10 + 1_000 + 1e3 + 1j + 0.1
TEXT = u"é\u2028\U0001fae8 \N{SNOWMAN}", rb"\d", R"\d", "\x00"
NESTED = f"{f'{WIDTH}'}" + f"{'x' if WIDTH else 'y'}" + f"{(lambda q: q)(3)}" + f"{ {1: 2}[1] }"


def f(a, /, b: int = 1, *args: int, c, d: "str" = "x", **kwargs) -> list[int]:
    """Docstring
    over two lines."""
    local: int = a
    bare: str
    x = [*args, *(y := [1]), *y]
    try:
        pass
    except* (ValueError, TypeError) as group:
        raise group from None
    finally:
        del local
    match x:
        case [1, *rest] | [2, *rest]:
            return rest
        case {"k": str() as v, **more} if more:
            return v
        case f.g | None | True | -1 | "s":
            ...
    with (open("a") as p, open("b") as q):
        return p, q
    return x[1:2, ::3], {**kwargs}, lambda z=1, *, w: (yield)


async def g():
    async with asyncio.timeout(1):
        return [i async for i in g() if await i]


class A(dict, metaclass=type):
    """Doc."""

    field: int = 3
    (odd): int = 4
    x = y = 1

    @property
    def p(self) -> "A":
        global WIDTH
        WIDTH = 8
        return super().__class__
