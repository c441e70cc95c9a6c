"""The template process: imports the user's code once, then gives each attempt a process with clean state.

    runner  <-- frames over a socket -->  template  -- fork -->  worker, one for each attempt

A worker is a fork of the template where that is safe (Linux, no pool of threads running yet), and otherwise a fresh interpreter
that takes the same way from `Job` on. Workers die with the template, and the template ends when the runner's socket closes, so
nothing is left running after a kill -9 of either.

Messages in: load, run. Messages out: loaded | not_loaded, started, ended.
"""

import faulthandler
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from incumbent.base.documents import Document, Json, parse_document
from incumbent.base.errors import Conflict, Corrupt, IncumbentError
from incumbent.execution.attempt import Bench, run_attempt
from incumbent.execution.child_process import count_threads, die_with_parent, enter_attempt, find_unsafe_threads
from incumbent.execution.codecs.annotations import check_type
from incumbent.execution.codecs.compare import ArtifactCodecs
from incumbent.execution.frames import Channel, FrameReader, encode_frame
from incumbent.execution.hooks import install_hooks
from incumbent.execution.job import Job, log_of
from incumbent.execution.loading import Place, import_modules, put_on_path, refuse_changed, settle_types
from incumbent.execution.watch import Watch
from incumbent.execution.wire import outcome_to_json, task_from_json, task_to_json
from incumbent.pipeline.action import StageFailure, StageOutcome, StageTask

RESULT_BYTES_MAX = 64 << 20


@dataclass(slots=True)
class _Worker:
    task_id: str
    pid: int
    result_fd: int
    started_s: float
    deadline_s: float
    result: bytearray
    process: "subprocess.Popen[bytes] | None" = None
    timed_out: bool = False


