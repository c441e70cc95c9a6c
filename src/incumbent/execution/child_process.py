"""What a process must do to itself to be a worker: die with its parent, own its group, write its output to a file."""

import ctypes
import os
import signal
import sys
import tempfile
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; leave at once if it already has.

    Only on Linux. Elsewhere the template kills its workers when its own lifeline closes.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def enter_attempt(folder: Path, log_path: Path) -> None:
    """Send everything this process prints, native code included, to the log, and its temporary files to the attempt's folder."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        # The streams of a process of ours are TextIOWrapper.
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    use_folder(folder)


def use_folder(folder: Path | str | None) -> None:
    """Send temporary files to `folder`; None sends them where the system wants them."""
    if folder is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # asked again, of TMPDIR


def count_threads() -> int:
    """Return how many threads this process has, native ones too; 1 where the system does not say."""
    return len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1


def find_unsafe_threads() -> list[str]:
    """Return the names of threads in this process that a fork would leave behind with their locks held; empty is safe.

    A fork copies only the thread that calls it. OpenBLAS and jemalloc register handlers for that (pthread_atfork), and Polars'
    cleaner thread only sweeps a spill folder; a pool of workers (Polars, Tokio, Arrow, OpenMP) that has already started would be
    missing in the child, which then waits for it for ever. OpenBLAS's threads carry the name of the process: there may be one
    fewer than cores for each copy of the library that is mapped in.
    """
    if sys.platform != "linux":
        return ["(this system cannot fork safely)"]
    own = Path("/proc/self/comm").read_text().strip()
    names = [_name_thread(task) for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
    unnamed = sum(name == own for name in names)
    if unnamed > _count_blas_copies() * (_count_blas_threads() - 1):
        return [own]
    return sorted({name for name in names if name not in ("", own, "jemalloc_bg_thd", "polars-ooc-clea")})


def _name_thread(task: str) -> str:
    try:
        return Path(f"/proc/self/task/{task}/comm").read_text().strip()
    except OSError:  # it ended meanwhile
        return ""


def _count_blas_copies() -> int:
    with open("/proc/self/maps") as maps:
        return len({line.split()[-1] for line in maps if "openblas" in line})


def _count_blas_threads() -> int:
    given = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
    return int(given) if given.isdecimal() and int(given) > 0 else len(os.sched_getaffinity(0))
