"""Run stages in worker processes on this machine: the runner's side of template.py."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from incumbent.base.documents import Document, Json
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput
from incumbent.execution.failures import describe_end
from incumbent.execution.frames import Channel
from incumbent.execution.job import Job, log_of
from incumbent.execution.scratch import Scratch, remove_tree
from incumbent.execution.wire import outcome_from_json, task_to_json
from incumbent.execution.worker_variables import INSIDE, fixed_variables
from incumbent.pipeline.action import Resources, StageFailure, StageOutcome, StageTask
from incumbent.pipeline.code import PipelineCode
from incumbent.usecases.ports import Blobs

LOG_BYTES_MAX = 16 << 20
_STARTS_MAX = 2
"""How often a task is handed out when its template dies under it; beyond that the task is the likely cause."""


@dataclass(slots=True)
class _Running:
    task: StageTask
    folder: Path
    starts: int
    pid: int | None = None


class _TemplateLink:
    """One template process and the tasks it has in hand."""

    def __init__(self, job: Job, unsettled: Sequence[tuple[str, str, str, str]], threads: int | None, scratch: Path) -> None:
        self.running: dict[str, _Running] = {}
        self.log_path = scratch / f"template-{os.urandom(4).hex()}.log"
        near, far = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with far, self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "incumbent.execution.template", "serve", str(far.fileno()), str(lifeline)],
                pass_fds=(far.fileno(), lifeline),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **fixed_variables(threads), INSIDE: "1"},
                start_new_session=True,  # Ctrl-C in the terminal is the runner's to hear; it ends the template in order
            )
        os.close(lifeline)
        self.channel = Channel(near)
        self.channel.send({"do": "load", "job": job.to_json(), "unsettled": cast(Json, [list(pair) for pair in unsettled])})

    def await_load(self) -> list[str]:
        """Return what does not fit, in words. Raises InvalidInput when the code cannot be imported, Conflict when it was edited."""
        selector = selectors.DefaultSelector()
        selector.register(self.channel.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while self.channel.is_open:
            selector.select()
            if not self.channel.wants_write:
                selector.modify(self.channel.socket, selectors.EVENT_READ)
            self.channel.flush()
            for message in self.channel.receive():
                match message:
                    case {"say": "loaded", "unfit": list(unfit)}:
                        return [str(words) for words in unfit]
                    case {"say": "not_loaded", "message": str(words), "is_conflict": True}:
                        raise Conflict(words)
                    case {"say": "not_loaded", "message": str(words)}:
                        raise InvalidInput(words)
        status = self.process.wait()
        tail = self.log_path.read_text(errors="replace")[-2000:].strip()
        how = f"was killed by signal {-status}" if status < 0 else f"left with exit code {status}"
        raise InvalidInput(f"the process that imports the pipeline {how} before it was done; its last words: {tail or '(none)'}")

    def close(self) -> None:
        """End the template and every worker: it kills them when its socket closes; groups that it missed are killed here."""
        self.channel.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._lifeline)
        for running in self.running.values():
            if running.pid is not None:
                _kill_group(running.pid)


class LocalRunner:
    """The `Runner` port with one template process for each number of threads asked for.

    Args:
        root: The project's root.
        folder: Where attempts have their folders; cleared of what killed processes left.
        state: The workspace's own folder, whose files are no undeclared inputs.
        blobs: The blob store, for logs.
        blobs_factory: `module:function` that opens the same store in a worker (workers share no connection with us).
        blobs_argument: What that function is called with.
        cores: How many attempts run at once.
        threads: OMP, BLAS and Polars threads of stages that do not say; None leaves them as the environment has them.
    """

    def __init__(
        self,
        *,
        root: Path,
        folder: Path,
        state: Path,
        blobs: Blobs,
        blobs_factory: str,
        blobs_argument: str,
        cores: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._root, self._state, self._blobs = root.resolve(), state, blobs
        self._factory, self._argument = blobs_factory, blobs_argument
        self._threads = threads
        self._cores = cores or len(os.sched_getaffinity(0)) if sys.platform == "linux" else cores or os.cpu_count() or 1
        self._scratch = Scratch(folder, "attempts-")
        self._links: dict[int | None, _TemplateLink] = {}
        self._waiting: deque[tuple[StageTask, int]] = deque()
        self._done: list[StageOutcome] = []
        self._attempts = 0
        self._job: Job | None = None

    @property
    def capacity(self) -> int:
        """How many tasks it works on at once: the cores this process may use."""
        return self._cores

    def start(self, code: PipelineCode) -> Sequence[str]:
        """Import the pipeline's code in a template process and return the types that do not fit.

        Raises:
            InvalidInput: The code cannot be imported; the message says where.
            Conflict: It was edited since it was read.
        """
        stages = code.graph.stages
        self._job = Job(
            self._root, self._state, self._factory, self._argument,
            {name: (spec.path, spec.module, spec.symbol) for name, spec in stages.items()},
            {name: frozenset(closure.paths) for name, closure in code.closures.items()},
            code.contents, self._blobs.algorithm,
        )  # fmt: skip
        link = _TemplateLink(self._job, code.graph.unsettled, self._threads, self._scratch.folder)
        try:
            unfit = link.await_load()
        except BaseException:
            link.close()
            raise
        self._links[self._threads] = link
        return unfit

    def submit(self, task: StageTask) -> None:
        """Take one task. More than `capacity` may be given; the rest wait here."""
        self._waiting.append((task, 1))
        self._hand_out()

    def wait(self, timeout_s: float | None = None) -> Sequence[StageOutcome]:
        """Return outcomes that have come in, at least one unless the time is up or nothing is in hand."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._done and any(link.running for link in self._links.values()):
            left_s = None if end_s is None else end_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                break
            self._listen(left_s)
            self._hand_out()
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """Stop every worker and everything it started, and clear the attempts' folders."""
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._waiting.clear()
        self._scratch.close()

    def _hand_out(self) -> None:
        while self._waiting and sum(len(link.running) for link in self._links.values()) < self._cores:
            task, starts = self._waiting.popleft()
            try:
                link = self._find_link(self._threads if task.threads is None else task.threads)
            except (InvalidInput, Conflict) as error:
                self._done.append(StageOutcome(task.task_id, "failed", failure=StageFailure(str(error), is_final=True)))
                continue
            self._attempts += 1
            folder = self._scratch.make(str(self._attempts))
            link.running[task.task_id] = _Running(task, folder, starts)
            order: Document = {"do": "run", "task": task_to_json(task), "folder": str(folder)}
            link.channel.send(order)

    def _find_link(self, threads: int | None) -> _TemplateLink:
        link = self._links.get(threads)
        if link is None:
            assert self._job is not None, "start comes before submit"
            link = _TemplateLink(self._job, (), threads, self._scratch.folder)
            try:
                link.await_load()
            except BaseException:
                link.close()
                raise
            self._links[threads] = link
        return link

    def _listen(self, timeout_s: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            for threads, link in self._links.items():
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.channel.wants_write else 0)
                selector.register(link.channel.socket, events, threads)
            ready = [key.data for key, _ in selector.select(timeout_s)]
        for threads in ready:
            link = self._links[threads]
            link.channel.flush()
            try:
                messages = link.channel.receive()
            except Corrupt:
                messages, link.channel.is_open = [], False
            for message in messages:
                self._take(link, message)
            if not link.channel.is_open:
                self._bury(threads, link)

    def _take(self, link: _TemplateLink, message: Document) -> None:
        match message:
            case {"say": "started", "task_id": str(task_id), "pid": int(pid)} if task_id in link.running:
                link.running[task_id].pid = pid
            case {
                "say": "ended", "task_id": str(task_id), "outcome": outcome, "status": int(status), "timed_out": bool(timed_out),
                "wall_s": wall_s, "cpu_s": cpu_s, "rss_bytes_max": int(rss),
            } if task_id in link.running:  # fmt: skip
                running = link.running.pop(task_id)
                resources = Resources(float(cast(Any, wall_s)), float(cast(Any, cpu_s)), rss)
                judged = judge_end(running.task, outcome, status, timed_out, resources)
                self._finish(running, judged)
            case _:
                raise Corrupt(f"a template sent something that is no message: {str(message)[:200]}")

    def _finish(self, running: _Running, outcome: StageOutcome) -> None:
        try:
            log = self._blobs.put(_read_log(log_of(running.folder))).digest if _has_log(running.folder) else None
            outcome = replace(outcome, log=log)
        except IncumbentError as error:
            outcome = replace(outcome, warnings=(*outcome.warnings, f"the log of {running.task.task_id} could not be stored: {error}"))
        remove_tree(running.folder)
        log_of(running.folder).unlink(missing_ok=True)
        self._done.append(outcome)

    def _bury(self, threads: int | None, link: _TemplateLink) -> None:
        """A template is gone: hand its tasks out again, except those that have seen it happen before."""
        del self._links[threads]
        orphans = list(link.running.values())
        link.close()
        how = f"signal {-link.process.returncode}" if link.process.returncode < 0 else f"exit code {link.process.returncode}"
        for running in orphans:
            if running.starts < _STARTS_MAX:
                remove_tree(running.folder)
                self._waiting.appendleft((running.task, running.starts + 1))
            else:
                words = f"the process that workers come from ended ({how}) while this stage ran, {running.starts} times; nothing was stored"
                self._finish(running, StageOutcome(running.task.task_id, "killed", failure=StageFailure(words)))


