"""Showing a run while it goes on: a live display in a terminal, one plain line a change elsewhere."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from incumbent.base.digest import shorten_digests
from incumbent.base.shown import show_line, show_marks
from incumbent.cli.terminal import say
from incumbent.usecases.progress import Event

if TYPE_CHECKING:
    from rich.progress import TaskID

_MARKS = {"done": "ran", "failed": "FAILED", "retry": "retry", "waiting": "waits", "skipped": "skipped", "warning": "warning", "note": "…"}


class Display:
    """A context manager whose `show` takes the events of a run. Everything goes to stderr; stdout is for the answer."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, highlight=False)
        self._is_live = self._console.is_terminal and not is_quiet
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._running: dict[str, TaskID] = {}
        self._hits = 0

    def __enter__(self) -> Self:
        if self._is_live:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._hits and not self._is_quiet:
            self._line("cached", f"{self._hits} stage{'s' if self._hits > 1 else ''}", "")

    def show(self, event: Event) -> None:
        """Take one event."""
        if self._is_quiet:
            return
        name = event.stage if event.item is None else f"{event.stage}[{event.item}]"
        match event.kind:
            case "total":
                self._open_bar(event)
            case "hit":
                self._hits += 1
                self._step(event)
            case "started":
                self._begin(name)
            case "done":
                self._line("ran", name, f"{event.wall_s:.2f} s" + (f"  ({shorten_digests(event.text)})" if event.text else ""))
                self._step(event)
                self._end(name)
            case "failed":
                self._line("FAILED", name, f"{event.wall_s:.2f} s  {event.text}")
                self._end(name)
            case "note":
                if self._progress is not None:  # in a log file these lines would only be noise
                    self._progress.console.print(f"[dim]{escape(show_marks(event.text))}[/dim]")
            case _:
                self._line(_MARKS[event.kind], name, event.text)

    def _open_bar(self, event: Event) -> None:
        if self._progress is not None:
            self._bar = self._progress.add_task(escape(show_line(event.stage)), total=event.count)

    def _begin(self, name: str) -> None:
        if self._progress is not None:
            self._running[name] = self._progress.add_task(f"  {escape(show_line(name))}", total=None)

    def _step(self, event: Event) -> None:
        if self._progress is not None and self._bar is not None and event.item is None:
            self._progress.advance(self._bar)

    def _end(self, name: str) -> None:
        if self._progress is not None and name in self._running:
            self._progress.remove_task(self._running.pop(name))

    def _line(self, mark: str, name: str, text: str) -> None:
        line = f"  {mark:<8} {name:<24} {text}".rstrip()
        if self._progress is not None:
            style = {"FAILED": "red", "ran": "green", "warning": "yellow", "retry": "yellow"}.get(mark, "")
            self._progress.console.print(escape(show_marks(line)), style=style)
        else:
            say(line, file=sys.stderr, flush=True)
