"""What the statements of a module refer to, change and call, as values: what `references` finds and `changes` judges."""

import ast
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from incumbent.pipeline.scope import Import, Scope

UNKNOWN = ""
"""The root of a use that no name stands for."""
PARAMETER = "<parameter>"
"""The root of a use that starts from what a function is given."""


class Use(NamedTuple):
    """A name and the attributes taken from it: `helpers.io.load` is ("helpers", ("io", "load")).

    The root is a module-level name, or the import itself when a function imports it for its own use.
    """

    root: str | Import
    chain: tuple[str, ...] = ()


class Root(NamedTuple):
    """What an expression may be, or may be a part of.

    Attributes:
        is_exact: It is that thing itself, so that attributes taken of the one are attributes of the other.
        is_result: It is what calling that thing gives.
    """

    use: Use
    is_exact: bool
    is_result: bool = False


class Write(NamedTuple):
    """A change made to what a name stands for.

    Attributes:
        use: What is changed, or for "replaced" the attribute that is bound anew.
        how: "bound" (a function's `global`), "replaced" (`helpers.f = g`), "assigned" (`TABLE["x"] = 1`), or "called" (a method,
            a decorator, an argument).
        is_late: It happens in a function's body.
        level: How many calls it is away from a call of that function; see `Scope`.
        is_result: It is made to what calling `use` gives: `get_context().precision = 6`.
    """

    use: Use
    how: Literal["bound", "replaced", "assigned", "called"]
    is_late: bool
    line: int
    level: int = 0
    is_result: bool = False


class Call(NamedTuple):
    """A call of something that has a name, or of anything where the result is dropped at module level.

    Attributes:
        given: Its arguments, and the scope that they are read in.
        is_dropped: Nothing is made of its result.
        loads: The module that it imports, if it is an import with the name written out.
    """

    use: Use
    given: tuple[ast.expr, ...]
    scope: Scope | None
    is_dropped: bool
    is_late: bool
    level: int
    loads: str | None


class Dynamic(NamedTuple):
    """A construct that may reach anything.

    Attributes:
        kind: "text" (exec, eval), "namespace" (globals()), "attribute" (getattr with a computed name), "import", "telling"
            (attributes that lead elsewhere), "docstring", "source" (reads source text).
        use: What it is applied to or called as: decides whether it counts.
        argument: For "import", the literal name of the module, None if it is computed.
        words: How it is shown.
    """

    kind: str
    use: Use
    argument: str | None
    words: str
    line: int

    @property
    def loads(self) -> bool:
        """Say whether it imports a module whose name is written out."""
        return self.kind == "import" and self.argument is not None and self.words.startswith(("import_module", "__import__"))


@dataclass(slots=True)
class References:
    """All that a statement refers to.

    Attributes:
        early, late: Uses, by when they happen.
        levels: For each late use, how few calls away from a call of the function it happens.
        values: Uses other than to call them: what may be handed on.
        writes: Changes made, early and late.
        calls: Calls made, early and late.
        invoked: What is run early (called, used as a decorator or as a base class) -> how many calls deep.
        aliases: Module-level name that the statement binds -> what it may be, or be a part of.
        returns: What functions of it return, each with the scope that it is read in.
        self_writers: Names of methods that change the object they belong to.
        loads: Modules that the statement imports.
        declared: Names that a function of it binds as `global`.
    """

    early: set[Use] = field(default_factory=set)
    late: set[Use] = field(default_factory=set)
    levels: dict[Use, int] = field(default_factory=dict)
    values: set[Use] = field(default_factory=set)
    writes: list[Write] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    invoked: dict[Use, int] = field(default_factory=dict)
    aliases: dict[str, set[Root]] = field(default_factory=dict)
    returns: list[tuple[ast.expr, Scope | None]] = field(default_factory=list)
    self_writers: set[str] = field(default_factory=set)
    dynamics: list[Dynamic] = field(default_factory=list)
    loads: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)