class Template:
    """The loop between the runner's socket and the workers."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._workers: dict[int, _Worker] = {}
        self._job: Job | None = None
        self._watch: Watch | None = None
        self._threads = 0  # how many there were when forking was last judged safe; 0: it is not
        self._wake_read, wake_write = os.pipe()
        for end in (self._wake_read, wake_write):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that the wake-up descriptor is written to
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Work until the runner is gone, then kill every worker."""
        try:
            while self._channel.is_open:
                self._wait()
                for message in self._channel.receive():
                    self._obey(message)
                self._read_results()
                self._reap()
                self._end_late()
                self._channel.flush()
        finally:
            for worker in self._workers.values():
                _kill_group(worker.pid)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN | (select.POLLOUT if self._channel.wants_write else 0))
        poll.register(self._wake_read, select.POLLIN)
        for worker in self._workers.values():
            if worker.result_fd >= 0:
                poll.register(worker.result_fd, select.POLLIN)
        nearest = min((worker.deadline_s for worker in self._workers.values() if not worker.timed_out), default=float("inf"))
        poll.poll(None if nearest == float("inf") else max(0.0, nearest - time.monotonic()) * 1000 + 1)
        _drain(self._wake_read)

    def _obey(self, message: Document) -> None:
        match message:
            case {"do": "load", "job": dict(job), "unsettled": list(unsettled)}:
                self._load(Job.from_json(job), cast(Any, unsettled))
            case {"do": "run", "task": dict(task), "folder": str(folder)}:
                self._start(task_from_json(task), Path(folder))
            case _:
                raise Corrupt(f"the runner sent something that is no order: {str(message)[:200]}")

    def _load(self, job: Job, unsettled: list[tuple[str, str, str, str]]) -> None:
        watch = _make_watch(job)
        try:
            unfit = load_job(job, watch, list(job.places.values()), unsettled)
            importlib.import_module(job.blobs_factory.partition(":")[0])
        except IncumbentError as error:
            self._channel.send({"say": "not_loaded", "message": str(error), "is_conflict": isinstance(error, Conflict)})
            return
        self._job, self._watch = job, watch
        unsafe = find_unsafe_threads()
        self._threads = 0 if unsafe else count_threads()
        gc.collect()
        gc.disable()  # a collection here would write to the pages that workers share
        gc.freeze()  # and theirs leaves alone what was there before them
        self._channel.send({"say": "loaded", "unfit": cast(Json, unfit), "unsafe": cast(Json, unsafe)})

    def _start(self, task: StageTask, folder: Path) -> None:
        assert self._job is not None, "the runner sends load before run"
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        started_s = time.monotonic()
        process = None
        if self._can_fork():
            pid = self._fork(task, folder, write_end)
        else:
            process = _spawn(self._job, task, folder, write_end)
            pid = process.pid
        os.close(write_end)
        deadline_s = started_s + (task.timeout_s if task.timeout_s is not None else float("inf"))
        self._workers[pid] = _Worker(task.task_id, pid, read_end, started_s, deadline_s, bytearray(), process)
        self._channel.send({"say": "started", "task_id": task.task_id, "pid": pid})

    def _can_fork(self) -> bool:
        """Say whether a fork is safe now: what the user's modules started may have started more since."""
        if self._threads and count_threads() > self._threads:
            self._threads = 0 if find_unsafe_threads() else count_threads()
        return self._threads > 0

    def _fork(self, task: StageTask, folder: Path, write_end: int) -> int:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*multi-threaded.*", category=DeprecationWarning)  # find_unsafe_threads judged
            pid = os.fork()
        if pid:
            try:
                os.setpgid(pid, pid)  # here and in the child: whoever comes first
            except OSError:
                pass
            return pid
        status = 70
        try:
            os.setpgid(0, 0)
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._channel.socket.close()
            for fd in [self._wake_read, *(worker.result_fd for worker in self._workers.values() if worker.result_fd >= 0)]:
                os.close(fd)
            gc.enable()
            assert self._job is not None
            assert self._watch is not None
            work(self._job, self._watch, task, folder, write_end)
            status = 0
        finally:
            os._exit(status)  # not sys.exit: the template's own clean-up is not the worker's to do

    def _read_results(self) -> None:
        for worker in self._workers.values():
            self._read_result(worker)

    def _read_result(self, worker: _Worker) -> None:
        while worker.result_fd >= 0:
            try:
                data = os.read(worker.result_fd, 1 << 18)
            except BlockingIOError:
                return
            if not data or len(worker.result) > RESULT_BYTES_MAX:
                os.close(worker.result_fd)
                worker.result_fd = -1
            worker.result += data

    def _reap(self) -> None:
        for pid in list(self._workers):
            found, status, usage = os.wait4(pid, os.WNOHANG)
            if found:
                worker = self._workers.pop(pid)
                wall_s = time.monotonic() - worker.started_s
                _kill_group(pid)  # what the stage started and left behind
                self._read_result(worker)
                if worker.result_fd >= 0:
                    os.close(worker.result_fd)
                if worker.process is not None:
                    worker.process.returncode = 0  # reaped here; keeps Popen from waiting for it again
                self._channel.send(
                    {
                        "say": "ended",
                        "task_id": worker.task_id,
                        "outcome": _parse_result(bytes(worker.result)),
                        "status": status,
                        "timed_out": worker.timed_out,
                        "wall_s": wall_s,
                        "cpu_s": usage.ru_utime + usage.ru_stime,
                        "rss_bytes_max": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                    }
                )

    def _end_late(self) -> None:
        now_s = time.monotonic()
        for worker in self._workers.values():
            if now_s >= worker.deadline_s and not worker.timed_out:
                worker.timed_out = True
                _kill_group(worker.pid)


def load_job(job: Job, watch: Watch, places: list[Place], unsettled: Sequence[tuple[str, str, str, str]] = ()) -> list[str]:
    """Make this process ready for user code, import the modules of `places`, and return which types do not fit.

    Raises:
        InvalidInput: One cannot be imported.
        Conflict: A source was edited since the keys were made from it.
    """
    os.chdir(job.root)
    install_hooks()
    put_on_path(job.root, job.places.values())
    with watch.importing(job.known_files, job.algorithm):
        import_modules(job.root, places, job.contents)
        unfit = settle_types(unsettled)
    refuse_changed(job.root, "starting")
    return unfit