def judge_end(task: StageTask, outcome: Json, status: int, timed_out: bool, resources: Resources) -> StageOutcome:
    """Return the outcome of a worker that has ended, from what it sent (None if nothing) and how it ended.

    Args:
        task: What it ran.
        outcome: What it sent, untrusted.
        status: As `wait4` gives it.
        timed_out: It was killed at its time limit.
        resources: What it used.
    """
    if timed_out:
        words = f"stage {task.stage!r} ran over its time limit of {task.timeout_s:g} s and was stopped; raise timeout_s in its @stage(…)"
        return StageOutcome(task.task_id, "timed_out", resources=resources, failure=StageFailure(words))
    if outcome is not None and status == 0:
        try:
            sent = outcome_from_json(outcome)
            if sent.task_id == task.task_id and (sent.state != "done" or list(sent.outputs) == list(task.produces)):
                return replace(sent, resources=resources)
        except IncumbentError:
            pass
        words = f"the worker of stage {task.stage!r} sent an answer that does not fit its task: something in the stage wrote to its pipe"
        return StageOutcome(task.task_id, "failed", resources=resources, failure=StageFailure(words))
    failure = describe_end(status, resources)
    return StageOutcome(task.task_id, "killed" if status & 0x7F else "failed", resources=resources, failure=failure)


def _has_log(folder: Path) -> bool:
    try:
        return log_of(folder).stat().st_size > 0
    except FileNotFoundError:
        return False


def _read_log(path: Path) -> Iterator[bytes]:
    """Yield a log; of one over LOG_BYTES_MAX the first and last half of that, with a line between that says so."""
    size, half = path.stat().st_size, LOG_BYTES_MAX // 2
    with path.open("rb") as file:
        if size <= LOG_BYTES_MAX:
            yield file.read(LOG_BYTES_MAX)
            return
        yield file.read(half)
        yield f"\n… {size - 2 * half} bytes of this log were left out …\n".encode()
        file.seek(-half, os.SEEK_END)
        yield file.read(half)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all gone already
        pass
