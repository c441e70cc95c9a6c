"""Files through the proxy: the real MLflow client against a real server process, and hostile addresses in-process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import HTTPError

from asgi import Client, open_app
from incumbent.base.digest import digest_bytes
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.server.routes import ROUTES
from incumbent.tracking.run import RunArtifact
from incumbent.usecases.collect_garbage import collect_garbage
from incumbent.usecases.get_artifact import list_run_artifacts
from incumbent.usecases.log_run import describe_run, seal_run, start_run
from tracked import open_tracked

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
LARGE = bytes(range(256)) * 12_000  # 3 MB: streamed both ways


class Served:
    def __init__(self, folder) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0"]
        with (folder / "stderr.txt").open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.address = self.process.stdout.readline().split()[-1].rstrip("/")
        self.client = MlflowClient(tracking_uri=self.address)

    def read_text(self, run_id, path, folder) -> str:
        folder.mkdir(exist_ok=True)
        return Path(self.client.download_artifacts(run_id, path, str(folder))).read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow-artifacts")
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


def test_a_folder_goes_up_is_listed_and_comes_down_byte_for_byte(served, ws, tmp_path):
    client = served.client
    run_id = client.create_run("0").info.run_id
    sent = {"large.bin": LARGE, "empty.txt": b"", "deep/er/100% sure ü.txt": b"yes", "deep/page.html": b"<script>alert(1)</script>"}
    for name, data in sent.items():
        path = tmp_path / "sent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    client.log_artifacts(run_id, tmp_path / "sent", "out")
    client.log_text(run_id, "again", "note.txt")
    client.log_dict(run_id, {"a": 1}, "conf.json")
    assert sorted((one.path, one.is_dir, one.file_size) for one in client.list_artifacts(run_id)) == [
        ("conf.json", False, len('{\n  "a": 1\n}')),
        ("note.txt", False, 5),
        ("out", True, None),
    ]
    assert [one.path for one in client.list_artifacts(run_id, "out/deep")] == ["out/deep/er", "out/deep/page.html"]
    assert client.list_artifacts(run_id, "note.txt") == client.list_artifacts(run_id, "nothing") == []
    got = tmp_path / "got"
    got.mkdir()
    client.download_artifacts(run_id, "out", str(got))
    assert {str(path.relative_to(got / "out")): path.read_bytes() for path in (got / "out").rglob("*") if path.is_file()} == sent
    assert served.read_text(run_id, "note.txt", got) == "again"
    named = {row.name: row.artifact.digest for row in list_run_artifacts(ws, run_id=run_id)}
    assert named["out/large.bin"] == digest_bytes(LARGE, ws.blobs.algorithm)
    assert ws.blobs.get(named["out/large.bin"]) == LARGE


def test_parts_that_a_client_asks_for_are_refused_so_that_it_sends_the_file_whole(served, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "1000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", "1000000")
    (tmp_path / "large.bin").write_bytes(LARGE)
    run_id = served.client.create_run("0").info.run_id
    served.client.log_artifact(run_id, str(tmp_path / "large.bin"))
    (tmp_path / "got").mkdir()
    assert Path(served.client.download_artifacts(run_id, "large.bin", str(tmp_path / "got"))).read_bytes() == LARGE


def test_bytes_are_kept_once_and_go_when_no_run_names_them(served, ws, tmp_path):
    client = served.client
    kept, gone = (client.create_run("0").info.run_id for _ in range(2))
    for run_id in (kept, gone):
        client.log_text(run_id, "the same for both", "same.txt")
    client.log_text(gone, "of one alone", "only/one.txt")
    client.log_text(gone, "replaced", "twice.txt")
    client.log_text(gone, "newer", "twice.txt")
    digests = {text: digest_bytes(text.encode(), ws.blobs.algorithm) for text in ("the same for both", "of one alone", "replaced", "newer")}
    assert all(ws.blobs.size(digest) for digest in digests.values())
    collect_garbage(ws, grace_s=0)
    assert {text for text, digest in digests.items() if ws.blobs.size(digest)} == {"the same for both", "of one alone", "newer"}
    for path in ("same.txt", "only", "twice.txt"):
        served.client._tracking_client._get_artifact_repo(gone).delete_artifacts(path)
    assert client.list_artifacts(gone) == []
    collect_garbage(ws, grace_s=0)
    assert {text for text, digest in digests.items() if ws.blobs.size(digest)} == {"the same for both"}
    assert served.read_text(kept, "same.txt", tmp_path / "got") == "the same for both"
    with pytest.raises(MlflowException, match="Failed to download"):
        served.read_text(gone, "only/one.txt", tmp_path / "got")


def test_a_sealed_run_of_ours_is_listed_and_read_and_takes_nothing(served, ws, tmp_path):
    (tmp_path / "bundle/deep").mkdir(parents=True)
    (tmp_path / "bundle/deep/w.bin").write_bytes(b"weights")
    run = start_run(ws, began=describe_run(ws, experiment="ours"))
    folder = ws.codecs.encode(tmp_path / "bundle", "pathlib.Path", ws.blobs)
    with ws.store.begin() as tx:
        tx.runs.record_artifacts([RunArtifact(run.run_id, "output", "models/bundle", folder)])
    seal_run(ws, run=run, state="finished")
    listed = [served.client.list_artifacts(run.run_id, path) for path in (None, "models", "models/bundle/deep")]
    assert [[(one.path, one.is_dir) for one in found] for found in listed] == [
        [("models", True)],
        [("models/bundle", True)],
        [("models/bundle/deep/w.bin", False)],
    ]
    assert served.read_text(run.run_id, "models/bundle/deep/w.bin", tmp_path / "got") == "weights"
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(HTTPError, match="is sealed"):
        served.client.log_artifact(run.run_id, tmp_path / "a.txt")


@pytest.fixture
def proxy(tmp_path):
    ws = open_tracked(tmp_path)
    app = open_app(ws, single_user="always")
    client = Client(app)
    made = client.post("/api/2.0/mlflow/runs/create", body=b'{"experiment_id": "0"}', headers={"content-type": "application/json"})
    client.run_id = made.text.partition('"run_id":"')[2].partition('"')[0]
    client.ws = ws
    client.at = f"{PROXY}/0/{client.run_id}/artifacts"
    yield client
    app.close()
    ws.store.close()


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../x", "a/./x", "/x", "a//x", "%2e%2e/x", "..%2fx",
     "%252e%252e/x", "%25252e%25252e%25252fx", "..%5cx", "a%5cb", "%00", "a%00b",
     "C:/x", "c%3a%5cx", "a%0ab", "%2fetc/passwd", "a" * 10_240, "a%7f", "%c2%9b", "%252fx", "%255c", "%2500", "a%25253a"],
)  # fmt: skip
def test_a_path_that_could_lead_out_is_refused_for_writing_reading_and_removing(proxy, path):
    for method in ("PUT", "GET", "DELETE"):
        answer = proxy.ask(method, f"{proxy.at}/{path}", body=b"x" if method == "PUT" else b"")
        assert (answer.status, "INVALID_PARAMETER_VALUE" in answer.text) == (400, True), answer.text
    listed = proxy.get(f"{PROXY}?path=0/{proxy.run_id}/artifacts/{path.replace('%', '%25') if '%25' in path else path}")
    assert listed.status == 400, listed.text
    assert list(proxy.ws.blobs.list_digests()) == []


@pytest.mark.parametrize(
    ("where", "status"),
    [(f"{PROXY}/0/run-none/artifacts/a", 404), (f"{PROXY}/etc/passwd", 400), (f"{PROXY}/0/models/m-{'0' * 32}/artifacts/a", 404),
     (f"{PROXY}/a", 400), (f"{PROXY}/file:/x/artifacts/a", 400), (f"{PROXY}/versions/model/1/a", 403)],
)  # fmt: skip
def test_an_address_that_names_nobody_takes_nothing_and_stores_nothing(proxy, where, status):
    assert proxy.ask("PUT", where, body=b"x").status == status
    assert proxy.ask("PUT", where, pieces=[bytes(200_000)]).status == status
    assert list(proxy.ws.blobs.list_digests()) == []


def test_a_file_is_no_folder_and_a_folder_no_file(proxy):
    assert proxy.ask("PUT", f"{proxy.at}/a/b", body=b"x").status == 200
    assert "it is a folder" in proxy.ask("PUT", f"{proxy.at}/a", body=b"x").text
    assert "'a/b' is a file" in proxy.ask("PUT", f"{proxy.at}/a/b/c", body=b"x").text
    assert proxy.ask("DELETE", f"{proxy.at}/a").status == 200
    assert proxy.ask("DELETE", f"{proxy.at}/a").status == 404


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xhtml", "x.xml", "x.js", "x.htm", "x"])
def test_what_a_browser_would_run_is_sent_as_bytes_to_be_saved(proxy, name):
    proxy.ask("PUT", f"{proxy.at}/{name}", body=b"<script>alert(1)</script>", headers={"content-type": "text/html"})
    answer = proxy.get(f"{proxy.at}/{name}")
    assert (answer.status, answer.get("content-type")) == (200, "application/octet-stream")
    assert (answer.get("content-disposition"), answer.get("x-content-type-options")) == ("attachment", "nosniff")
    assert answer.get("content-security-policy").startswith("sandbox")


def test_a_range_an_unchanged_file_and_a_replaced_one(proxy):
    proxy.ask("PUT", f"{proxy.at}/x.bin", pieces=[LARGE[:2_000_000], LARGE[2_000_000:]])
    first = proxy.get(f"{proxy.at}/x.bin")
    assert first.body == LARGE
    part = proxy.get(f"{proxy.at}/x.bin", headers={"range": "bytes=5-9", "if-range": first.get("etag")})
    assert (part.status, part.body) == (206, LARGE[5:10])
    assert proxy.get(f"{proxy.at}/x.bin", headers={"if-none-match": first.get("etag")}).status == 304
    proxy.ask("PUT", f"{proxy.at}/x.bin", body=b"new")
    assert proxy.get(f"{proxy.at}/x.bin", headers={"range": "bytes=5-9", "if-range": first.get("etag")}).body == b"new"


def test_an_upload_that_breaks_off_leaves_what_was_there(proxy):
    proxy.ask("PUT", f"{proxy.at}/x.bin", body=b"old")
    assert proxy.ask("PUT", f"{proxy.at}/x.bin", pieces=[bytes(2_000_000), None]).status == 400
    assert proxy.get(f"{proxy.at}/x.bin").body == b"old"


def test_files_are_listed_by_run_too_and_the_page_of_the_run_shows_them(proxy):
    proxy.ask("PUT", f"{proxy.at}/plots/roc.png", body=b"x")
    listed = proxy.get(f"/api/2.0/mlflow/artifacts/list?run_id={proxy.run_id}&path=plots")
    assert '"files":[{"path":"plots/roc.png","is_dir":false,"file_size":1}]' in listed.text
    assert f"mlflow-artifacts:/0/{proxy.run_id}/artifacts" in listed.text
    assert "plots/roc.png" in proxy.page(f"/runs/{proxy.run_id}").text


def test_files_take_the_rights_of_reading_and_logging():
    rights = {(route.method, route.right, route.body) for route in ROUTES if route.path.startswith(PROXY)}
    assert rights == {("GET", "read", "whole"), ("PUT", "track", "stream"), ("DELETE", "track", "whole")}


def test_a_link_on_the_disk_is_nothing_that_an_address_can_name(proxy, tmp_path):
    os.symlink("/etc/passwd", tmp_path / "passwd")
    assert proxy.get(f"{proxy.at}/passwd").status == 404
