"""The whole command line over PostgreSQL and S3: shared between checkouts, away, and lost in the middle of a run."""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time

import pytest
from command import incumbent, incumbent_json, ran, write

SECRET = "hunter2"
PIPELINE = """
import os
import time
from pathlib import Path
import incumbent as inc

@inc.stage
def load(table: Path) -> list[int]:
    return [int(word) for word in table.read_text().split()]

@inc.stage
def double(load: list[int], *, factor: int = 2) -> list[int]:
    with open(os.path.join({calls!r}, "calls.txt"), "a") as file:
        file.write("double\\n")
    time.sleep({wait_s})
    return [factor * number for number in load]

@inc.stage
def total(double: list[int]) -> int:
    inc.log_metric("total", float(sum(double)))
    return sum(double)

pipeline = inc.Pipeline("remote", [load, double, total], sources={{"table": inc.source.file("table.txt")}})
"""
SETTINGS = '[tool.incumbent]\npipeline = "pipe.py:pipeline"\nundeclared = "off"\n'
STAGES = ["load", "double", "total"]


def make(folder, calls, wait_s=0.0):
    calls.mkdir(exist_ok=True)
    write(folder, {"pipe.py": PIPELINE.format(calls=str(calls), wait_s=wait_s), "pyproject.toml": SETTINGS, "table.txt": "1 2 3\n"})
    return folder


@pytest.fixture(params=["postgres+s3", "postgres", "s3"])
def remote(request):
    """Environment variables that name the stores: both elsewhere, or one."""
    env = {}
    if "postgres" in request.param:
        env["INCUMBENT_URL"] = request.getfixturevalue("postgres_url")
    if "s3" in request.param:
        env["INCUMBENT_BLOBS"] = request.getfixturevalue("s3_url")
    return env


@pytest.fixture
def both(postgres_url, s3_url):
    return {"INCUMBENT_URL": postgres_url, "INCUMBENT_BLOBS": s3_url}


