"""Use cases as spans, while traces are on: the names by which the server's modules call them stand for timed twins meanwhile.

Hundreds of use cases would each need a line for this otherwise, and every call a look whether traces are on. So nothing stands between
where they are off. What one use case calls of another is part of it, and no span.
"""

import contextvars
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, TypeVar

from incumbent.server.group import GroupWriter, Write
from incumbent.usecases.ports import Store, Transaction
from incumbent.usecases.sink import Logging
from incumbent.usecases.tracing import Tracing
from incumbent.usecases.workspace import Workspace

_FACE, _VERBS = "incumbent.server.", "incumbent.usecases."
_GIVEN = frozenset({Workspace, Transaction, Logging})
"""What a use case is given first."""
_T = TypeVar("_T")


@contextmanager
def traced_verbs(tracing: Tracing | None) -> Iterator[None]:
    """Time every use case that a module of the server calls, while the block lasts, in all threads of this process."""
    bound: list[tuple[ModuleType, str, object]] = []
    try:
        for module in _faces() if tracing is not None else ():
            for name, value in list(vars(module).items()):
                twin = _twin(value, tracing) if tracing is not None else None
                if twin is not None:
                    bound.append((module, name, value))
                    setattr(module, name, twin)
        yield
    finally:
        for module, name, value in bound:
            setattr(module, name, value)


def _faces() -> list[ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if name.startswith(_FACE)]


def _twin(value: object, tracing: Tracing) -> object | None:
    """Return what stands for a use case, or for a module of them; None for anything else."""
    if isinstance(value, ModuleType) and value.__name__.startswith(_VERBS):
        verbs: Mapping[str, object] = vars(value)
        return SimpleNamespace(**{name: _twin(one, tracing) or one for name, one in verbs.items() if not name.startswith("_")})
    if isinstance(value, FunctionType) and value.__module__.startswith(_VERBS) and _is_verb(value):
        return _timed(value, tracing)
    return None


def _is_verb(function: FunctionType) -> bool:
    """Return whether it is a use case; one that is a block around an act is over with the act, and not with its call."""
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.annotation in _GIVEN and not inspect.isgeneratorfunction(inspect.unwrap(function))


def _timed(function: Callable[..., Any], tracing: Tracing) -> Callable[..., Any]:
    name = f"{function.__module__.removeprefix(_VERBS)}.{function.__name__}"

    @functools.wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        with tracing.span(name, "internal") as span:
            span.note(code__function__name=f"{_VERBS}{name}")
            return function(*given, **named)

    return timed


class ContextWriter(GroupWriter):
    """A `GroupWriter` that does each work as part of the request that asked for it, though a group of them shares one transaction."""

    def write(self, store: Store, work: Callable[[Transaction], _T]) -> _T:
        """Do the work, as `GroupWriter` does."""
        return super().write(store, _here(work))

    async def write_begun(self, store: Store, begin: Callable[[], Write]) -> Any:
        """Do what `begin` comes to, as `GroupWriter` does."""
        here = contextvars.copy_context()

        def begin_here() -> Write:
            begun = here.run(begin)
            return Write(here.run(_here, begun.work), begun.answer)

        return await super().write_begun(store, begin_here)


def _here(work: Callable[[Transaction], _T]) -> Callable[[Transaction], _T]:
    here = contextvars.copy_context()
    return lambda tx: here.run(work, tx)
