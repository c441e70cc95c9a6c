"""What MLflow's routes of the registry refuse, as tables: sources, files, names, numbers, filters."""

import json
from urllib.parse import quote

import pytest

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from mlflow_registry import ABSENT, DENIED, INVALID, M_ID, PREFIX, Registry


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    opened = open_workspace(read_settings(tmp_path_factory.mktemp("registry"), {}))
    yield opened
    opened.store.close()


@pytest.fixture(scope="module")
def registry(ws):
    made = Registry(ws)
    yield made
    made.app.close()


@pytest.fixture(scope="module")
def run_id(registry):
    return registry.begin_run()


SOURCES = [
    "", "model", "/etc/passwd", "file:///etc/passwd", "file:/etc/passwd", "FILE:/etc", "http://127.0.0.1:1/x", "https://example.com/m",
    "s3://bucket/model", "gs://b/m", "dbfs:/m", "ftp://h/m", "\\\\host\\share", "models:/other/1", "models:/m-xyz", "runs:/RUN",
    "runs:/RUN/", "runs:/RUN//model", "runs:/RUN/../other/model", "runs:/RUN/model/..", "runs:/RUN/./model", "runs:/RUN/%2e%2e/secret",
    "runs:/RUN/%252e%252e/secret", "runs:/RUN/..\\secret", "runs:/RUN/model?x=1", "runs:/RUN/model#x", "runs:/RUN/a\x00b", "runs:/RUN/a\nb",
    "runs://host/RUN/model", "mlflow-artifacts://evil.example/0/RUN/artifacts/model", "mlflow-artifacts:/0/RUN/artifacts/../../x",
    "mlflow-artifacts:/0/RUN/artifacts", "mlflow-artifacts:/../RUN/artifacts/model", "mlflow-artifacts:/0/RUN/model",
    f"mlflow-artifacts:/0/models/{M_ID}/artifacts/../x", "runs:/RUN/" + "a" * 3000, "file:runs:/RUN/model",
]  # fmt: skip


def test_a_source_that_is_not_of_this_server_is_refused_and_nothing_is_made(registry, run_id):
    registry.must("POST", "registered-models/create", name="sources")
    for source in SOURCES:
        answer, message = registry.refused("POST", "model-versions/create", name="sources", source=source.replace("RUN", run_id))
        assert answer == INVALID, source
        assert "Invalid model version source" in message
    assert registry.must("GET", "model-versions/search", filter="name = 'sources'")["model_versions"] == []


def test_files_of_which_one_leaves_its_folder_or_none_is_there_are_refused(registry, run_id):
    hostile = "m-" + "d" * 32
    registry.log_model(run_id, hostile, {"../../out.txt": "x"})
    registry.must("POST", "registered-models/create", name="hostile")
    answer, message = registry.refused("POST", "model-versions/create", name="hostile", source=f"models:/{hostile}")
    assert answer == INVALID
    assert "leaves its folder" in message
    both = "m-" + "f" * 32
    registry.log_model(run_id, both, {"a": "x", "a/b": "y"})
    assert registry.refused("POST", "model-versions/create", name="hostile", source=f"models:/{both}")[0] == INVALID
    answer, message = registry.refused("POST", "model-versions/create", name="hostile", source=f"runs:/{run_id}/absent")
    assert answer == ABSENT
    assert "no files" in message
    registry.must("POST", "runs/delete", run_id=(other := registry.begin_run()))
    assert registry.refused("POST", "model-versions/create", name="hostile", source=f"runs:/{other}/model")[0] == DENIED


