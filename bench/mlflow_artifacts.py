"""Our server and a stock `mlflow server` under the same load: files that are put and got through the server, large ones and small ones.

    python bench/mlflow_artifacts.py [--rounds 3] [--peer FOLDER]

Every file that is put is noise of its own, so that nothing is there already. Goals are those of the project's issue on ingest. How both
are started and measured: bench/mlflow_sides.py.
"""

from http_load import run_load
from mlflow_sides import Row, bench, compare, make_parser, new_run, started_both

LARGE, SMALL = 64 << 20, 10_000
FILES = "/api/2.0/mlflow-artifacts/artifacts"
KEPT = 200
"""Small files that are there to be got."""


def put(size):
    """Return what makes a client's calls: each puts a file that was never there."""

    def make(side, calls):
        numbers = [side.count("files") for _ in range(calls)]
        return [("PUT", f"{FILES}/0/{side.run_id}/artifacts/new/{number}.bin", (number, size)) for number in numbers]

    return make


def get(size, files):
    """Return what makes a client's calls: each gets one of the files that are there."""
    return lambda side, calls: [("GET", _address(side, size, number % files), "") for number in range(calls)]


def _address(side, size, number):
    return f"{FILES}/0/{side.run_id}/artifacts/{size}/{number}.bin"


ROWS = (
    Row("PUT 64 MiB, 1 client", put(LARGE), (4, 3), 600, unit="MiB/s", times=64),
    Row("GET 64 MiB, 1 client", get(LARGE, 1), (10, 5), 800, unit="MiB/s", times=64),
    Row("PUT 10 kB, 1 client", put(SMALL), (500, 100), 10, unit="MiB/s", times=SMALL / 2**20),
    Row("PUT 10 kB, 8 clients", put(SMALL), (300, 40), 10, clients=8, unit="MiB/s", times=SMALL / 2**20),
    Row("GET 10 kB, 1 client", get(SMALL, KEPT), (1500, 200), 10, unit="MiB/s", times=SMALL / 2**20),
    Row("GET 10 kB, 8 clients", get(SMALL, KEPT), (400, 50), 10, clients=8, unit="MiB/s", times=SMALL / 2**20),
)


def run(folder, peer, options):
    with started_both(folder, peer) as sides:
        for side in sides:
            side.run_id = new_run(side)
            run_load(side.port, [[("PUT", _address(side, LARGE, 0), (-1, LARGE))]])
            run_load(side.port, [[("PUT", _address(side, SMALL, number), (-2 - number, SMALL)) for number in range(KEPT)]])
        compare(ROWS, sides, options.rounds)


if __name__ == "__main__":
    bench(make_parser(__doc__), run)
