"""How long the server takes for a page: the runs table over 10,000 runs, and a run with 100,000 metric points.

    python bench/pages.py [--runs 10000]

Whole requests through the ASGI application, without a socket: guard, route, use case, template. Wall time; median and worst of 20, after
one that warms the templates. Limit: the same rows by one use case alone, without a page. Goal: the first page of /runs within 100 ms.
"""

import argparse
import asyncio
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measure import describe_machine

from incumbent.base.metric import MetricPoint
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.server.access import Door
from incumbent.server.app import App
from incumbent.server.messages import Server
from incumbent.usecases.log_run import describe_run, get_last_points, log_points, search_runs
from incumbent.usecases.run_records import record_beginning

ROUNDS, GOAL_MS, POINTS = 20, 100, 100_000


def fill(ws, runs):
    """Store runs with 12 params and 6 metrics each, and return the id of one with many points."""
    began = describe_run(ws, experiment="bench")
    for first in range(0, runs, 500):
        with ws.store.begin() as tx:
            for number in range(first, min(first + 500, runs)):
                one = describe_run(ws, experiment=f"e{number % 20}", params={f"p{at}": at * number for at in range(12)})
                record_beginning(tx, one)
                points = [MetricPoint(f"m{at}", math.sin(number + at), 0, one.run.started_at) for at in range(6)]
                tx.metrics.append(one.run.run_id, points, writer="w", first=0)
    with ws.store.begin() as tx:
        record_beginning(tx, began)
    points = [MetricPoint("train/loss", math.exp(-at / POINTS), at, began.run.started_at) for at in range(POINTS)]
    log_points(ws, run_id=began.run.run_id, points=points, writer="w", first=0)
    return began.run.run_id


def ask(app, address):
    path, _, query = address.partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
             "headers": [(b"host", b"127.0.0.1:1")], "client": ("127.0.0.1", 1)}  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 200, sent
    return len(sent[1]["body"])


def took_ms(call):
    call()
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken), max(taken)


def alone(ws):
    runs = search_runs(ws, limit=51)
    get_last_points(ws, run_ids=[one.run_id for one in runs])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        ws = open_workspace(read_settings(Path(folder), {}))
        many = fill(ws, runs)
        host = open_model_host(ws)
        app = App(Server(ws, host, Door("always", passwords=None)))
        median, worst = took_ms(lambda: alone(ws))
        print(f"the rows of /runs by the use cases alone: {median:.1f} ms (worst {worst:.1f})")
        first = 0.0
        for address in ("/runs", "/runs?sort=-metrics.m0", "/runs?q=metrics.m1+%3E+0.5+order+by+params.p3", f"/runs/{many}"):
            size = ask(app, address)
            median, worst = took_ms(lambda address=address: ask(app, address))
            first = first or worst
            print(f"{address[:60]}: {median:.1f} ms (worst {worst:.1f}), {size / 1024:.0f} KiB")
        app.close()
        ws.store.close()
    print(
        f"goal for the first page of /runs over {runs:,} runs: {GOAL_MS} ms; worst {first:.1f}: {'met' if first <= GOAL_MS else 'MISSED'}"
    )
    return 0 if first <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
