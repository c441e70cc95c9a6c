"""The table of operations and the document made from it: valid, complete, and each example of the shape that it stands beside."""

import importlib
import json

import pytest
from openapi_spec_validator import validate

from asgi import Client, open_app
from described import DOCUMENT, check
from incumbent.base.errors import InvalidInput
from incumbent.server.api.openapi import list_statuses
from incumbent.server.api.operation import PLACEHOLDERS, Operation
from incumbent.server.api.table import OPERATIONS
from incumbent.server.errors import PROBLEMS
from incumbent.server.routes import ROUTES
from incumbent.usecases.rights import PREDICT, PUBLIC, READ, RIGHTS
from logins import open_empty


def media_of(described):
    for status, answer in described["responses"].items():
        if "$ref" not in answer:
            for kind, media in answer.get("content", {}).items():
                yield status, kind, media


def test_the_document_is_valid_openapi_and_is_what_the_server_gives(tmp_path):
    validate(DOCUMENT)
    app = open_app(open_empty(tmp_path))
    answer = Client(app).get("/api/v1/openapi.json")
    app.close()
    assert (answer.status, json.loads(answer.body)) == (200, DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_every_example_is_of_its_own_schema_and_has_no_field_beside(one):
    described = DOCUMENT["paths"][one.full_path][one.method.lower()]
    if one.body is not None:
        media = described["requestBody"]["content"]["application/json"]
        check(media["schema"], media["example"], is_closed=True)
    found = list(media_of(described))
    assert any(status == str(one.status) for status, _, _ in found)
    for status, kind, media in found:
        if kind == "application/problem+json":
            for example in media["examples"].values():
                check(media["schema"], example["value"], is_closed=True)
                assert str(example["value"]["status"]) == status
        elif kind == "application/json":
            check(media["schema"], media["example"], is_closed=True)
    for parameter in described["parameters"]:
        if "example" in parameter:
            check(parameter["schema"], parameter["example"])


def test_every_operation_is_a_route_of_its_own_right_and_no_other_route_is_under_the_prefix():
    said = {(one.method, one.full_path, one.right) for one in OPERATIONS}
    assert said == {(route.method, route.path, route.right) for route in ROUTES if route.path.startswith("/api/v1/")}
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS) == len({(one.method, one.path) for one in OPERATIONS})


def test_every_operation_says_its_right_and_what_changes_something_takes_more_than_reading():
    for one in OPERATIONS:
        described = DOCUMENT["paths"][one.full_path][one.method.lower()]
        assert described["x-right"] == one.right
        assert (described["security"] == []) == (one.right == PUBLIC)
        assert one.method == "GET" or one.right not in {READ, PUBLIC}, one.name
        assert one.method != "GET" or one.right != PREDICT, one.name
        assert one.right in RIGHTS


def test_every_kind_of_problem_has_an_address_of_its_own_that_answers(tmp_path):
    app = open_app(open_empty(tmp_path))
    client = Client(app)
    for problem in PROBLEMS.values():
        found = json.loads(client.get(problem.type).body)
        assert found == {"type": problem.type, "status": problem.status, "meaning": problem.meaning}
    assert client.get("/api/v1/problems/nothing").status == 404
    app.close()
    assert {status for one in OPERATIONS for status in list_statuses(one)} <= {problem.status for problem in PROBLEMS.values()}


def test_every_placeholder_is_described_and_a_line_that_cannot_be_is_refused():
    assert {name for one in OPERATIONS for name in one.placeholders} <= set(PLACEHOLDERS)
    with pytest.raises(InvalidInput, match="nobody described the placeholder {thing}"):
        Operation("x", "x", "GET", "/x/{thing}", READ, "Says.", lambda _s, _c: None, dict, {})
    with pytest.raises(InvalidInput, match="a GET takes no body"):
        Operation("x", "x", "GET", "/x", READ, "Says.", lambda _s, _c: None, dict, {}, body=object)
    with pytest.raises(InvalidInput, match="is no method"):
        Operation("x", "x", "get", "/x", READ, "Says.", lambda _s, _c: None, dict, {})


def test_every_operation_is_the_face_of_use_cases_that_there_are():
    for one in OPERATIONS:
        for name in one.by:
            module, _, function = name.partition(".")
            assert callable(getattr(importlib.import_module(f"incumbent.usecases.{module}"), function)), (one.name, name)
