"""Scripts that log to a real server process: while it is there, while it is away, and while either of both is killed."""

import os
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from command import incumbent, incumbent_json
from served import CLEAN, ServerProcess

import incumbent as inc
from incumbent.usecases import log_run
from logins import open_people


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    found = ServerProcess(folder)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


@pytest.fixture
def client(tmp_path, server, monkeypatch):
    """The folder of a script, from which the server is known."""
    folder = tmp_path / "client"
    (folder / ".incumbent").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("INCUMBENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INCUMBENT_URL", server.url)
    monkeypatch.setenv("INCUMBENT_ACTOR", "pat")
    return folder


def left(client, pattern):
    return sorted(path.name for path in (client / ".incumbent" / "servers").rglob(pattern) if path.is_file())


def values(server, run_id, name="loss"):
    ws = server.open()
    try:
        return [point.value for point in log_run.get_points(ws, run_id=run_id).get(name, ())]
    finally:
        ws.store.close()


def test_a_run_is_on_the_server_as_it_was_logged_and_nothing_is_left_here(server, client):
    server.start()
    (client / "plots" / "deep").mkdir(parents=True)
    (client / "plots" / "roc.png").write_bytes(b"png")
    (client / "plots" / "deep" / "pr.png").write_bytes(b"pr")
    with inc.run(experiment="credit", name="first", seed=7, params={"lr": 0.1}, tags={"team": "risk"}) as run:
        run.log_params({"depth": 6})
        for step in range(3):
            run.log_metric("loss", 0.5**step)
        run.log_metric("worst", float("-inf"), step=-5)
        folder = run.log_artifact("plots")
        run.log_input(folder, name="again")
        run.log_artifact(b"weights", name="model.bin")
        run.note("a good one")
        with run.child(name="fold 1") as child:
            child.log_metric("loss", float("nan"))
    ws = server.open()
    details = log_run.get_run(ws, run_id=run.id)
    assert (details.run.state, details.run.params, details.run.seed, details.run.name) == ("finished", {"lr": 0.1, "depth": 6}, 7, "first")
    assert details.run.tags["team"] == "risk"
    assert details.run.facts["actor"] == details.run.tags["actor"] != "pat", "who acts is for the server to say"
    assert details.environment["distributions"]
    assert [note.text for note in details.notes] == ["a good one"]
    points = log_run.get_points(ws, run_id=run.id)
    assert [(point.step, point.value) for point in points["loss"]] == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert [(point.step, point.value) for point in points["worst"]] == [(-5, float("-inf"))]
    assert sorted((one.direction, one.name) for one in details.artifacts) == [
        ("input", "again"), ("output", "model.bin"), ("output", "plots"),
    ]  # fmt: skip
    assert {ws.blobs.get(digest) for digest in ws.blobs.list_digests()} >= {b"png", b"pr", b"weights"}
    assert log_run.verify_seal(ws, run_id=run.id) == details.run.manifest
    assert log_run.get_run(ws, run_id=child.id).run.parent_id == run.id
    ws.store.close()
    assert left(client, "*.spool") == []
    assert [name for name in left(client, "*") if len(name) == 62] == [], "bytes that the server has are not kept here"
    assert [one.run_id for one in inc.search_runs("params.depth = 6")] == [run.id]
    assert len(inc.search_runs(limit=1)) == 1


def test_what_is_logged_while_the_server_is_away_is_sent_when_it_is_there(server, client):
    with pytest.warns(RuntimeWarning, match="cannot be reached"):
        run = inc.run(experiment="offline", params={"lr": 0.1})
    for step in range(12_000):
        run.log_metric("loss", step)
    run.log_artifact(b"weights", name="model.bin")
    with pytest.warns(RuntimeWarning, match="kept in its spool"):
        run.finish()
    assert left(client, "*.spool") != []
    server.start()
    [found] = inc.search_runs()
    assert (found.run_id, found.state, found.params) == (run.id, "finished", {"lr": 0.1})
    assert values(server, run.id) == list(range(12_000))
    assert left(client, "*.spool") == []
    assert inc.search_runs() == [found]


def test_what_the_server_does_not_take_is_noted_on_the_run_and_the_rest_goes_on(server, client):
    server.start()
    with inc.run(experiment="credit") as run:
        for step in range(100):
            run.log_metric("loss", step, at=datetime(1960, 1, 1, tzinfo=UTC) if step in (3, 70) else None)
        run.log_metric("auc", 0.9)
    assert values(server, run.id) == [step for step in range(100) if step not in (3, 70)]
    assert values(server, run.id, "auc") == [0.9]
    ws = server.open()
    details = log_run.get_run(ws, run_id=run.id)
    ws.store.close()
    assert details.run.state == "finished"
    assert sorted(note.text.partition(" was not taken")[0] for note in details.notes) == [
        "point 'loss' at step 3",
        "point 'loss' at step 70",
    ]
    assert left(client, "*.spool") == []


