"""A runner that is opened by its first task: a run that is all hits never imports the user's code."""

from collections.abc import Sequence

from incumbent.base.errors import InvalidInput
from incumbent.pipeline.action import StageOutcome, StageTask
from incumbent.pipeline.code import PipelineCode
from incumbent.usecases.ports import Runner
from incumbent.usecases.progress import Event, Listener
from incumbent.usecases.workspace import Workspace


class LazyRunner:
    """The `Runner` port, put off until it is needed."""

    def __init__(self, ws: Workspace, executor: str, code: PipelineCode, listen: Listener) -> None:
        self._ws, self._executor, self._code, self._listen = ws, executor, code, listen
        self._runner: Runner | None = None

    @property
    def capacity(self) -> int:
        """How many tasks it can work on at once."""
        return self._open().capacity

    def start(self, code: PipelineCode) -> Sequence[str]:
        """Keep the code; the first task loads it."""
        self._code = code
        return ()

    def submit(self, task: StageTask) -> None:
        """Take one task."""
        self._open().submit(task)

    def wait(self, timeout_s: float | None = None) -> Sequence[StageOutcome]:
        """Return outcomes that have come in."""
        return self._open().wait(timeout_s)

    def close(self) -> None:
        """Stop the workers, if any were started."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _open(self) -> Runner:
        if self._runner is None:
            self._listen(Event("note", text="loading the pipeline's code"))
            self._runner = self._ws.open_runner(self._executor)
            unfit = self._runner.start(self._code)
            if unfit:
                raise InvalidInput("types do not fit: " + "; ".join(unfit))
        return self._runner