def start(folder, env, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    return subprocess.Popen(
        [sys.executable, "-m", "incumbent", "run", "--json", *arguments], cwd=folder, env={**clean, **env}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def wait_for_call(calls, process):
    deadline = time.monotonic() + 60
    while not (calls / "calls.txt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the stage never began"
        time.sleep(0.02)


def test_every_verb_works_over_every_pair_of_stores(tmp_path, remote):
    project = make(tmp_path / "project", tmp_path / "calls")
    first = incumbent_json(project, "run", env=remote)
    assert ran(first) == STAGES
    assert first["metrics"] == {"total": 12.0}
    assert ran(incumbent_json(project, "run", env=remote)) == []

    text = (project / "pipe.py").read_text()
    write(project, {"pipe.py": text.replace("return sum(double)", "return sum(double) + 1")})
    plan = incumbent_json(project, "plan", env=remote)
    assert {stage["stage"]: stage["state"] for stage in plan["stages"]} == {"load": "hit", "double": "hit", "total": "run"}
    assert "pipe.py::total" in incumbent(project, "why", "total", env=remote).stdout
    second = incumbent_json(project, "run", env=remote)
    assert ran(second) == ["total"]

    listed = [run["run_id"] for run in incumbent_json(project, "runs", "ls", env=remote)["runs"]]
    assert listed[0] == second["run_id"]
    assert first["run_id"] in listed
    found = incumbent_json(project, "runs", "search", "metrics.total = 12", env=remote)["runs"]
    assert [run["run_id"] for run in found] == listed
    assert second["run_id"] in incumbent(project, "runs", "show", second["run_id"], env=remote).stdout
    assert incumbent_json(project, "reproduce", first["run_id"], env=remote)["verdict"] == "bit-exact"
    checked = incumbent_json(project, "artifacts", "verify", env=remote)
    assert checked["problems"] == []
    assert checked["blobs"] > 0
    assert incumbent_json(project, "artifacts", "gc", "--dry-run", "--grace", "0", env=remote)["blobs"] == []
    incumbent(project, "artifacts", "get", f"{second['run_id']}:total", "--output", "total.out", env=remote)
    assert (project / "total.out").exists()
    if "INCUMBENT_BLOBS" in remote:
        assert not (project / ".incumbent" / "blobs").exists()
    if "INCUMBENT_URL" in remote:
        assert not (project / ".incumbent" / "incumbent.db").exists()


def test_a_second_checkout_takes_what_the_first_has_made(tmp_path, both):
    one, two = (make(tmp_path / name, tmp_path / "calls") for name in ("one", "two"))
    first = incumbent_json(one, "run", env=both)
    second = incumbent_json(two, "run", env=both)
    assert (ran(first), ran(second)) == (STAGES, [])
    assert second["metrics"] == {"total": 12.0}
    assert incumbent_json(two, "reproduce", first["run_id"], env=both)["verdict"] == "bit-exact"
    assert {run["run_id"] for run in incumbent_json(one, "runs", "ls", env=both)["runs"]} == {first["run_id"], second["run_id"]}


def test_two_checkouts_at_once_run_each_stage_once(tmp_path, both):
    calls = tmp_path / "calls"
    checkouts = [make(tmp_path / name, calls, wait_s=1.5) for name in ("one", "two")]
    running = [start(folder, both) for folder in checkouts]
    documents = [json.loads(process.communicate(timeout=100)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert (calls / "calls.txt").read_text() == "double\n"
    assert sorted(document["hits"] + document["ran"] for document in documents) == [3, 3]
    assert incumbent_json(checkouts[0], "artifacts", "verify", env=both)["problems"] == []


def test_checkouts_that_share_blobs_but_no_database_do_not_collect_each_other(tmp_path, s3_url):
    env = {"INCUMBENT_BLOBS": s3_url}
    one, two = (make(tmp_path / name, tmp_path / "calls") for name in ("one", "two"))
    write(two, {"table.txt": "4 5 6\n"})
    incumbent(one, "run", env=env)
    incumbent(two, "run", env=env)
    assert "other checkouts keep there" in incumbent(one, "artifacts", "gc", "--grace", "0", env=env, code=1).stderr
    assert incumbent_json(two, "artifacts", "verify", env=env)["problems"] == []


def test_another_digest_algorithm_than_the_database_has_is_said_and_easily_mended(tmp_path, both):
    one, two = (make(tmp_path / name, tmp_path / "calls") for name in ("one", "two"))
    incumbent(one, "run", env={**both, "INCUMBENT_DIGEST": "sha256"})
    said = incumbent(two, "run", env=both, code=2).stderr
    assert 'set [tool.incumbent] digest = "sha256"' in said
    write(two, {"pyproject.toml": SETTINGS + 'digest = "sha256"\n'})
    assert ran(incumbent_json(two, "run", env=both)) == []


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"INCUMBENT_URL": f"postgresql://me:{SECRET}@127.0.0.1:1/work"}, 1),
        ({"INCUMBENT_URL": f"postgresql://me:{SECRET}@nowhere.invalid/work"}, 1),
        ({"INCUMBENT_URL": f"postgresql://me@127.0.0.1:1/work?password={SECRET}"}, 1),
        ({"INCUMBENT_URL": f"postgresql://me:{SECRET}%zz@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me:{SECRET} x@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me:{SECRET}/x@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me:12/{SECRET}@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me:12?{SECRET}@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me:12#{SECRET}@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://[me:{SECRET}@127.0.0.1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql:me:{SECRET}@127.0.0.1/work"}, 2),
        ({"INCUMBENT_URL": f"postgresql://me@127.0.0.1:1/work?pasword={SECRET}"}, 2),
        ({"INCUMBENT_URL": f"mysql://me:{SECRET}@127.0.0.1:1/work"}, 2),
        ({"INCUMBENT_BLOBS": f"s3://key:{SECRET}@bucket/prefix"}, 2),
        ({"INCUMBENT_BLOBS": f"s3://bucket/prefix?secret={SECRET}"}, 2),
        ({"INCUMBENT_BLOBS": f"https://key:{SECRET}@host/bucket"}, 2),
        ({"INCUMBENT_BLOBS": "s3://bucket/prefix", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 1),
        ({"INCUMBENT_BLOBS": "s3://bucket/prefix", "AWS_ENDPOINT_URL": f"http://key:{SECRET}@127.0.0.1:1"}, 1),
    ],
)
def test_a_store_that_is_away_or_misnamed_is_one_paragraph_without_a_secret(tmp_path, env, code):
    project = make(tmp_path / "project", tmp_path / "calls")
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    done = incumbent(project, "run", env={**keys, **env}, code=code)
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr.startswith("incumbent: ")
    assert done.stderr.count("\n") == 1, done.stderr


def test_a_bucket_that_is_not_there_is_said(tmp_path, s3_url):
    project = make(tmp_path / "project", tmp_path / "calls")
    said = incumbent(project, "run", env={"INCUMBENT_BLOBS": "s3://no-such-bucket/x"}, code=1).stderr
    assert "s3://no-such-bucket/x" in said
    assert "404 Not Found (NoSuchBucket)" in said


class Link:
    """A line to a server that can be cut and mended: a TCP relay on a port of its own."""

    def __init__(self, target):
        self._target = target
        self._is_up = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        with client, socket.create_connection(self._target) as server:
            while self._is_up:
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    try:
                        data = ready.recv(65536)
                        (server if ready is client else client).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return

    def cut(self):
        self._is_up = False

    def mend(self):
        self._is_up = True

    def close(self):
        self.cut()
        self._server.close()


@pytest.fixture
def link(s3_server):
    made = Link(("127.0.0.1", int(s3_server.rpartition(":")[2])))
    yield made
    made.close()


def test_a_run_that_loses_its_blob_store_fails_clearly_and_goes_on_later(tmp_path, both, link):
    calls = tmp_path / "calls"
    project = make(tmp_path / "project", calls, wait_s=2)
    env = {**both, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{link.port}"}
    running = start(project, env)
    wait_for_call(calls, running)
    link.cut()
    out, err = running.communicate(timeout=200)
    assert running.returncode == 1, (out, err)
    assert "Traceback" not in err
    assert "check the address and the credentials" in out + err
    link.mend()
    again = incumbent_json(project, "run", env=env)
    assert (again["state"], ran(again)) == ("finished", ["double", "total"])
    states = {run["state"] for run in incumbent_json(project, "runs", "ls", env=env)["runs"]}
    assert states == {"failed", "finished"}
    assert incumbent_json(project, "artifacts", "verify", env=env)["problems"] == []


def test_a_run_that_loses_its_database_fails_clearly_and_goes_on_later(tmp_path, both):
    import psycopg

    calls = tmp_path / "calls"
    project = make(tmp_path / "project", calls, wait_s=2)
    running = start(project, both)
    wait_for_call(calls, running)
    name = both["INCUMBENT_URL"].partition("?")[0].rpartition("/")[2]
    with psycopg.connect(both["INCUMBENT_URL"].replace(f"/{name}?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        out, err = running.communicate(timeout=200)
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert running.returncode == 1, (out, err)
    assert "Traceback" not in err
    assert "check the server and the address" in err
    again = incumbent_json(project, "run", env=both)
    assert again["state"] == "finished"
    assert "load" not in ran(again)
    assert incumbent_json(project, "artifacts", "verify", env=both)["problems"] == []