LOGGING = """
import sys, time, warnings
import incumbent as inc
warnings.simplefilter("ignore")
with inc.run(experiment="killed") as run:
    print(run.id, flush=True)
    for step in range(int(sys.argv[1])):
        run.log_metric("loss", step)
        time.sleep(0.001)
"""


def start_script(client, server, count):
    return subprocess.Popen(
        [sys.executable, "-c", LOGGING, str(count)], cwd=client, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**CLEAN, "INCUMBENT_URL": server.url},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_is_killed_while_it_is_logged_to_has_every_point_once_in_the_end(server, client, is_slow):
    rounds = 20 if is_slow else 2
    server.start()
    script = start_script(client, server, rounds * 2_500)
    run_id = script.stdout.readline().strip()
    for round_ in range(rounds):
        time.sleep(1.1 + 0.13 * (round_ % 5))
        server.kill()
        server.start()
    _, errors = script.communicate(timeout=600)
    assert script.returncode == 0, errors
    assert [run.state for run in inc.search_runs()] == ["finished"]
    assert values(server, run_id) == list(range(rounds * 2_500))


def test_a_script_that_is_killed_has_logged_what_it_was_told_is_kept(server, client):
    server.start()
    script = start_script(client, server, 10**6)
    run_id = script.stdout.readline().strip()
    time.sleep(1.5)
    script.kill()
    script.communicate(timeout=60)
    [found] = inc.search_runs()
    assert (found.run_id, found.state) == (run_id, "killed")
    assert "went away without ending" in found.facts["error"]
    stored = values(server, run_id)
    assert len(stored) > 100
    assert stored == list(range(len(stored)))


def test_who_may_not_log_is_told_before_the_run_and_what_a_token_could_not_send_another_does(server, client, monkeypatch):
    open_people(server.folder).store.close()
    made = incumbent(server.folder, "tokens", "new", "laptop", env={"INCUMBENT_ACTOR": "dev"}).stdout.strip()
    reading = incumbent(server.folder, "tokens", "new", "eyes", "--scope", "read", env={"INCUMBENT_ACTOR": "dev"}).stdout.strip()
    server.start()
    for token in ("", "inc_" + "x" * 43, reading):
        monkeypatch.setenv("INCUMBENT_TOKEN", token)
        with pytest.raises(inc.Refused):
            inc.run(experiment="credit")
    monkeypatch.setenv("INCUMBENT_TOKEN", made)
    run = inc.run(experiment="credit")
    run.log_metric("loss", 1)
    run.flush()
    listed = incumbent_json(server.folder, "tokens", "ls", env={"INCUMBENT_ACTOR": "dev"})["tokens"]
    number = next(one["id"] for one in listed if one["name"] == "laptop")
    incumbent(server.folder, "tokens", "revoke", number, env={"INCUMBENT_ACTOR": "dev"})
    run.log_metric("loss", 2)
    with pytest.warns(RuntimeWarning, match="does not let this token log"):
        run.finish()
    monkeypatch.setenv("INCUMBENT_TOKEN", reading)
    with pytest.warns(RuntimeWarning, match="is sent later"):
        assert [one.state for one in inc.search_runs()] == ["running"]
    monkeypatch.setenv("INCUMBENT_TOKEN", incumbent(server.folder, "tokens", "new", "next", env={"INCUMBENT_ACTOR": "dev"}).stdout.strip())
    [found] = inc.search_runs()
    assert (found.state, found.facts["actor"]) == ("finished", "dev")
    assert values(server, run.id) == [1, 2]


def test_a_command_that_needs_the_workspace_itself_says_so(server, client):
    done = incumbent(client, "runs", "ls", env={"INCUMBENT_URL": server.url}, code=2)
    assert "INCUMBENT_URL names a server" in done.stderr


def test_something_else_at_the_address_is_told_before_the_run(client, server, tmp_path):
    (tmp_path / "other").mkdir()
    command = [sys.executable, "-m", "http.server", str(server.port), "--bind", "127.0.0.1", "--directory", str(tmp_path / "other")]
    other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(server.url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        with pytest.raises(inc.InvalidInput, match="no API of Incumbent's"):
            inc.run(experiment="credit")
    finally:
        other.kill()
        other.wait()
    assert not list(Path(client).rglob("*.spool"))
