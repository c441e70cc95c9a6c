"""A first run of trivial stages: what one more stage costs, in process and in a worker of its own, beside what the system takes.

The cost of a stage is the difference between a run of many stages and one of few, over the difference in stages, so that start-up
falls out. Limits: a fork that exits at once (what isolation costs at least), and a fresh interpreter that does nothing (what an
engine with one process for each stage pays before it begins). Goals: 2 ms in process, 15 ms isolated, flat in the number of stages.
"""

import argparse
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from cached import write_project
from measure import describe_machine, time_once

FORKS = 200


def time_fork_cpu_s() -> float:
    """Return the CPU of one fork and exit of this small process, the child's included."""
    begun = os.times()
    for _ in range(FORKS):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    ended = os.times()
    return (sum(ended[:4]) - sum(begun[:4])) / FORKS


def time_interpreter_cpu_s(folder: Path) -> float:
    """Return the CPU of an interpreter that does nothing, the median of seven."""
    return sorted(time_once([sys.executable, "-c", "pass"], folder)[1] for _ in range(7))[3]


def time_first_run(executor: str, shape: str, count: int) -> tuple[float, float]:
    """Run `count` stages in an empty project once; return wall clock and CPU in seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary, "project")
        write_project(project, shape, count)
        incumbent = str(Path(sys.executable).with_name("incumbent"))
        wall_s, cpu_s, _ = time_once([incumbent, "run", "--executor", executor], project)
        return wall_s, cpu_s


def main() -> None:
    """Measure both executors at each size and print the cost of one more stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[50, 250, 1000], help="two or more sizes, ascending")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        limits = {"fork and exit": time_fork_cpu_s(), "fresh interpreter": time_interpreter_cpu_s(Path(folder))}
    for name, cpu_s in limits.items():
        print(f"  limit: {name:24} {cpu_s * 1000:7.2f} ms CPU")
    cases = [
        ("inline", "linear", "a trivial stage below another (goal 2 ms)", "fork and exit"),
        ("inline", "wide", "a trivial stage and the file of its own that it reads", "fork and exit"),
        ("local", "linear", "a trivial stage below another (goal 15 ms)", "fresh interpreter"),
        ("local", "wide", "a trivial stage and the file of its own that it reads", "fresh interpreter"),
    ]
    for executor, shape, what, limit in cases:
        print(f"\n{executor}: CPU of one more of: {what}")
        figures = [(count, *time_first_run(executor, shape, count)) for count in arguments.stages]
        for (few, wall_few, cpu_few), (many, wall_many, cpu_many) in pairwise(figures):
            cpu_s = (cpu_many - cpu_few) / (many - few)
            wall_s = (wall_many - wall_few) / (many - few)
            ratio = cpu_s / limits[limit]
            print(f"  {few:5} -> {many:5} stages: {cpu_s * 1000:7.2f} ms CPU, {wall_s * 1000:7.2f} ms wall; {ratio:.2f} x {limit}")


if __name__ == "__main__":
    main()
