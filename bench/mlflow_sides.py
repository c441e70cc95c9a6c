"""Our server and a stock `mlflow server`, started side by side and asked in turns by the same load generator.

The peer is `mlflow server --workers 1` on SQLite, installed from the package index into a virtual environment of its own. The load
generator, bench/http_load.py, is a process of its own. CPU and memory are those of all processes of a server, from /proc (Linux).
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from http_load import run_load
from measure import describe_machine

MLFLOW = "mlflow==3.17.2"
PREFIX = "/api/2.0/mlflow"
LOAD_S = 20
"""How long one round of one side may go on."""
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Side:
    """A server that is up, and what a bench notes about it."""

    name: str
    pid: int
    port: int
    run_id: str = ""
    start_s: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)

    def count(self, name):
        """Return 0, 1, 2, …: for names that no call before had."""
        self.notes[name] = self.notes.get(name, -1) + 1
        return self.notes[name]


@dataclass(frozen=True)
class Row:
    """One line of the table. `calls` is (ours, theirs) of each client; `unit` of a rate, or "ms" for time; `times` things in a call."""

    name: str
    make: object
    calls: tuple[int, int]
    goal: float
    clients: int = 1
    unit: str = "calls/s"
    times: float = 1


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_s(pid):
    """Return user and system seconds of a process, all that descend from it, and those of them that were waited for."""
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / _TICK


def memory(pid):
    """Return resident and proportional MB of a process and all that descend from it, and how many they are."""
    sums = {"Rss": 0, "Pss": 0}
    count = 0
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except FileNotFoundError:  # one of the peer's short-lived processes
            continue
        count += 1
        for name in sums:
            sums[name] += int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1])
    return sums["Rss"] * 1024 / 1e6, sums["Pss"] * 1024 / 1e6, count


@contextmanager
def started(name, command, folder, health, **env):
    """Start a server, wait for its first answer, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / f"{name}.log").open("ab") as log:
        begun = time.perf_counter()
        whole = {**os.environ, **env}
        process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, env=whole, stdout=log, stderr=log, start_new_session=True)
    try:
        while not answers(port, health):
            if process.poll() is not None or time.perf_counter() - begun > 180:
                sys.exit(f"{name} did not start: {(folder / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.01)
        yield Side(name, process.pid, port, start_s=time.perf_counter() - begun)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(port, path):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
            return raw.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def ours(project):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(project)]
    return started("incumbent", command, project, "/healthz", INCUMBENT_KEYS=str(project / "keys"))


def theirs(peer, folder):
    command = [str(peer / "bin/mlflow"), "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    return started("mlflow", command, folder, "/health")


@contextmanager
def started_both(folder, peer):
    """Start ours, and the peer if there is one; both keep what they have in the folder."""
    (folder / "project").mkdir(parents=True, exist_ok=True)
    with ours(folder / "project") as mine:
        if peer is None:
            yield (mine,)
        else:
            with theirs(peer, folder) as other:
                yield mine, other


def install(folder):
    """Install the peer, unless it is there; return its version."""
    if not (folder / "bin/mlflow").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", MLFLOW], check=True)
    done = subprocess.run([str(folder / "bin/mlflow"), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def call(side, method, path, body=None):
    """Ask once, and return the answer's JSON."""
    load = run_load(side.port, [[(method, PREFIX + path, "" if body is None else json.dumps(body))]])
    return json.loads(load.first_body)


def new_run(side):
    return call(side, "POST", "/runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1e3)})["run"]["info"]["run_id"]


def measure(row, side, calls):
    """Return (figure, CPU ms a call) of one round."""
    clients = [row.make(side, calls) for _ in range(row.clients)]
    before = cpu_s(side.pid)
    load = run_load(side.port, clients, seconds=LOAD_S)
    cpu = (cpu_s(side.pid) - before) / load.calls * 1e3
    if row.unit == "ms":
        return load.p50_ms / row.times, cpu / row.times
    return load.per_second * row.times, cpu


def ask_disk(size, seconds=0.2):
    """Return how often a second the disk takes so many bytes and says that it has them: the limit of durable calls in turn."""
    done, piece = 0, os.urandom(size)
    with tempfile.TemporaryFile() as file:
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            file.write(piece)
            file.flush()
            os.fdatasync(file.fileno())
            done += 1
        return done / (time.perf_counter() - begun)


def show(row, taken, disk):
    """Print a line from the rounds of each side, by its name."""
    (mine, my_cpu), *others = ([statistics.median(column) for column in zip(*rounds, strict=True)] for rounds in taken.values())
    goal_is_met = mine <= row.goal if row.unit == "ms" else mine >= row.goal
    cells = f"{mine:12,.1f} {row.unit:9} {my_cpu:9.2f}"
    for other, other_cpu in others:
        ratio = other / mine if row.unit == "ms" else mine / other
        cells += f" {other:12,.1f} {other_cpu:9.2f} {ratio:8.1f} x"
    is_files = row.unit == "MiB/s"
    rate = f"{statistics.median(disk) * row.times:,.1f} MiB/s" if is_files else f"{statistics.median(disk):,.0f} syncs/s"
    beside = f"disk {rate}, load {os.getloadavg()[0]:.1f}"
    print(f"{row.name:58} {cells}   goal {row.goal:,.0f}: {'met' if goal_is_met else 'missed'}; {beside}", flush=True)


def compare(rows, sides, rounds):
    """Ask all sides in turns, a row at a time."""
    for row in rows:
        taken = {side.name: [] for side in sides}
        disk = []
        for _ in range(rounds):
            disk.append(ask_disk(round(row.times * 2**20) if row.unit == "MiB/s" else 4096))
            for number, side in enumerate(sides):
                taken[side.name].append(measure(row, side, row.calls[number]))
        show(row, taken, disk)


def bench(parser, run):
    """Read the options that every bench of both servers has, and run it in a temporary folder: `run(folder, peer, options)`."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, default=None, help="folder of the peer's virtual environment (default: a temporary one)")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        peer = None
        if not options.alone:
            peer = (options.peer or folder / "peer").absolute()
            print(f"peer: mlflow {install(peer)}, 1 worker, SQLite")
        print(f"median of {options.rounds} rounds in turns; CPU in ms a call; ratio: how many times quicker than the peer")
        run(folder, peer, options)
    print(describe_machine())


def make_parser(about):
    return argparse.ArgumentParser(description=about.splitlines()[0])
