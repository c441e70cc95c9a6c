"""Measure whole processes side by side: wall clock, CPU and memory of each, taken in turns so that load hits all alike."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """The median of several processes.

    Attributes:
        wall_s: From start to end.
        wall_s_least: The best of them: what is left when nothing else runs.
        cpu_s: User and system time, of children that were waited for too.
        rss_bytes_max: Peak resident memory of the process itself.
    """

    wall_s: float
    wall_s_least: float
    cpu_s: float
    rss_bytes_max: int


def measure(commands: dict[str, list[str]], folder: Path, rounds: int, before: Callable[[], None] = lambda: None) -> dict[str, Figure]:
    """Run each command `rounds` times, in turns, after one round that is not counted; `before` each, untimed, something changes."""
    taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            before()
            one = time_once(command, folder)
            if number:
                taken[name].append(one)
    return {name: _figure(rows) for name, rows in taken.items()}


def time_once(command: list[str], folder: Path) -> tuple[float, float, int]:
    """Run a command that must succeed; return wall clock and CPU in seconds, and peak memory in bytes."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    wall = time.perf_counter() - begun
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)[:200]} ended with {process.returncode}: {errors}")
    unit = 1 if sys.platform == "darwin" else 1024
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def _figure(rows: list[tuple[float, float, int]]) -> Figure:
    walls, cpus, memory = zip(*rows, strict=True)
    return Figure(statistics.median(walls), min(walls), statistics.median(cpus), max(memory))


def print_table(title: str, figures: dict[str, Figure], limit: str) -> None:
    """Print the figures, each with its ratio to the one named `limit`."""
    print(f"\n{title}")
    print(f"  {'':34} {'wall s':>8} {'least':>8} {'CPU s':>8} {'MB':>6}   {'ratio to ' + limit} (wall)")
    for name, figure in figures.items():
        ratio = figure.wall_s / figures[limit].wall_s
        cells = f"{figure.wall_s:8.3f} {figure.wall_s_least:8.3f} {figure.cpu_s:8.3f} {figure.rss_bytes_max / 1e6:6.0f}"
        print(f"  {name:34} {cells}   {ratio:.2f}")


def describe_machine() -> str:
    """Return what the figures depend on, in a line."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}"
