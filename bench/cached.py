"""A run in which everything is cached: the whole process, beside the least that CPython could do for the same answer.

The limit reads as many rows from SQLite and looks at as many files (stat) as a run has inputs and outputs, and does nothing else.
Goals: 0.10 s for 1,000 stages, 0.4 s for a chain of 10,000. `--peers` measures doit as well, from a venv of its own.
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import describe_machine, measure, print_table, time_once

STAGES_A_FILE = 500
RUN = ["run", "--executor", "inline"]
LIMIT = """
import os, sqlite3, sys
wrong = 0
for path, size, mtime in sqlite3.connect(sys.argv[1]).execute("select path, size, mtime from seen"):
    now = os.stat(path)
    wrong += now.st_size != size or now.st_mtime_ns != mtime
print(wrong)
"""


def write_project(folder: Path, shape: str, count: int) -> None:
    """Write a pipeline of `count` stages: `wide` (each reads a file of its own) or `linear` (each takes the one before)."""
    (folder / "data").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "bench"\nversion = "0"\n[tool.incumbent]\npipeline = "bench_pipeline.py:pipeline"\n'
    )
    for number in range(count if shape == "wide" else 1):
        (folder / "data" / f"{number}.txt").write_text(f"{number}\n")
    files = range(0, count, STAGES_A_FILE)
    for first in files:
        text = ["from pathlib import Path\n\nimport incumbent as inc\n"]
        for number in range(first, min(first + STAGES_A_FILE, count)):
            reads = shape == "wide" or number == 0
            taken, kind = (f"f{number}", "Path") if reads else (f"s{number - 1}", "int")
            value = f"len(f{number}.read_bytes())" if reads else taken
            text.append(f"\n@inc.stage\ndef s{number}({taken}: {kind}) -> int:\n    return {value} + {number}\n")
        (folder / f"stages_{first}.py").write_text("".join(text))
    names = {first: [f"s{n}" for n in range(first, min(first + STAGES_A_FILE, count))] for first in files}
    imports = "".join(f"from stages_{first} import {', '.join(listed)}\n" for first, listed in names.items())
    stages = ", ".join(name for listed in names.values() for name in listed)
    sources = ", ".join(f'"f{n}": inc.source.file("data/{n}.txt")' for n in range(count if shape == "wide" else 1))
    (folder / "bench_pipeline.py").write_text(
        f'import incumbent as inc\n{imports}\npipeline = inc.Pipeline("bench", [{stages}], sources={{{sources}}})\n'
    )


def write_limit(folder: Path) -> list[str]:
    """Write the limit's database over every input and output of the project that has just run; return its command."""
    files = [path for path in folder.rglob("*") if path.is_file() and (path.suffix in {".py", ".txt"} or "blobs" in path.parts)]
    base = sqlite3.connect(folder.parent / "limit.db")
    base.execute("drop table if exists seen")
    base.execute("create table seen (path text, size integer, mtime integer)")
    base.executemany("insert into seen values (?, ?, ?)", [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files])
    base.commit()
    base.close()
    print(f"  {len(files)} files are looked at")
    return [sys.executable, "-c", LIMIT, str(folder.parent / "limit.db")]


def write_doit(folder: Path, data: Path, shape: str, count: int) -> None:
    """Write the same graph for doit: a task each, with the file that it reads and the file that it gives."""
    (folder / "out").mkdir(parents=True)
    (folder / "dodo.py").write_text(
        f"def task_s():\n    for n in range({count}):\n"
        f"        taken = f'{data}/{{n}}.txt' if {shape == 'wide'} or n == 0 else f'out/{{n - 1}}'\n"
        "        yield {'name': str(n), 'file_dep': [taken], 'targets': [f'out/{n}'], 'actions': [(give, [f'out/{n}', n])]}\n"
        "def give(path, n):\n    open(path, 'w').write(str(n))\n"
    )


def install_doit(folder: Path) -> str:
    """Make a venv with doit and return the path of its program."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-qq", "doit"], check=True)
    return str(folder / "bin" / "doit")


def bench(shape: str, count: int, rounds: int, doit: str | None) -> None:
    """Measure one shape and size, and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary, "project")
        write_project(project, shape, count)
        incumbent = str(Path(sys.executable).with_name("incumbent"))
        wall_s, cpu_s, _ = time_once([incumbent, *RUN], project)
        print(f"\n{shape} {count}: first run {wall_s / count * 1000:.1f} ms a stage, {cpu_s / count * 1000:.1f} ms of CPU (in process)")
        commands = {"limit": write_limit(project), "incumbent run": [incumbent, *RUN]}
        if doit:
            write_doit(Path(temporary, "doit"), project / "data", shape, count)
            commands["doit"] = [doit, "-f", str(Path(temporary, "doit", "dodo.py"))]
            time_once(commands["doit"], project)
        figures = measure(commands, project, rounds)

        def edit_comment() -> None:
            with (project / "bench_pipeline.py").open("a") as file:
                file.write("# another comment\n")

        planned = {"incumbent run, a comment was edited": [incumbent, *RUN], "incumbent plan, a comment was edited": [incumbent, "plan"]}
        figures |= measure(planned, project, rounds, before=edit_comment)
        print_table(f"{shape}, {count} stages, all cached", figures, "limit")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--shapes", nargs="+", default=["wide", "linear"], choices=["wide", "linear"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", action="store_true", help="install doit into a venv of its own and measure it too")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as venv:
        doit = install_doit(Path(venv)) if arguments.peers else None
        for shape in arguments.shapes:
            for count in arguments.stages:
                bench(shape, count, arguments.rounds, doit)


if __name__ == "__main__":
    main()
