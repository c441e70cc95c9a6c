"""Run stages in this very process, one after another: for debuggers and profilers, which cannot follow into workers.

The same attempt as in a worker, less what only a process of its own can give: the hash seed is this interpreter's, state that a
stage leaves behind stays, what it prints goes where this process prints (so `breakpoint()` works), a crash is a crash, and a time
limit stops Python code only, and only in the main thread.
"""

import importlib
import os
import resource
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from incumbent.execution.attempt import Bench, run_attempt
from incumbent.execution.child_process import use_folder
from incumbent.execution.codecs.annotations import check_type
from incumbent.execution.hooks import install_hooks
from incumbent.execution.loading import import_modules, put_on_path, refuse_changed, settle_types
from incumbent.execution.scratch import Scratch, remove_tree
from incumbent.execution.watch import Watch
from incumbent.pipeline.action import Resources, StageFailure, StageOutcome, StageTask
from incumbent.pipeline.code import PipelineCode
from incumbent.usecases.ports import Blobs, Codecs


class _OverTime(BaseException):
    """Raised in the stage by the alarm; no `except Exception` of the stage's swallows it."""


class InlineRunner:
    """The `Runner` port in this process.

    Args:
        root: The project's root; stages run with it as their working directory.
        folder: Where attempts have their folders.
        state: The workspace's own folder, whose files are no undeclared inputs.
        blobs: The blob store.
        codecs: Values to artifacts and back.
    """

    capacity = 1

    def __init__(self, *, root: Path, folder: Path, state: Path, blobs: Blobs, codecs: Codecs) -> None:
        self._root = root.resolve()
        self._bench = Bench(self._root, Watch(self._root, ignored=(state,)), codecs, check_type, blobs)
        self._scratch = Scratch(folder, "attempts-")
        self._paths: Mapping[str, frozenset[str]] = {}
        self._waiting: deque[StageTask] = deque()
        self._attempts = 0
        self._folder: Path | None = None

    def start(self, code: PipelineCode) -> Sequence[str]:
        """Import the pipeline's code into this process and return the types that do not fit. Raises InvalidInput, Conflict."""
        places = [(spec.path, spec.module, spec.symbol) for spec in code.graph.stages.values()]
        self._paths = {name: frozenset(closure.paths) for name, closure in code.closures.items()}
        install_hooks()
        put_on_path(self._root, places)
        _forget_modules({os.path.realpath(self._root / path) for path in code.files})
        known = frozenset(code.contents).union(*self._paths.values())
        with self._bench.watch.importing(known, self._bench.blobs.algorithm):
            import_modules(self._root, places, code.contents)
            unfit = settle_types(code.graph.unsettled)
        refuse_changed(self._root, "starting")
        return unfit

    def submit(self, task: StageTask) -> None:
        """Take one task; it runs when `wait` is called."""
        self._waiting.append(task)

    def wait(self, timeout_s: float | None = None) -> Sequence[StageOutcome]:  # noqa: ARG002 - nothing else can happen meanwhile
        """Run the next task and return its outcome; nothing if there is none."""
        return [self._run(self._waiting.popleft())] if self._waiting else []

    def close(self) -> None:
        """Clear the attempts' folders."""
        self._waiting.clear()
        self._scratch.close()

    def _run(self, task: StageTask) -> StageOutcome:
        self._attempts += 1
        folder = self._folder or self._scratch.make(str(self._attempts))
        wall_s, cpu_s = time.monotonic(), time.process_time()
        with _inside(self._root, folder), _alarm(task.timeout_s):
            outcome = run_attempt(task, self._bench, folder=folder, allowed_paths=self._paths.get(task.stage, frozenset()))
        # Most attempts leave nothing behind; making and removing a folder for each would cost more than all the rest.
        self._folder = None if os.listdir(folder) else folder
        if self._folder is None:
            remove_tree(folder)
        wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if task.timeout_s is not None and wall_s >= task.timeout_s and outcome.state == "failed":
            words = (
                f"stage {task.stage!r} ran over its time limit of {task.timeout_s:g} s and was stopped; raise timeout_s in its @stage(…)"
            )
            outcome = StageOutcome(task.task_id, "timed_out", failure=StageFailure(words))
        return replace(outcome, resources=Resources(wall_s, cpu_s, peak))


def _forget_modules(files: set[str]) -> None:
    """Have modules of the pipeline imported anew: one that was edited since would store old results under the new code's key."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name != "__main__" and path is not None and os.path.realpath(path) in files:
            del sys.modules[name]
    importlib.invalidate_caches()


@contextmanager
def _inside(root: Path, folder: Path) -> Iterator[None]:
    """Stand in the project's root, with temporary files in `folder`, and go back after."""
    before, temporary = os.getcwd(), os.environ.get("TMPDIR")
    os.chdir(root)
    use_folder(folder)
    try:
        yield
    finally:
        os.chdir(before)
        use_folder(temporary)


@contextmanager
def _alarm(timeout_s: float | None) -> Iterator[None]:
    if timeout_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _OverTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