GOOD = {"name": "bad-inputs", "version": "1", "key": "k", "value": "v", "alias": "a", "stage": "Staging", "source": "models:/m-" + "e" * 32}
BAD = [
    *((path, field, value, code)
      for path, fields in {
          "POST registered-models/create": "name", "POST registered-models/set-tag": "name key",
          "DELETE registered-models/delete-tag": "name",
          "POST registered-models/alias": "name alias version", "DELETE registered-models/alias": "name alias",
          "GET registered-models/alias": "name alias", "GET registered-models/get": "name", "GET model-versions/get": "name version",
          "PATCH model-versions/update": "name version", "POST model-versions/set-tag": "name version key",
          "POST model-versions/transition-stage": "name version stage", "POST model-versions/create": "name",
          "GET model-versions/get-download-uri": "name version", "DELETE model-versions/delete": "name version",
      }.items()
      for field in fields.split() for value, code in ((None, INVALID),)),
    *(("POST registered-models/create", "name", value, INVALID)
      for value in ("", "Upper", "a b", "../x", "a/b", "a" * 65, "ü", "a'; DROP TABLE models; --", 7, ["x"], {"a": 1}, "a\x00")),
    *(("GET registered-models/get", "name", value, ABSENT) for value in ("absent", "../x", "a'--", "\x00", "x" * 5000)),
    *(("POST model-versions/transition-stage", "version", value, INVALID) for value in ("0", "-1", "1.5", "abc", "9" * 30, [], "1 OR 1=1")),
    *(("POST registered-models/alias", "alias", value, INVALID)
      for value in ("", "latest", "LATEST", "v1", "V22", "a b", "a/b", "ü", "a" * 256, "..", "a'--", "x\n")),
    *(("POST model-versions/transition-stage", "stage", value, INVALID) for value in ("", "Live", "Production ", 3, "'--")),
    *(("POST registered-models/set-tag", field, value, INVALID)
      for field, value in (("key", ""), ("key", "k" * 251), ("value", "v" * 100_001), ("key", 3), ("value", {"a": 1}))),
    ("PATCH registered-models/update", "description", "d" * 100_001, INVALID),
    ("POST model-versions/create", "run_link", "x" * 2001, INVALID), ("POST model-versions/create", "run_link", "a\nb", INVALID),
    ("POST model-versions/create", "tags", [{"key": "a"}, {"key": "a"}], INVALID), ("POST model-versions/create", "tags", [{}], INVALID),
    *((f"GET {path}/search", field, value, INVALID)
      for path in ("registered-models", "model-versions")
      for field, value in (
          ("filter", "name = 'x' OR 1=1"), ("filter", "name = 'x'; DROP TABLE models"), ("filter", "(name = 'x')"), ("filter", "name = x"),
          ("filter", "metrics.a > 1"), ("filter", "password = 'x'"), ("filter", "name LIKE"), ("filter", "name = 'x" + "'" * 4),
          ("filter", "x" * 20_001), ("max_results", "-1"), ("max_results", "200001"), ("max_results", "a"), ("order_by", "name; DROP"),
          ("order_by", "(SELECT 1)"), ("page_token", "zz"), ("page_token", "aW5jdW1iZW50Oi0x"))),
]  # fmt: skip


@pytest.fixture(scope="module")
def bad_inputs(registry, run_id):
    registry.must("POST", "registered-models/create", name="bad-inputs")
    return registry.make("bad-inputs", run_id)


def test_bad_input_is_refused_in_mlflows_shape(registry, bad_inputs):
    wrong = []
    for what, field, value, code in BAD:
        method, path = what.split()
        fields = {} if path.endswith("search") else GOOD
        given = {key: one for key, one in {**fields, field: value}.items() if one is not None}
        status, answer = registry.ask(method, path, **given)
        if (status, answer.get("error_code")) != code or not answer.get("message"):
            wrong.append((what, field, str(value)[:40], status, answer))
    assert wrong == []
    assert registry.must("GET", "model-versions/search", filter="name = 'bad-inputs'")["model_versions"][0] == bad_inputs


def test_a_path_that_is_a_name_elsewhere_is_no_route_here(registry):
    answer = registry.client.get(PREFIX + "registered-models/" + quote("../experiments", safe=""))
    assert (answer.status, json.loads(answer.body)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
