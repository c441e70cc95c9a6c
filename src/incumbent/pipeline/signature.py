"""From a signature to a stage's description: the one rule book for functions read from source and for live ones.

Positional parameters are inputs; keyword-only parameters are config, except `rng` and `seed`, which the engine fills;
the return annotation names the outputs' types, one for each name in `outputs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from incumbent.base.errors import InvalidInput
from incumbent.pipeline.stage import INJECTED, Output, Parameter, StageOptions, StageSpec
from incumbent.pipeline.types import ANY, item_type, split_generic


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's signature with annotations as dotted text.

    Attributes:
        positional, keyword_only: Parameters in order.
        variadic: The names of `*args` and `**kwargs` with their stars; a stage may have neither.
        returns: Return annotation.
    """

    positional: tuple[Parameter, ...]
    keyword_only: tuple[Parameter, ...]
    variadic: tuple[str, ...]
    returns: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage's code is; see `StageSpec` for the fields."""

    path: str
    module: str
    symbol: str


def make_spec(name: str, place: Place, signature: Signature, options: StageOptions) -> StageSpec:
    """Return the description of a stage.

    Raises:
        InvalidInput: `*args` or `**kwargs`, or a return annotation that does not fit `outputs`.
    """
    if signature.variadic:
        raise InvalidInput(
            f"stage {name!r} ({place.path}) takes {' and '.join(signature.variadic)}; inputs are wired by name and config is "
            "set by name, so list each parameter (a decorator below @stage should use functools.wraps)"
        )
    return StageSpec(
        name=name,
        path=place.path,
        module=place.module,
        symbol=place.symbol,
        inputs=signature.positional,
        config=tuple(p for p in signature.keyword_only if p.name not in INJECTED),
        injected=tuple(p.name for p in signature.keyword_only if p.name in INJECTED),
        outputs=_make_outputs(name, place.path, signature.returns, options.outputs),
        options=options,
    )


def _make_outputs(name: str, path: str, returns: str, names: Sequence[str]) -> tuple[Output, ...]:
    if not names:
        return (Output(name, returns),)
    if returns == ANY:
        return tuple(Output(output, ANY) for output in names)
    head, items = split_generic(returns)
    every = item_type(returns)
    if head not in ("tuple", "typing.Tuple") or (every is None and items and len(items) != len(names)):
        raise InvalidInput(
            f"stage {name!r} ({path}) has outputs={tuple(names)!r} and is annotated to return {returns}; "
            f"expected a tuple of {len(names)} types, one for each name"
        )
    kinds = [every or ANY] * len(names) if every or not items else list(items)
    return tuple(Output(output, kind) for output, kind in zip(names, kinds, strict=True))
