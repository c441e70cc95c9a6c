"""Our server and a stock `mlflow server` under the same load: what logging, searching and reading a history take, call by call.

    python bench/mlflow_ingest.py [--rounds 3] [--runs 10000] [--peer FOLDER]

The peer is `mlflow server --workers 1` on SQLite, installed from the package index into a virtual environment of its own (`--peer` keeps it
in a folder, to be used again). One load generator, bench/http_load.py, in a process of its own, asks both in turns; the best round of each
counts, since the machine's other work only ever slows down. CPU and memory are those of all processes of a server, from /proc (Linux).

Runs for the search are filled in by our own store on one side, and by SQL from runs that MLflow itself logged on the other; each run has 6
params, 6 metrics and a tag. Goals are those of the project's issue on ingest.
"""

import argparse
import json
import math
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from http_load import run_load
from measure import describe_machine

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.tracked_runs import begin_tracked_run, find_experiment

MLFLOW = "mlflow==3.17.2"
PREFIX = "/api/2.0/mlflow"
HISTORY_POINTS, HISTORY_PAGE = 100_000, 25_000
_TICK = os.sysconf("SC_CLK_TCK")


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
    processes = family(pid)
    for one in processes:
        text = Path(f"/proc/{one}/smaps_rollup").read_text()
        for name in sums:
            sums[name] += int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1])
    return sums["Rss"] * 1024 / 1e6, sums["Pss"] * 1024 / 1e6, len(processes)


@dataclass
class Side:
    """A server that is up."""

    name: str
    pid: int
    port: int
    run_id: str = ""
    start_s: float = 0.0


@contextmanager
def started(name, command, folder, health):
    """Start a server, wait for its first answer, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / f"{name}.log").open("ab") as log:
        begun = time.perf_counter()
        process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, stdout=log, stderr=log, start_new_session=True)
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


def call(side, method, path, body=None):
    """Ask once, and return the answer's JSON."""
    load = run_load(side.port, [[(method, PREFIX + path, "" if body is None else json.dumps(body))]])
    return json.loads(load.first_body)


