"""MLflow's routes of the registry, asked without a socket: words, aliases, versions, searches, and what each refuses."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bundles import write_bundle
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.list_versions import get_version
from incumbent.usecases.live import get_live
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.register import register
from mlflow_registry import ABSENT, DENIED, EXAMPLE, INVALID, M_ID, MLMODEL, Registry


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


def test_a_model_is_made_described_tagged_and_put_out_of_sight(registry):
    made = registry.must("POST", "registered-models/create", name="credit", description="who pays", tags=[{"key": "team", "value": "risk"}])
    assert made["registered_model"]["creation_timestamp"] > 1_700_000_000_000
    assert made["registered_model"] | {"creation_timestamp": 0, "last_updated_timestamp": 0} == {
        "name": "credit", "creation_timestamp": 0, "last_updated_timestamp": 0, "description": "who pays", "latest_versions": [],
        "tags": [{"key": "team", "value": "risk"}], "aliases": [],
    }  # fmt: skip
    assert registry.refused("POST", "registered-models/create", name="credit")[0] == (400, "RESOURCE_ALREADY_EXISTS")
    registry.must("PATCH", "registered-models/update", name="credit", description="who pays back")
    registry.must("POST", "registered-models/set-tag", name="credit", key="owner/ü", value="ann")
    registry.must("DELETE", "registered-models/delete-tag", name="credit", key="team")
    found = registry.must("GET", "registered-models/get", name="credit")["registered_model"]
    assert (found["description"], found["tags"]) == ("who pays back", [{"key": "owner/ü", "value": "ann"}])
    answer, message = registry.refused("POST", "registered-models/rename", name="credit", new_name="debit")
    assert answer == DENIED
    assert "cannot be renamed" in message
    registry.must("DELETE", "registered-models/delete", name="credit")
    assert registry.refused("GET", "registered-models/get", name="credit")[0] == ABSENT
    assert registry.must("GET", "registered-models/search").get("registered_models") == []
    registry.must("POST", "registered-models/create", name="credit")
    assert registry.must("GET", "registered-models/get", name="credit")["registered_model"]["tags"] == []


def test_versions_of_the_same_files_are_made_at_once_by_many(registry, run_id):
    registry.must("POST", "registered-models/create", name="busy")
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: registry.make("busy", run_id)["version"], range(30)))
    assert sorted(map(int, made)) == list(range(1, 31))


def test_a_version_holds_what_the_run_said_and_no_longer_changes_with_it(registry, ws, tmp_path):
    run_id = registry.begin_run()
    registry.must("POST", "registered-models/create", name="frozen")
    made = registry.make(
        "frozen", run_id, run_id=run_id, description="first", tags=[{"key": "a", "value": "b"}], run_link="https://x.test/1"
    )
    wanted = {
        "name": "frozen", "version": "1", "current_stage": "None", "status": "READY", "run_id": run_id, "description": "first",
        "source": f"runs:/{run_id}/model", "tags": [{"key": "a", "value": "b"}], "run_link": "https://x.test/1", "aliases": [],
    }  # fmt: skip
    assert {key: made[key] for key in wanted} == wanted
    before = get_version(ws, model="frozen", version=1)
    registry.must("POST", "runs/log-metric", run_id=run_id, key="auc", value=0.9, timestamp=2000)
    registry.must("POST", "runs/set-tag", run_id=run_id, key="team", value="others")
    registry.put_files(run_id, {"model/MLmodel": "other: bytes\n", "model/late.txt": "late"})
    after = get_version(ws, model="frozen", version=1)
    assert after.manifest == before.manifest
    said = after.manifest["run_snapshot"]
    assert (said["params"], said["tags"]["team"]) == ({"depth": "6"}, "ops")
    assert {name: point["value"] for name, point in said["metrics"].items()} == {"auc": 0.5, "bad": "nan"}
    assert [one["path"] for one in said["artifacts"]] == ["model/MLmodel", "model/input_example.json", "other.txt"]
    folder = ws.codecs.decode(after.version.bundle, Path, ws.blobs, tmp_path)
    assert ws.codecs.encode(folder, "", ws.blobs) == after.version.bundle  # as any other folder would be kept
    files = {one["path"]: one["sha256"] for one in after.manifest["files"]}
    assert sorted(files) == ["bundle.json", "mlflow/MLmodel", "mlflow/input_example.json"]
    assert files["mlflow/input_example.json"] == hashlib.sha256(EXAMPLE.encode()).hexdigest()


def test_the_files_of_a_version_are_read_where_nothing_can_be_changed(registry):
    run_id = registry.begin_run(
        {"model/MLmodel": MLMODEL, "model/data/a.txt": "abc", "model/data/b/c.txt": "c", "model/page.html": "<script>"}
    )
    registry.must("POST", "registered-models/create", name="files")
    registry.make("files", run_id)
    registry.put_files(run_id, {"model/data/a.txt": "changed"})

    def files(path):
        return {one["path"]: one.get("file_size") for one in registry.must("GET", "../mlflow-artifacts/artifacts", path=path)["files"]}

    def get(path, **more):
        return registry.client.get(f"/api/2.0/mlflow-artifacts/artifacts/versions/files/1/{path}", **more)

    assert files("versions/files/1") == {"MLmodel": len(MLMODEL), "data": None, "page.html": 8}
    assert files("versions/files/1/data/") == {"a.txt": 3, "b": None}
    assert files("versions/files/1/data/a.txt") == {}
    assert (get("data/a.txt").status, get("data/a.txt").body) == (200, b"abc")
    part = get("data/a.txt", headers={"range": "bytes=1-1"})
    assert (part.status, part.body, part.get("content-range")) == (206, b"b", "bytes 1-1/3")
    assert (get("page.html").get("content-disposition"), get("page.html").get("x-content-type-options")) == ("attachment", "nosniff")
    for path in ("data", "absent", "../../files/1/MLmodel", "%2e%2e/MLmodel", "data%5ca.txt", "bundle.json", "%00"):
        assert (get(path).status, json.loads(get(path).body)["error_code"]) in (INVALID, ABSENT), path
    for path in ("versions", "versions/files", "versions/files/x", "versions/files/2", "versions/absent/1", "versions/../1", ""):
        assert registry.refused("GET", "../mlflow-artifacts/artifacts", path=path)[0] in (INVALID, ABSENT), path
    for method in ("PUT", "DELETE", "POST"):
        answer = registry.client.ask(method, "/api/2.0/mlflow-artifacts/artifacts/versions/files/1/MLmodel", body=b"x")
        assert answer.status in (400, 403, 404, 405), method
    assert get("MLmodel").text == MLMODEL


def test_a_signature_of_named_columns_becomes_the_bundles(registry, ws, run_id):
    registry.must("POST", "registered-models/create", name="signed")
    registry.make("signed", run_id)
    card = get_version(ws, model="signed", version=1).version.facts["bundle"]
    assert (card["loader"], card["needs_pickle"], card["example"]) == ("mlflow", False, {"x": 1.5, "it's n": 3})
    assert card["signature"] == {
        "inputs": [{"name": "x", "type": "float", "nullable": False}, {"name": "it's n", "type": "int", "nullable": True}],
        "outputs": [{"name": "prediction", "type": "float", "nullable": False}],
    }
    assert card["settings"]["frame"]["columns"] == [{"name": "x", "dtype": "float64"}, {"name": "it's n", "dtype": "int64"}]


def test_a_logged_model_is_registered_by_either_of_its_addresses(registry, run_id):
    registry.log_model(run_id)
    registry.must("POST", "registered-models/create", name="logged")
    for source in (f"models:/{M_ID}", f"mlflow-artifacts:/0/models/{M_ID}/artifacts"):
        made = registry.must("POST", "model-versions/create", name="logged", source=source, model_id=M_ID)["model_version"]
        assert (made["run_id"], made["model_id"], made["source"]) == (run_id, M_ID, source)
    wrong = {"name": "logged", "source": f"models:/{M_ID}"}
    assert registry.refused("POST", "model-versions/create", **wrong, model_id="m-" + "b" * 32)[0] == INVALID
    assert registry.refused("POST", "model-versions/create", **wrong, run_id="run-other")[0] == INVALID
    assert registry.refused("POST", "model-versions/create", name="logged", source="models:/m-" + "c" * 32)[0] == ABSENT


def test_an_artifact_of_a_sealed_run_is_registered_as_our_own_verb_does(registry, ws, tmp_path):
    with begin_run(ws, experiment="sealed") as run:
        run.log_artifact(write_bundle(tmp_path / "bundle", factor=2.0), "model")
    registry.must("POST", "registered-models/create", name="sealed")
    registry.make("sealed", run.id)
    ours = register(ws, model="sealed", run=run.id, artifact="model")
    made = get_version(ws, model="sealed", version=1)
    assert (made.version.bundle, made.version.facts["bundle"]) == (ours.bundle, ours.facts["bundle"])
    assert (made.manifest["run_manifest"], "run_snapshot" in made.manifest) == (
        get_version(ws, model="sealed", version=2).manifest["run_manifest"],
        False,
    )
    assert registry.refused("POST", "model-versions/create", name="sealed", source=f"runs:/{run.id}/absent")[0] == ABSENT


def test_versions_are_described_tagged_found_paged_and_put_out_of_sight(registry, run_id):
    registry.must("POST", "registered-models/create", name="many")
    for _ in range(5):
        registry.make("many", run_id)
    registry.must("POST", "model-versions/set-tag", name="many", version="2", key="kind", value="good")
    registry.must("POST", "model-versions/set-tag", name="many", version="3", key="kind", value="good")
    registry.must("DELETE", "model-versions/delete-tag", name="many", version="3", key="kind")
    updated = registry.must("PATCH", "model-versions/update", name="many", version="4", description="fourth")["model_version"]
    assert updated["description"] == "fourth"

    def find(text, **more):
        return [one["version"] for one in registry.must("GET", "model-versions/search", filter=text, **more)["model_versions"]]

    by_number = {"order_by": ["version_number ASC"]}
    assert find("name = 'many' AND tags.kind = 'good'") == ["2"]
    assert find(f"name = 'many' AND run_id = '{run_id}' AND version_number > 3", **by_number) == ["4", "5"]
    assert find("name LIKE 'man%' AND version_number <= 2", order_by=["name ASC", "version_number DESC"]) == ["2", "1"]
    first = registry.must("GET", "model-versions/search", filter="name = 'many'", max_results=2, **by_number)
    rest = registry.must("GET", "model-versions/search", filter="name = 'many'", page_token=first["next_page_token"], **by_number)
    assert [one["version"] for one in [*first["model_versions"], *rest["model_versions"]]] == ["1", "2", "3", "4", "5"]
    assert registry.must("POST", "registered-models/get-latest-versions", name="many")["model_versions"][0]["version"] == "5"
    registry.must("DELETE", "model-versions/delete", name="many", version="5")
    assert registry.refused("GET", "model-versions/get", name="many", version="5")[0] == ABSENT
    assert registry.make("many", run_id)["version"] == "6"
    uri = registry.must("GET", "model-versions/get-download-uri", name="many", version="4")
    assert uri == {"artifact_uri": "mlflow-artifacts:/versions/many/4"}


def test_models_are_found_by_name_and_tag_in_pages(registry):
    for name in ("find-a", "find-b", "find-c"):
        registry.must("POST", "registered-models/create", name=name, tags=[{"key": "k", "value": name[-1]}])
    found = registry.must("GET", "registered-models/search", filter="name LIKE 'find-%'", order_by=["name DESC"], max_results=2)
    more = registry.must(
        "GET", "registered-models/search", filter="name LIKE 'find-%'", order_by=["name DESC"], page_token=found["next_page_token"]
    )
    assert [one["name"] for one in found["registered_models"] + more["registered_models"]] == ["find-c", "find-b", "find-a"]
    assert "next_page_token" not in more
    [one] = registry.must("GET", "registered-models/search", filter="name ILIKE 'FIND%' AND tags.`k` = 'b'")["registered_models"]
    assert one["name"] == "find-b"
    no_prompts = registry.must("GET", "registered-models/search", filter="name LIKE 'find-%' AND tags.`mlflow.prompt.is_prompt` != 'true'")
    assert len(no_prompts["registered_models"]) == 3


def test_an_alias_that_is_a_word_is_moved_freely_and_the_ledger_has_each_move(registry, ws, run_id):
    registry.must("POST", "registered-models/create", name="words")
    registry.make("words", run_id)
    registry.make("words", run_id)
    for version in ("1", "2", "2"):
        registry.must("POST", "registered-models/alias", name="words", alias="Best_1", version=version)
    found = registry.must("GET", "registered-models/alias", name="words", alias="Best_1")["model_version"]
    assert (found["version"], found["aliases"]) == ("2", ["Best_1"])
    assert registry.must("GET", "registered-models/get", name="words")["registered_model"]["aliases"] == [
        {"alias": "Best_1", "version": "2"}
    ]
    for _ in range(2):
        registry.must("DELETE", "registered-models/alias", name="words", alias="Best_1")
    answer, message = registry.refused("GET", "registered-models/alias", name="words", alias="Best_1")
    assert (answer, message) == (INVALID, "Registered model alias Best_1 not found: nobody has set it")
    with ws.store.begin(read_only=True) as tx:
        moves = [(one.draft.actor.actor_id, one.draft.before, one.draft.after) for one in tx.ledger.find(object_name="alias words:Best_1")]
    assert moves == [(ws.actor, "words@2", ""), (ws.actor, "words@1", "words@2"), (ws.actor, "", "words@1")]


def everything(ws):
    """Return what is governed: placements, then entries."""
    with ws.store.begin(read_only=True) as tx:
        drafts = [tx.ledger.get(seq).draft for seq in range(tx.ledger.size())]
        return [*tx.registry.list_placements(), *((one.act, one.object.name, one.after) for one in drafts)]


def test_a_governed_alias_and_the_stages_are_the_models_own_slot(registry, ws, run_id):
    registry.must("POST", "registered-models/create", name="live")
    for _ in range(3):
        registry.make("live", run_id)
    moved = {"name": "live", "version": "1", "archive_existing_versions": False}
    asked = ("registered-models/alias", {"name": "live", "alias": "Champion", "version": "1"}), (
        "model-versions/transition-stage", {**moved, "stage": "Production"},
    )  # fmt: skip
    for path, fields in asked:
        before = everything(ws)
        answer, message = registry.refused("POST", path, **fields)
        assert answer == DENIED
        assert "nothing was changed; what makes it a candidate, to be evaluated and signed for: the stage Staging, or" in message
        *same, refusal = everything(ws)
        assert same == before
        assert refusal == ("refuse", "placement live/production live@1", "promote")
    registry.must("POST", "model-versions/transition-stage", **moved, stage="Staging")
    answer, message = registry.refused("POST", "registered-models/alias", name="live", alias="Champion", version="1")
    assert answer == DENIED
    assert "live@1 is a candidate in slot live/production (Staging), and waits there" in message
    assert [placed.version for placed in get_live(ws, "live/production").staging] == [1]
    assert registry.must("GET", "model-versions/get", name="live", version="1")["model_version"]["current_stage"] == "Staging"
    answer, message = registry.refused("GET", "registered-models/alias", name="live", alias="production")
    assert (answer, message.partition(": ")[2]) == (INVALID, "no version of it is live in slot live/production")
    moved = {"name": "live", "version": "2", "archive_existing_versions": False}
    assert registry.must("POST", "model-versions/transition-stage", **moved, stage="staging")["model_version"]["current_stage"] == "Staging"
    answer, message = registry.refused("POST", "model-versions/transition-stage", **moved, stage="None")
    assert answer == DENIED
    assert "no version goes back to None: legal are Staging" in message
    assert (
        registry.must("POST", "model-versions/transition-stage", **moved, stage="Archived")["model_version"]["current_stage"] == "Archived"
    )
    answer, message = registry.refused("POST", "registered-models/alias", name="live", alias="champion", version="2")
    assert answer == DENIED
    assert "was never in Production" in message
    latest = registry.must("GET", "registered-models/get-latest-versions", name="live", stages=["Staging", "none"])["model_versions"]
    assert [(one["version"], one["current_stage"]) for one in latest] == [("1", "Staging"), ("3", "None")]
    for path, fields in (("registered-models/delete", {}), ("model-versions/delete", {"version": "2"})):
        answer, message = registry.refused("DELETE", path, name="live", **fields)
        assert answer == DENIED
        assert "slot live/production" in message
    registry.must("GET", "model-versions/get", name="live", version="3")  # a refused deletion of the model hid none of its versions
    with ws.store.begin(read_only=True) as tx:
        assert {one.draft.after for one in tx.ledger.find(act="refuse")} >= {"promote", "roll-back"}


def test_the_ledger_tells_every_version_placement_and_alias_of_this_file(ws, registry):
    found = reconcile(ws)
    assert found.differences == ()
    with ws.store.begin(read_only=True) as tx:
        assert {"register", "set-alias", "propose", "refuse"} <= {tx.ledger.get(seq).draft.act for seq in range(tx.ledger.size())}
