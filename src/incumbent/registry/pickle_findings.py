"""What the pickles of one file were found to import, call and hold."""

from dataclasses import dataclass, field

from incumbent.registry.pickle_names import Risk, classify_name

IMPORTS_MAX = 1000
NAME_CHARS_MAX = 200
NESTED_MAX = 256


class Broken(ValueError):
    """The stream is no pickle from here on."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle imports."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Made:
    """What a call gives."""

    maker: object
    arguments: object


@dataclass(slots=True)
class Findings:
    """What the pickles of one file would do.

    Attributes:
        imports: Each name, and whether it is called.
        problems: What no sound pickle does, or what could not be read.
        doubts: What may be no pickle at all.
        nested: Bytes inside that may be pickles themselves.
        opcodes: How many were followed.
        is_pickle: Whether there is a pickle at all.
    """

    imports: dict[tuple[str, str], bool] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    nested: list[bytes] = field(default_factory=list)
    opcodes: int = 0
    is_pickle: bool = False

    def worst(self) -> Risk:
        """Return the risk of the worst import, "safe" if there is none."""
        risks = {classify_name(*name) for name in self.imports}
        return "dangerous" if "dangerous" in risks else "unknown" if "unknown" in risks else "safe"


def printable(text: str) -> str:
    """Return a name that a document can hold: lone surrogates as escapes, and not too long."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:NAME_CHARS_MAX]
