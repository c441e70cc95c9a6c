"""Turn what went wrong in a stage into words: one paragraph and the user's own frames, never ours."""

import signal
import traceback
from collections.abc import Iterator

from incumbent.execution.project_files import ProjectFiles
from incumbent.pipeline.action import Resources, StageFailure

_MESSAGE_CHARACTERS_MAX = 4000


def describe_error(error: BaseException, files: ProjectFiles, *, doing: str = "") -> StageFailure:
    """Return the failure that an exception from user code means, e.g. `ValueError: no rows (pipelines/credit.py:12 in features)`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if files.is_project(frame.filename)]
    place = f" ({files.relative(frames[-1].filename)}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    if isinstance(error, SyntaxError) and error.filename and files.is_project(error.filename):
        place = f" ({files.relative(error.filename)}:{error.lineno})"
    return StageFailure(f"{doing}{_name_error(error)}{place}{_advise(error)}", "".join(_list_frames(error, files)))


def _name_error(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    if name.startswith("incumbent.base.errors."):
        name = kind.__qualname__
    text = error.msg if isinstance(error, SyntaxError) else _text_of(error)
    if len(text) > _MESSAGE_CHARACTERS_MAX:
        text = f"{text[:_MESSAGE_CHARACTERS_MAX]}… ({len(text)} characters in all)"
    return f"{name}: {text}" if text else name


def _text_of(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception as second:  # noqa: BLE001 - the error's own __str__ is user code and must not hide the error
        return f"(its text cannot be shown: __str__ raised {type(second).__name__})"


def _advise(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "; a stage returns its result, it does not exit"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"; install what gives {error.name!r} in the environment that runs the pipeline, or mend the import"
    return ""


def _list_frames(error: BaseException, files: ProjectFiles) -> Iterator[str]:
    """Yield the formatted traceback with only the project's frames, causes first, as Python prints them."""
    links: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if current.__cause__ is not None:
            links.append((current, "\nThe above exception was the direct cause of the following exception:\n\n"))
            current = current.__cause__
        elif current.__context__ is not None and not current.__suppress_context__:
            links.append((current, "\nDuring handling of the above exception, another exception occurred:\n\n"))
            current = current.__context__
        else:
            links.append((current, ""))
            current = None
    for link, joint in reversed(links):
        frames = [frame for frame in traceback.extract_tb(link.__traceback__) if files.is_project(frame.filename)]
        if frames or link is error:
            yield joint
            yield "Traceback (your own code only):\n" if frames else ""
            yield from traceback.format_list(frames)
            yield _name_error(link) + "\n"


def describe_end(status: int, resources: Resources) -> StageFailure:
    """Return the failure of a worker that ended without a word.

    Args:
        status: As `wait4` gives it: the exit code in the high byte, or the signal.
        resources: What it had used, for the hint about memory.
    """
    number = status & 0x7F
    if not number:
        code = status >> 8
        return StageFailure(
            f"the worker process left with exit code {code} before the stage returned: "
            "something in the stage ended the process (os._exit, or a library that gives up); a stage returns its result"
        )
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hints = {
        signal.SIGKILL: f"most often the machine ran out of memory (the worker's peak was {resources.rss_bytes_max / 2**20:.0f} MiB)",
        signal.SIGSEGV: "native code read memory that is not its own; the log holds the Python lines that led there",
        signal.SIGABRT: "native code gave up (abort); the log holds the Python lines that led there",
        signal.SIGBUS: "a mapped file shrank under it, or the disk is full; the log holds the Python lines that led there",
        signal.SIGILL: "native code uses an instruction that this processor lacks",
    }
    hint = hints.get(number, "something outside asked it to stop")  # type: ignore[call-overload]  # no signal: the default
    return StageFailure(f"the worker process was killed by signal {number} ({name}): {hint}. Nothing was stored")
