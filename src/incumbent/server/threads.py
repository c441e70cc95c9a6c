"""The threads that routes run in."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


class ContextThreads(ThreadPoolExecutor):
    """A pool whose work sees the context (contextvars) of whoever handed it over: what belongs to which request, for traces."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand work over."""
        return super().submit(copy_context().run, fn, *args, **kwargs)