def _make_watch(job: Job) -> Watch:
    return Watch(job.root, ignored=(job.state,))


def open_bench(job: Job, watch: Watch) -> Bench:
    """Return the tools of an attempt in this process. The store is opened here, in the worker: connections do not survive a fork."""
    module, _, function = job.blobs_factory.partition(":")
    blobs = getattr(importlib.import_module(module), function)(job.blobs_argument)
    return Bench(job.root, watch, ArtifactCodecs(), check_type, blobs)


def work(job: Job, watch: Watch, task: StageTask, folder: Path, write_end: int) -> None:
    """Be a worker: run the task and write its outcome to `write_end`."""
    enter_attempt(folder, log_of(folder))
    outcome = run_attempt(task, open_bench(job, watch), folder=folder, allowed_paths=job.paths.get(task.stage, frozenset()))
    for warning in outcome.warnings:
        sys.stderr.write(f"incumbent: {warning}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    _send(outcome, write_end)


def _send(outcome: StageOutcome, write_end: int) -> None:
    data = memoryview(encode_frame(outcome_to_json(outcome)))
    while data:
        data = data[os.write(write_end, data) :]


def _spawn(job: Job, task: StageTask, folder: Path, write_end: int) -> "subprocess.Popen[bytes]":
    """Start a fresh interpreter for one attempt; it finds its orders in a file, since a pipe could fill up before it reads."""
    orders = folder / "orders.json"
    orders.write_text(json.dumps({"job": job.to_json(), "task": task_to_json(task), "folder": str(folder)}))
    command = [sys.executable, "-P", "-m", "incumbent.execution.template", "attempt", str(orders), str(write_end), str(os.getpid())]
    return subprocess.Popen(command, pass_fds=(write_end,), process_group=0, stdin=subprocess.DEVNULL)


def _attempt_main(orders: str, write_end: int, parent: int) -> None:
    die_with_parent(parent)
    os.set_inheritable(write_end, False)
    document = parse_document(Path(orders).read_bytes())
    os.unlink(orders)
    match document:
        case {"job": dict(given), "task": dict(task), "folder": str(folder)}:
            job, stage_task = Job.from_json(given), task_from_json(task)
        case _:
            raise Corrupt(f"{orders} holds no orders")
    watch = _make_watch(job)
    try:
        load_job(job, watch, [(stage_task.path, stage_task.module, stage_task.symbol)])
    except IncumbentError as error:  # the template has imported the same: it was edited since
        _send(StageOutcome(stage_task.task_id, "failed", failure=StageFailure(str(error), is_final=True)), write_end)
    else:
        work(job, watch, stage_task, Path(folder), write_end)
    sys.stdout.flush()
    os._exit(0)


def _parse_result(data: bytes) -> Json:
    try:
        return next(FrameReader().feed(data), None)
    except Corrupt:
        return None


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all gone already
        pass


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass


def _template_main(socket_fd: int, lifeline_fd: int) -> None:
    if sys.platform == "linux":
        # When the runner dies while this process is still importing (and so is not listening), the pipe's end raises SIGIO,
        # whose default is to end the process. A parent-death signal would not do: it follows the runner's thread.
        fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, fcntl.fcntl(lifeline_fd, fcntl.F_GETFL) | os.O_ASYNC)
    faulthandler.enable()
    with socket.socket(fileno=socket_fd) as end:
        end.set_inheritable(False)
        Template(Channel(end)).serve()


if __name__ == "__main__":
    if sys.argv[1] == "attempt":
        faulthandler.enable()
        _attempt_main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        _template_main(int(sys.argv[2]), int(sys.argv[3]))
