"""The real MLflow client against a real server process: experiments, runs, params, metrics, tags, search."""

import http.client
import json
import math
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.log_run import describe_run, seal_run, search_runs, start_run

PREFIX = "/api/2.0/mlflow"
INVALID = (400, "INVALID_PARAMETER_VALUE")


class Served:
    def __init__(self, folder) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
        with (folder / "stderr.txt").open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.address = self.process.stdout.readline().split()[-1].rstrip("/")
        self.client = MlflowClient(tracking_uri=self.address)

    def ask(self, method, path, body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.address).port, timeout=30)
        try:
            sent = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, path, sent, {"content-type": kind} if sent is not None else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    open_workspace(read_settings(folder, {})).store.close()
    running = Served(folder)
    yield running
    running.process.terminate()
    assert running.process.wait(20) == 0
    running.process.stdout.close()
    assert "Traceback" not in (folder / "stderr.txt").read_text()


@pytest.fixture
def ws(served):
    opened = open_workspace(read_settings(served.folder, {}))
    yield opened
    opened.store.close()


def test_a_run_is_logged_read_and_found_also_by_our_own_search(served, ws):
    client = served.client
    experiment = client.create_experiment("first", tags={"team": "ops"})
    run = client.create_run(experiment, run_name="one", tags={"mlflow.user": "ann"})
    run_id = run.info.run_id
    client.log_param(run_id, "depth", 6)
    client.log_metric(run_id, "val/loss a", 0.5, timestamp=1000, step=1)
    odd = [math.nan, math.inf, -math.inf, 5e-324]
    client.log_batch(
        run_id, [Metric("odd", value, 2000 + n, n) for n, value in enumerate(odd)], [Param("lr", "0.1")], [RunTag("stage of life", "ü")]
    )
    client.set_terminated(run_id)
    client.log_metric(run_id, "late", 1.0)  # autolog does so
    found = client.get_run(run_id)
    assert (found.info.status, found.info.run_name, found.info.experiment_id, found.info.user_id) == ("FINISHED", "one", experiment, "ann")
    assert found.data.params == {"depth": "6", "lr": "0.1"}
    assert found.data.tags == {"mlflow.user": "ann", "mlflow.runName": "one", "stage of life": "ü"}
    assert {name: found.data.metrics[name] for name in ("val/loss a", "odd", "late")} == {"val/loss a": 0.5, "odd": 5e-324, "late": 1.0}
    history = client.get_metric_history(run_id, "odd")
    assert [(repr(point.value), point.timestamp, point.step) for point in history] == [(repr(v), 2000 + n, n) for n, v in enumerate(odd)]
    assert [one.run_id for one in search_runs(ws, query="params.depth = 6 and metrics.late = 1 and state = 'finished'")] == [run_id]
    assert client.get_experiment(experiment).tags == {"team": "ops"}


def test_search_filters_orders_and_pages(served):
    client = served.client
    experiment = client.create_experiment("search")
    ids = []
    for n in range(7):
        run = client.create_run(experiment, start_time=1_000 * (n + 1), tags={"kind": "even" if n % 2 == 0 else "odd"})
        client.log_metric(run.info.run_id, "acc", n / 10)
        ids.append(run.info.run_id)

    def find(text="", order=(), **more):
        return [one.info.run_id for one in client.search_runs([experiment], text, order_by=list(order), **more)]

    assert find("metrics.acc >= 0.2 AND tags.kind = 'even'", ["metrics.acc DESC"]) == [ids[6], ids[4], ids[2]]
    assert find("attributes.start_time > 5000", ["start_time ASC"]) == ids[5:]
    assert find("tags.absent IS NULL AND tags.kind LIKE 'od%'", ["metrics.acc"]) == ids[1::2]
    seen, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=3, order_by=["metrics.acc ASC"], page_token=token)
        seen += [one.info.run_id for one in page]
        token = page.token
        if not token:
            break
    assert seen == ids
    client.delete_run(ids[0])
    assert ids[0] not in find()
    assert find(run_view_type=ViewType.DELETED_ONLY) == [ids[0]]
    with pytest.raises(MlflowException, match="is deleted"):
        client.log_param(ids[0], "a", "b")
    client.restore_run(ids[0])
    assert set(find()) == set(ids)


@pytest.mark.parametrize(("order", "wanted"), [("ASC", [2, 5, 0, 4, 1, 3]), ("DESC", [4, 0, 5, 2, 1, 3])])
def test_what_is_no_number_and_what_is_absent_come_last_in_either_order(served, order, wanted):
    """As in SQL stores of MLflow: NaN after every number, absent after NaN."""
    client = served.client
    experiment = client.create_experiment(f"order {order}")
    ids = []
    for value in (3.0, math.nan, 1.0, None, math.inf, 2.0):
        ids.append(client.create_run(experiment).info.run_id)
        if value is not None:
            client.log_metric(ids[-1], "m", value)
    found = client.search_runs([experiment], order_by=[f"metrics.m {order}"])
    assert [ids.index(run.info.run_id) for run in found] == wanted


def test_a_search_of_traces_is_refused_in_words(served):
    with pytest.raises(MlflowException, match="spans go to an OpenTelemetry collector") as refused:
        served.client.search_traces(locations=["0"])
    assert refused.value.error_code == "ENDPOINT_NOT_FOUND"


