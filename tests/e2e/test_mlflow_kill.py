"""kill -9 of a server under load: every point that it acknowledged is there after a restart, and none is there twice."""

import http.client
import json
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient


def start(folder):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return process, process.stdout.readline().split()[-1].rstrip("/")


def stop(process):
    process.kill()
    process.wait(20)
    process.stdout.close()


def send(address, run_id, name, first, acknowledged):
    """Log points until the server goes away; each is sent twice, as a client does that has lost the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(address).port, timeout=10)
    step = first
    try:
        while True:
            body = json.dumps({"run_id": run_id, "key": name, "value": step / 2, "timestamp": 1_000 + step, "step": step})
            for _ in range(2):
                connection.request("POST", "/api/2.0/mlflow/runs/log-metric", body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
            acknowledged.append((name, step))
            step += 1
    except (OSError, http.client.HTTPException):
        connection.close()


@pytest.mark.timeout(1_200)
def test_what_was_acknowledged_is_there_once_after_every_kill(tmp_path, is_slow):
    (tmp_path / "project").mkdir()
    process, address = start(tmp_path / "project")
    run_id = MlflowClient(tracking_uri=address).create_run("0").info.run_id
    acknowledged: list[tuple[str, int]] = []
    try:
        for turn in range(50 if is_slow else 3):
            threads = [threading.Thread(target=send, args=(address, run_id, f"m{n}", turn * 100_000, acknowledged)) for n in range(4)]
            for thread in threads:
                thread.start()
            threading.Event().wait(0.5)
            process.kill()
            for thread in threads:
                thread.join(30)
            stop(process)
            process, address = start(tmp_path / "project")
        client = MlflowClient(tracking_uri=address)
        found = [(f"m{n}", point.step) for n in range(4) for point in client.get_metric_history(run_id, f"m{n}")]
    finally:
        stop(process)
    assert len(acknowledged) > 10
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
