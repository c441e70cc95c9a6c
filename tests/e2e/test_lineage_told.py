"""A real server process tells a catalogue of runs that other processes make, without being asked."""

import json
import os
import subprocess
import sys
import threading

import pytest
from command import incumbent

from incumbent.usecases.live_run import begin_run
from incumbent.usecases.openlineage import get_lineage_events
from logins import open_empty
from receivers import open_receiver


class Catalogue:
    """Answers of a server of OpenLineage, and a wait for the events that are to come."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.arrived = threading.Condition()
        self.count = 0

    def answer(self, handler):
        handler.send_response(self.statuses.pop(0) if self.statuses else 201)
        handler.send_header("content-length", "0")
        handler.end_headers()
        with self.arrived:
            self.count += 1
            self.arrived.notify_all()

    def wait_for(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.count >= count, 60), self.count


def start_server(folder, **environ):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**kept, **environ})
    process.stdout.readline()
    return process


def stop(process):
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return errors


def test_runs_are_told_by_themselves_those_too_that_are_made_while_the_server_is_away(tmp_path):
    ws = open_empty(tmp_path)
    with begin_run(ws, experiment="before"):
        pass
    catalogue = Catalogue(422)
    with open_receiver(answer=catalogue.answer) as receiver:
        environ = {"INCUMBENT_LINEAGE_URL": f"http://127.0.0.1:{receiver.port}", "INCUMBENT_LINEAGE_KEY": "k-123"}
        server = start_server(tmp_path, **environ)
        with begin_run(ws, experiment="credit", name="seen") as seen:
            seen.log_artifact(b"weights", "model")
            catalogue.wait_for(1)
        catalogue.wait_for(2)
        errors = stop(server)
        assert errors == f"lineage: {environ['INCUMBENT_LINEAGE_URL']} refused run {seen.id} (START): 422; it is left out\n"
        with begin_run(ws, experiment="credit", name="missed") as missed:
            pass
        server = start_server(tmp_path, **environ)
        catalogue.wait_for(4)
        assert stop(server) == ""
        expected = [*get_lineage_events(ws, seen.id), *get_lineage_events(ws, missed.id)]
        assert [json.loads(body) for _, _, body in receiver.got] == expected
        assert {path for path, _, _ in receiver.got} == {"/api/v1/lineage"}
        assert {headers["authorization"] for _, headers, _ in receiver.got} == {"Bearer k-123"}
        asked = incumbent(tmp_path, "runs", "lineage", missed.id, "--send", env=environ)
        assert asked.stdout == "sent 2 events\n"
        assert receiver.got[-1][1]["authorization"] == "Bearer k-123"
        incumbent(tmp_path, "runs", "lineage", missed.id, "--send", environ["INCUMBENT_LINEAGE_URL"], env=environ)
        assert "authorization" not in receiver.got[-1][1], "a key is for the address that it was set for alone"
    ws.store.close()


@pytest.mark.parametrize(("url", "key"), [("marquez", ""), ("", "k-123"), ("http://x/#y", "")])
def test_a_setting_that_is_none_is_refused_before_the_server_listens(tmp_path, url, key):
    done = incumbent(
        tmp_path, "server", "--port", "0", "--stop-after", "1", env={"INCUMBENT_LINEAGE_URL": url, "INCUMBENT_LINEAGE_KEY": key}, code=2
    )
    assert done.stdout == ""
    assert "INCUMBENT_LINEAGE_URL" in done.stderr


def test_off_drops_what_waits_and_asking_to_send_without_an_address_is_refused(tmp_path):
    ws = open_empty(tmp_path)
    stop(start_server(tmp_path, INCUMBENT_LINEAGE_URL="http://127.0.0.1:9"))
    run = begin_run(ws, experiment="credit")
    stop(start_server(tmp_path))
    assert stop(start_server(tmp_path, INCUMBENT_LINEAGE_URL="off")) == "lineage: off; 1 events that waited are dropped\n"
    run.finish()
    assert stop(start_server(tmp_path, INCUMBENT_LINEAGE_URL="off")) == ""
    refused = incumbent(tmp_path, "runs", "lineage", run.id, "--send", code=2)
    assert "INCUMBENT_LINEAGE_URL names none" in refused.stderr
    ws.store.close()
