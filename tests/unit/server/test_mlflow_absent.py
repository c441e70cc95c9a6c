"""Every public route of the installed MLflow is one that we have, or one that we say we do not have, and why."""

import re

import pytest
from mlflow.protos import databricks_pb2, mlflow_artifacts_pb2, model_registry_pb2, service_pb2, webhooks_pb2

from asgi import Client, open_app
from incumbent.server.mlflow.absent import list_absent
from incumbent.server.mlflow.paths import FILE_PATHS, PATHS
from tracked import open_tracked


def bare(path):
    return re.sub(r"\{[^}]*\}|<[^>]*>", "{}", path)


def list_published():
    """Return (method, path) of each, as MLflow's own protocol buffers have them."""
    return {
        (endpoint.method, bare(f"/api/{endpoint.since.major}.0/{endpoint.path.lstrip('/')}"))
        for module in (service_pb2, model_registry_pb2, mlflow_artifacts_pb2, webhooks_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for endpoint in method.GetOptions().Extensions[databricks_pb2.rpc].endpoints
    }


def test_every_route_that_mlflow_publishes_is_ours_or_on_the_list_and_none_is_both():
    ours = {(method, bare(path)) for method, path, _ in (*PATHS, *FILE_PATHS)}
    absent = {(method, bare(path)) for method, path, _ in list_absent()}
    assert ours & absent == set()
    assert list_published() - ours == absent
    assert len(list_absent()) == len(absent)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    ws = open_tracked(tmp_path_factory.mktemp("absent"))
    app = open_app(ws, single_user="always")
    yield Client(app)
    app.close()
    ws.store.close()


def test_each_of_them_answers_that_it_is_not_supported_and_why(client):
    for method, path, why in list_absent():
        answer = client.ask(method, re.sub(r"\{\w+\}", "x1", path))
        assert (answer.status, '"error_code":"ENDPOINT_NOT_FOUND"' in answer.text, why in answer.text) == (404, True, True), (
            path,
            answer.text,
        )


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/none", "/api/3.0/mlflow/traces/a/b/c", "/ajax-api/2.0/mlflow/runs/get", "/graphql"])
def test_any_other_path_there_is_not_found_in_mlflows_shape(client, path):
    answer = client.get(path)
    assert (answer.status, '"error_code":"ENDPOINT_NOT_FOUND"' in answer.text) == (404, True)
