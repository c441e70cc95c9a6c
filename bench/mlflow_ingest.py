"""Our server and a stock `mlflow server` under the same load: what logging, searching and reading a history take, call by call.

    python bench/mlflow_ingest.py [--rounds 3] [--runs 10000] [--peer FOLDER]

Runs for the search are filled in by our own store on one side, and by SQL from runs that MLflow itself logged on the other; each run has 6
params, 6 metrics and a tag. Goals are those of the project's issue on ingest. How both are started and measured: bench/mlflow_sides.py.
"""

import json
import math
import re
import socket
import sqlite3

from mlflow_sides import PREFIX, Row, bench, call, compare, make_parser, memory, new_run, started_both, theirs

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.tracked_runs import begin_tracked_run, find_experiment

HISTORY_POINTS, HISTORY_PAGE = 100_000, 25_000

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
    with started_both(folder / "ingest", peer) as sides:
        print(f"\n{'':18} {'first answer s':>15} {'RSS MB':>8} {'PSS MB':>8} {'processes':>10}")
        for side in sides:
            rss, pss, count = memory(side.pid)
            print(f"{side.name:18} {side.start_s:15.2f} {rss:8.0f} {pss:8.0f} {count:10}", flush=True)
        for side in sides:
            side.run_id = new_run(side)
            log_history(side)
        compare(ROWS, sides, rounds)


def bench_search(folder, peer, runs, rounds):
    """Print the rows of searching among so many runs."""
    here = folder / f"search-{runs}"
    (here / "project").mkdir(parents=True)
    fill_ours(here / "project", runs)
    if peer is not None:
        with theirs(peer, here) as other:
            template = log_template(other)
        fill_theirs(here / "mlflow.db", template, runs)
    with started_both(here, peer) as sides:
        goals = [goal if runs <= 10_000 else 100 for _, _, goal in SEARCHES]
        rows = [
            Row(f"runs/search among {runs:,}: {name}", make, (20, 1), goal, unit="ms")
            for (name, make, _), goal in zip(SEARCHES, goals, strict=True)
        ]
        compare(rows, sides, rounds)


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--runs", type=int, nargs="*", default=[10_000], help="how many runs to search among (default 10000)")
    bench(parser, run)


def run(folder, peer, options):
    bench_ingest(folder, peer, options.rounds)
    for runs in options.runs:
        bench_search(folder, peer, runs, options.rounds)


if __name__ == "__main__":
    main()