def test_experiments_are_renamed_deleted_restored_and_searched(served):
    client = served.client
    one = client.create_experiment("alpha one", tags={"a": "1"})
    client.rename_experiment(one, "alpha two")
    client.set_experiment_tag(one, "b", "2")
    client.delete_experiment_tag(one, "a")
    assert [(found.name, found.tags) for found in client.search_experiments(filter_string="name LIKE 'alpha%'")] == [
        ("alpha two", {"b": "2"})
    ]
    with pytest.raises(MlflowException) as caught:
        client.create_experiment("alpha two")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    client.delete_experiment(one)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_run(one)
    assert client.search_experiments(filter_string="name LIKE 'alpha%'") == []
    client.restore_experiment(one)
    assert client.get_experiment_by_name("alpha two").lifecycle_stage == "active"
    assert client.get_experiment_by_name("nobody made this") is None
    assert client.get_experiment("0").name == "Default"
    run = client.create_run("0")
    assert client.get_run(run.info.run_id).info.experiment_id == "0"


def test_a_nested_run_knows_its_parent(served, ws):
    client = served.client
    parent = client.create_run("0").info.run_id
    child = client.create_run("0", tags={"mlflow.parentRunId": parent}).info.run_id
    assert client.get_parent_run(child).info.run_id == parent
    assert [one.run_id for one in search_runs(ws, query=f"parent_id = '{parent}'")] == [child]


def test_our_own_sealed_run_is_readable_and_refuses_every_write(served, ws):
    began = describe_run(ws, experiment="ours", params={"depth": 6})
    run = seal_run(ws, run=start_run(ws, began=began), state="finished")
    client = served.client
    assert client.get_run(run.run_id).data.params == {"depth": "6"}
    for write in (
        lambda: client.set_tag(run.run_id, "a", "b"),
        lambda: client.log_metric(run.run_id, "a", 1),
        lambda: client.set_terminated(run.run_id),
        lambda: client.delete_run(run.run_id),
    ):
        with pytest.raises(MlflowException, match="is sealed") as caught:
            write()
        assert caught.value.error_code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "why"),
    [
        ("runs/log-batch", {"run_id": "RUN", "metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1001}, *INVALID, "at most 1000"),
        ("runs/log-batch", {"run_id": "RUN", "params": [{"key": f"{n}", "value": ""} for n in range(101)]}, *INVALID, "at most 100"),
        ("runs/log-batch", {"run_id": "RUN", "params": [{"key": "x", "value": "1"}] * 2}, *INVALID, "Duplicate parameter keys"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a" * 251, "value": 1, "timestamp": 1}, *INVALID, "1 to 250"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": "one", "timestamp": 1}, *INVALID, "is no number"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": 1, "timestamp": 2**62}, *INVALID, "is no time"),
        ("runs/log-metric", {"run_id": "RUN", "key": "a", "value": 1, "timestamp": 1, "step": 2**63}, *INVALID, "64 bits"),
        ("runs/log-parameter", {"run_id": "RUN", "key": "a", "value": "v" * 6001}, *INVALID, "at most 6000"),
        ("runs/set-tag", {"run_id": "RUN", "key": "a", "value": "v" * 8001}, *INVALID, "at most 8000"),
        ("runs/set-tag", {"run_id": "RUN", "key": "a", "value": "\0"}, *INVALID, "NUL"),
        ("runs/set-tag", {"run_id": "run-none", "key": "a", "value": "b"}, 404, "RESOURCE_DOES_NOT_EXIST", "no run 'run-none'"),
        ("runs/set-tag", b'{"run_id": "RUN", "key": "a", "key": "b"}', *INVALID, "'key' twice"),
        ("runs/set-tag", b'{"run_id": "\xff"}', *INVALID, "not JSON in UTF-8"),
        ("runs/set-tag", b"[" * 100_000, *INVALID, "nested too deeply"),
        ("runs/set-tag", b"[]", *INVALID, "Invalid value"),
        ("runs/search", {"experiment_ids": ["0"], "filter": "tags.x = 'a'; DROP TABLE runs"}, *INVALID, "Invalid filter"),
        ("runs/search", {"experiment_ids": ["0"], "page_token": "AAAA"}, *INVALID, "Invalid page token"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 0}, *INVALID, "max_results"),
        ("runs/nothing", {}, 404, "ENDPOINT_NOT_FOUND", "nothing at this path"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_bad_input_gets_a_clear_answer_in_mlflows_shape(served, path, body, status, code, why):
    run_id = served.client.create_run("0").info.run_id
    sent = (
        body.replace(b"RUN", run_id.encode())
        if isinstance(body, bytes)
        else {**body, **({"run_id": run_id} if body.get("run_id") == "RUN" else {})}
    )
    found, told = served.ask("POST", f"{PREFIX}/{path}", sent)
    assert (found, told["error_code"]) == (status, code)
    assert why in told["message"]
    assert served.client.get_run(run_id).data.metrics == {}
    assert served.client.get_run(run_id).data.params == {}


def test_a_param_keeps_its_first_value_and_sending_a_point_again_adds_none(served):
    client = served.client
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "a", "1")
    with pytest.raises(MlflowException, match="'1' already"):
        client.log_batch(run_id, metrics=[Metric("m", 1.0, 1, 0)], params=[Param("a", "2")])
    assert client.get_metric_history(run_id, "m") == []  # all or none
    for _ in range(3):
        client.log_metric(run_id, "m", 1.0, timestamp=1, step=0)
    assert len(client.get_metric_history(run_id, "m")) == 1


def test_a_body_over_the_limit_is_refused_before_it_is_sent(served):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(served.address).port, timeout=30)
    connection.putrequest("POST", f"{PREFIX}/runs/set-tag")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(9 << 20))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")
    connection.close()
