"""What a run of a pipeline left behind, over HTTP: what its stages printed, its lineage, and why a stage would rerun now."""

import json

import pytest

from asgi import Client, open_app
from described import check_answer
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.openlineage import run_uuid
from incumbent.usecases.run_pipeline import run_pipeline

PIPELINE = """
import incumbent as inc

@inc.stage
def numbers(*, count: int = 3) -> list[int]:
    print("counting to", count)
    return list(range(count))

@inc.stage
def total(numbers: list[int]) -> int:
    print("adding")
    return sum(numbers)

@inc.stage
def silent(total: int) -> int:
    return 2 * total

pipeline = inc.Pipeline("little", [numbers, total, silent])
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    source = folder / "little.py"
    source.write_text(PIPELINE)
    ws = open_workspace(read_settings(folder, {}))
    run = run_pipeline(ws, pipeline="little.py:pipeline", config={"numbers": {"count": 4}}).run_id
    app = open_app(ws)

    def get(path):
        answer = Client(app).get(f"/api/v1{path}")
        found = json.loads(answer.body)
        check_answer("GET", path, answer.status, found)
        return answer.status, found

    yield get, run, source, lambda digest: Client(app).get(f"/api/v1/blobs/{digest}").body
    app.close()
    ws.store.close()


def test_what_the_stages_printed_is_listed_page_by_page_and_read_by_digest(world):
    get, run, _, read = world
    first = get(f"/runs/{run}/logs?limit=1")[1]
    second = get(f"/runs/{run}/logs?limit=1&cursor={first['next_cursor']}")[1]
    found = [*first["items"], *second["items"]]
    assert [(one["stage"], read(one["log"])) for one in found] == [("numbers", b"counting to 4\n"), ("total", b"adding\n")]
    assert second["next_cursor"] is None
    assert get(f"/runs/{run}/logs?stage=total")[1]["items"] == second["items"]
    assert get(f"/runs/{run}/logs?stage=silent")[1] == {"items": [], "next_cursor": None}
    status, problem = get(f"/runs/{run}/logs?stage=none")
    assert (status, "it has: numbers, total, silent" in problem["detail"]) == (404, True)
    assert get("/runs/run-none/logs")[0] == 404
    status, problem = get(f"/runs/{run}/logs?stage=total&cursor={first['next_cursor']}")
    assert (status, "is none of this list with this query" in problem["detail"]) == (400, True)


def test_a_run_is_told_as_openlineage_events(world):
    get, run, _, _ = world
    status, found = get(f"/runs/{run}/lineage-events")
    assert (status, [one["eventType"] for one in found["events"]]) == (200, ["START", "COMPLETE"])
    assert {one["run"]["runId"] for one in found["events"]} == {run_uuid(run)}
    assert {one["job"]["name"] for one in found["events"]} == {"little"}
    assert get("/runs/run-none/lineage-events")[0] == 404


def test_why_says_what_an_edit_reruns_with_the_config_of_the_last_run(world):
    get, run, source, _ = world
    status, found = get("/pipelines/little/stages/total/why")
    assert (status, found["plan"]["state"], found["made_by"]) == (200, "hit", run)
    try:
        source.write_text(PIPELINE.replace("sum(numbers)", "sum(numbers) + 1"))
        total = get("/pipelines/little/stages/total/why")[1]
        assert (total["plan"]["state"], total["last_run"]) == ("run", run)
        assert [(one["kind"], one["name"]) for one in total["plan"]["differences"]] == [("code", "little.py::total")]
        assert "+    return sum(numbers) + 1" in total["code"]["little.py::total"].splitlines()
        waits = get("/pipelines/little/stages/silent/why")[1]
        assert (waits["plan"]["state"], [one["stage"] for one in waits["causes"]]) == ("waits", ["total"])
        assert waits["plan"]["differences"] == []
        assert get("/pipelines/little/stages/numbers/why")[1]["plan"]["state"] == "hit"
    finally:
        source.write_text(PIPELINE)
    assert get("/pipelines/little/stages/none/why")[0] == 404
    assert get("/pipelines/none/stages/total/why")[0] == 404
