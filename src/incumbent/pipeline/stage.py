"""Stages: a typed function, what it takes, what it gives, and the limits it runs under."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, overload

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput

P = ParamSpec("P")
R = TypeVar("R")

INJECTED = ("rng", "seed")
"""Keyword-only parameters that the engine fills: a NumPy Generator, and the stage's derived seed (an int)."""


@dataclass(frozen=True, slots=True)
class Unset:
    """A default that is no literal: its value is known only to the code, and its text is part of the code's digest."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input (wired by name) or a config value (keyword-only) of a stage; `type` is the annotation as dotted text."""

    name: str
    type: str
    default: Json | Unset | None = None
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A named result of a stage."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How a stage runs. `outputs` and `map_over` are keyed as such, `env` and `threads` through the environment; the rest is not keyed.

    Attributes:
        outputs: Names of the results, if there are several; the function then returns a tuple.
        map_over: Name of the input that is a list (or a folder): the stage runs once per item, and each item is cached alone.
        retries: How many more times a failed attempt is tried.
        retry_delay_s: Seconds before the first retry; doubled for each further one.
        timeout_s: Wall-clock limit of one attempt.
        output_bytes_max: An encoded output over this size fails the stage.
        env: Environment variables that the stage reads; their values are part of its key.
        threads: OMP, BLAS and Polars threads; None means the run's default.
        cache: False reruns the stage every time (early cutoff still spares what stands below it).
    """

    outputs: tuple[str, ...] = ()
    map_over: str | None = None
    retries: int = 0
    retry_delay_s: float = 0.5
    timeout_s: float | None = None
    output_bytes_max: int | None = None
    env: tuple[str, ...] = ()
    threads: int | None = None
    cache: bool = True


@dataclass(frozen=True, slots=True)
class StageSpec:
    """What the engine knows of a stage without running its code.

    Attributes:
        path: Source file, relative to the project's root, with forward slashes.
        module: Dotted name under which a worker imports that file.
        symbol: The module-level name that binds the stage (its code is what this symbol reaches).
    """

    name: str
    path: str
    module: str
    symbol: str
    inputs: tuple[Parameter, ...]
    config: tuple[Parameter, ...]
    injected: tuple[str, ...]
    outputs: tuple[Output, ...]
    options: StageOptions = field(default_factory=StageOptions)


class Stage(Generic[P, R]):
    """A function marked as a stage. Calling it calls the function, so that tests and notebooks can use it plainly."""

    def __init__(self, function: Callable[P, R], name: str, options: StageOptions) -> None:
        self.function = function
        self.name = name
        self.options = options
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function itself: no cache, no record."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<stage {self.name}>"


@overload
def stage(function: Callable[P, R], /) -> Stage[P, R]: ...
@overload
def stage(*, name: str | None = None, **options: Any) -> Callable[[Callable[P, R]], Stage[P, R]]: ...
def stage(
    function: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any
) -> Stage[P, R] | Callable[[Callable[P, R]], Stage[P, R]]:
    """Mark a function as a pipeline stage.

    Positional parameters are inputs, wired by name to the output or source of that name. Keyword-only parameters are
    config (`--set stage.param=value`); of these `rng` and `seed` are filled by the engine.

    Args:
        function: The function, when used without arguments: `@stage`.
        name: Name of the stage, the function's own by default.
        **options: Any field of `StageOptions`.

    Raises:
        InvalidInput: An option does not exist or has a value that cannot be used.

    >>> @stage(retries=2)
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> double(4), double.options.retries
    (8, 2)
    """
    chosen = make_options(options)

    def mark(inner: Callable[P, R]) -> Stage[P, R]:
        return Stage(inner, name or inner.__name__, chosen)

    return mark if function is None else mark(function)


def make_options(given: dict[str, Any]) -> StageOptions:
    """Return checked options from keyword arguments (or from what was read of them in the source).

    Raises:
        InvalidInput: Unknown name, or a value of the wrong type or range; the message lists what is legal.
    """
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    for key, value in given.items():
        rule = _RULES.get(key)
        if rule is None:
            raise InvalidInput(f"@stage has no option {key!r}; it has: name, {', '.join(_RULES)}")
        if not rule[1](value):
            raise InvalidInput(f"@stage({key}={value!r}): {rule[0]}")
    return StageOptions(**given)


def _is_names(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(name, str) and name.isidentifier() for name in value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "outputs": ("expected a tuple of two or more different names", lambda v: _is_names(v) and len(set(v)) == len(v) >= 2),
    "map_over": ("expected the name of one input", lambda v: v is None or (isinstance(v, str) and v.isidentifier())),
    "retries": ("expected a whole number, 0 or more", lambda v: _is_count(v, 0)),
    "retry_delay_s": ("expected seconds, 0 or more", _is_seconds),
    "timeout_s": ("expected seconds above 0, or None", lambda v: v is None or (_is_seconds(v) and v > 0)),
    "output_bytes_max": ("expected a number of bytes, 1 or more", lambda v: v is None or _is_count(v, 1)),
    "env": ("expected a tuple of variable names", _is_names),
    "threads": ("expected a whole number, 1 or more", lambda v: v is None or _is_count(v, 1)),
    "cache": ("expected True or False", lambda v: isinstance(v, bool)),
}