def new_run(side):
    return call(side, "POST", "/runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1e3)})["run"]["info"]["run_id"]


def ours(project):
    return started("incumbent", [sys.executable, "-m", "incumbent", "server", "--project", str(project)], project, "/healthz")


def theirs(peer, folder):
    command = [str(peer / "bin/mlflow"), "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    return started("mlflow", command, folder, "/health")


def install(folder):
    """Install the peer, unless it is there; return its version."""
    if not (folder / "bin/mlflow").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", MLFLOW], check=True)
    done = subprocess.run([str(folder / "bin/mlflow"), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


_clock = iter(range(1_700_000_000_000, 2**62))


def point(name, step):
    return {"key": name, "value": math.sin(step), "timestamp": next(_clock), "step": step}


def log_metric(side, calls):
    return [("POST", PREFIX + "/runs/log-metric", json.dumps({"run_id": side.run_id, **point("loss", step)})) for step in range(calls)]


def log_batch(side, calls):
    return [
        ("POST", PREFIX + "/runs/log-batch", json.dumps({"run_id": side.run_id, "metrics": [point("acc", at) for at in range(1000)]}))
        for _ in range(calls)
    ]


def create(_side, calls):
    body = {"experiment_id": "0", "user_id": "ann", "start_time": 1_700_000_000_000, "tags": [{"key": "mlflow.user", "value": "ann"}]}
    return [("POST", PREFIX + "/runs/create", json.dumps({**body, "run_name": f"run {number}"})) for number in range(calls)]


def search(body):
    return lambda _side, calls: (
        [("POST", PREFIX + "/runs/search", json.dumps({"experiment_ids": ["0"], "max_results": 100, **body}))] * calls
    )


def history(side, calls):
    """The four pages as MLflow's client asks for them; their tokens are asked for here, untimed."""
    pages, token = [], ""
    for _ in range(HISTORY_POINTS // HISTORY_PAGE):
        path = f"{PREFIX}/metrics/get-history?run_id={side.run_id}&metric_key=long&max_results={HISTORY_PAGE}"
        pages.append(("GET", path + (f"&page_token={token}" if token else ""), ""))
        token = find_token(side, pages[-1][1])
    return pages * calls


def find_token(side, path):
    with socket.create_connection(("127.0.0.1", side.port)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        said = b""
        while part := raw.recv(1 << 20):
            said += part
    found = re.search(rb'"next_page_token": ?"([^"]+)"', said)
    return found[1].decode().replace("=", "%3D") if found else ""


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


ROWS = (
    Row("log-metric, 1 client", log_metric, (3000, 200), 1000),
    Row("log-metric, 8 clients", log_metric, (1000, 50), 2000, clients=8),
    Row("log-batch of 1,000 points", log_batch, (50, 8), 150_000, unit="points/s", times=1000),
    Row("runs/create", create, (1500, 100), 500),
    Row("get-history, 100,000 points in 4 pages", history, (3, 1), 200, unit="ms", times=1 / 4),
)
SEARCHES = (
    ("filter and order by a metric", search({"filter": "metrics.m1 > 0.5 and params.p1 = '3'", "order_by": ["metrics.m2 DESC"]}), 25),
    ("order by a metric", search({"order_by": ["metrics.m2 DESC"]}), 25),
    ("first page of a table", search({"order_by": ["attributes.start_time DESC"]}), 25),
)


def measure(row, side, calls):
    """Return (figure, CPU ms a call) of one round."""
    clients = [row.make(side, calls) for _ in range(row.clients)]
    before = cpu_s(side.pid)
    load = run_load(side.port, clients, seconds=20)
    cpu = (cpu_s(side.pid) - before) / load.calls * 1e3
    if row.unit == "ms":
        return load.p50_ms / row.times, cpu / row.times
    return load.per_second * row.times, cpu


def show(row, ours, theirs):
    """Print a line from the rounds of both."""
    better = min if row.unit == "ms" else max
    mine, my_cpu = better(ours)
    goal_is_met = mine <= row.goal if row.unit == "ms" else mine >= row.goal
    cells = f"{mine:12,.1f} {row.unit:9} {my_cpu:9.2f}"
    if theirs:
        other, other_cpu = better(theirs)
        ratio = other / mine if row.unit == "ms" else mine / other
        cells += f" {other:12,.1f} {other_cpu:9.2f} {ratio:8.1f} x"
    print(f"{row.name:58} {cells}   goal {row.goal:,.0f}: {'met' if goal_is_met else 'missed'}", flush=True)


def compare(rows, mine, other, rounds):
    """Ask both in turns, a row at a time."""
    for row in rows:
        taken = {side.name: [] for side in (mine, other) if side}
        for _ in range(rounds):
            for side in filter(None, (mine, other)):
                taken[side.name].append(measure(row, side, row.calls[side is other]))
        show(row, taken[mine.name], taken.get("mlflow"))


def log_history(side):
    for first in range(0, HISTORY_POINTS, 1000):
        points = [point("long", step) for step in range(first, first + 1000)]
        call(side, "POST", "/runs/log-batch", {"run_id": side.run_id, "metrics": points})


def fill_ours(project, runs):
    """Store runs as the server does, many in a transaction."""
    ws = open_workspace(read_settings(project))
    for first in range(0, runs, 1000):
        with ws.store.begin() as tx:
            for number in range(first, min(first + 1000, runs)):
                at = ws.clock.now()
                run = begin_tracked_run(
                    ws, tx, experiment=find_experiment(tx, "0"), run_id=ws.ids.new("run"), name=f"r{number}", started_at=at, tags={"k": "v"}
                )
                tx.open_runs.set_params(run.run_id, {f"p{at}": str((number + at) % 10) for at in range(6)})
                tx.open_runs.append(run.run_id, [(f"m{one}", math.sin(number * (one + 1)), 0, next(_clock) * 1000) for one in range(6)])
    ws.store.close()


def fill_theirs(file, run_id, runs):
    """Multiply one run that MLflow logged: the same rows under other ids, with other values."""
    with sqlite3.connect(file) as raw:
        raw.create_function("sine", 2, lambda number, name: math.sin(number * (int(name[1:]) + 1)))
        raw.execute(
            "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n", (runs,)
        )
        for table in ("runs", "params", "tags", "metrics", "latest_metrics"):
            names = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
            change = {"run_uuid": "printf('%032x', n.i)", "name": "'r' || n.i"}
            if table in ("metrics", "latest_metrics"):
                change["value"] = "sine(n.i, t.key)"
            if table == "params":
                change["value"] = "CAST((n.i + substr(t.key, 2)) % 10 AS TEXT)"
            picked = ", ".join(change.get(name, f't."{name}"') for name in names)
            raw.execute(f"INSERT INTO {table} SELECT {picked} FROM {table} AS t, n WHERE t.run_uuid = ?", (run_id,))
    raw.close()


def log_template(side):
    """Log the run that is multiplied."""
    run_id = new_run(side)
    tags, params = [{"key": "k", "value": "v"}], [{"key": f"p{at}", "value": str(at)} for at in range(6)]
    call(
        side,
        "POST",
        "/runs/log-batch",
        {"run_id": run_id, "metrics": [point(f"m{at}", 0) for at in range(6)], "params": params, "tags": tags},
    )
    return run_id


def bench_ingest(folder, peer, rounds):
    """Print start, memory and the rows of writing and of the history; both servers are fresh."""
    with started_both(folder / "ingest", peer) as (mine, other):
        print(f"\n{'':18} {'first answer s':>15} {'RSS MB':>8} {'PSS MB':>8} {'processes':>10}")
        for side in filter(None, (mine, other)):
            rss, pss, count = memory(side.pid)
            print(f"{side.name:18} {side.start_s:15.2f} {rss:8.0f} {pss:8.0f} {count:10}", flush=True)
        for side in filter(None, (mine, other)):
            side.run_id = new_run(side)
            log_history(side)
        compare(ROWS, mine, other, rounds)


@contextmanager
def started_both(folder, peer):
    (folder / "project").mkdir(parents=True, exist_ok=True)
    with ours(folder / "project") as mine:
        if peer is None:
            yield mine, None
        else:
            with theirs(peer, folder) as other:
                yield mine, other


def bench_search(folder, peer, runs, rounds):
    """Print the rows of searching among so many runs."""
    here = folder / f"search-{runs}"
    (here / "project").mkdir(parents=True)
    fill_ours(here / "project", runs)
    if peer is not None:
        with theirs(peer, here) as other:
            template = log_template(other)
        fill_theirs(here / "mlflow.db", template, runs)
    with started_both(here, peer) as (mine, other):
        goals = [goal if runs <= 10_000 else 100 for _, _, goal in SEARCHES]
        rows = [
            Row(f"runs/search among {runs:,}: {name}", make, (20, 1), goal, unit="ms")
            for (name, make, _), goal in zip(SEARCHES, goals, strict=True)
        ]
        compare(rows, mine, other, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, nargs="*", default=[10_000], help="how many runs to search among (default 10000)")
    parser.add_argument("--peer", type=Path, default=None, help="folder of the peer's virtual environment (default: a temporary one)")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        peer = None
        if not arguments.alone:
            peer = (arguments.peer or folder / "peer").absolute()
            print(f"peer: mlflow {install(peer)}, 1 worker, SQLite")
        print(f"best of {arguments.rounds} rounds in turns; CPU in ms a call; ratio: how many times quicker than the peer")
        bench_ingest(folder, peer, arguments.rounds)
        for runs in arguments.runs:
            bench_search(folder, peer, runs, arguments.rounds)


if __name__ == "__main__":
    main()
