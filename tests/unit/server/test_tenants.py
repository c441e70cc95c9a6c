"""Two workspaces in one server: nothing of the one is reached by way of the other, by any route."""

import json
import re
from contextlib import ExitStack
from io import BytesIO
from urllib.parse import quote
from zipfile import ZipFile

import pytest

from asgi import Client, NoModels
from incumbent.base.errors import InvalidInput
from incumbent.server.access import Door
from incumbent.server.app import App
from incumbent.server.messages import Server
from incumbent.server.routes import ROUTES
from incumbent.server.telemetry import Measured
from incumbent.server.tenants import Places, Tenants, read_workspaces
from incumbent.usecases.findings import open_finding
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.tokens import new_token
from logins import CHEAP, as_person, open_people, set_password
from office import MODEL, SLOT, register_factor

MARK = "said-in-credit-alone"
NAMES = ("credit.example.com", "fraud.example.com")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tenants(request, tmp_path_factory):
    """The workspaces of credit and fraud, their shared application, and a token of the admin of each."""
    with ExitStack() as open_ones:
        spaces, apps, tokens = {}, {}, {}
        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            if request.param == "postgresql":
                url = open_ones.enter_context(request.getfixturevalue("open_postgres_store")())
                (folder / ".incumbent").mkdir()
                (folder / ".incumbent" / "settings.toml").write_text(f"url = {json.dumps(url)}\n")
            spaces[name] = ws = open_people(folder)
            open_ones.callback(ws.store.close)
            set_password(ws, "dev")
            apps[name] = App(Server(ws, NoModels(), Door("never", CHEAP, f"https://{name}", frozenset({name}))))
            open_ones.callback(apps[name].close)
            tokens[name] = new_token(ws, name="t").secret
        faces = {name: Measured(app, app.server.telemetry, app.server.writer) for name, app in apps.items()}
        yield spaces, Tenants(faces), tokens


@pytest.fixture(scope="module")
def credit(tenants, tmp_path_factory):
    """What an address of credit's can be made of."""
    ws = tenants[0][NAMES[0]]
    with begin_run(as_person(ws, "dev"), experiment="rates", name=MARK, params={"rate": MARK}, tags={"team": MARK}) as run:
        run.log_metric("auc", 0.5)
        run.note(MARK)
        artifact = run.log_artifact(MARK.encode(), "word")
    version = register_factor(as_person(ws, "dev"), tmp_path_factory.mktemp("bundles"), 1.5)
    finding = open_finding(as_person(ws, "val"), subject=MODEL, title=MARK)
    return {
        "run": run.id, "model": MODEL, "slot": SLOT, "version": str(version.version), "number": str(version.version), "seq": "3",
        "metric": "auc", "subject": run.id, "finding": finding.finding.finding_id, "person": "dev", "target": MODEL,
        "digest": str(artifact.digest), "pipeline": "rates", "experiment": "rates",
    }  # fmt: skip


def client(tenants, name, token):
    return Client(tenants[1], host=name, headers={"authorization": f"Bearer {token}"})


def plain(answer):
    """The bytes of an answer; those of an archive's members where it is one, as packing would hide a word in it."""
    if answer.get("content-type") != "application/zip":
        return answer.body
    with ZipFile(BytesIO(answer.body)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def addresses(credit):
    """Every GET route, with credit's names in it, except for those that never end."""
    for route in ROUTES:
        if route.method == "GET" and not route.path.endswith("/events"):
            yield route, re.sub(r"{(\w+)}", lambda found: quote(credit.get(found[1], MARK), safe=""), route.path)
    for path in ("runs/get?run_id={run}", "artifacts/list?run_id={run}", "metrics/get-history?run_id={run}&metric_key=auc"):
        yield None, f"/api/2.0/mlflow/{path}".format(**credit)


def test_no_route_of_another_workspace_tells_what_was_said_in_this_one(tenants, credit):
    own, other = (client(tenants, name, tenants[2][name]) for name in NAMES)
    told = {}
    for route, path in addresses(credit):
        told[path] = MARK.encode() in plain(own.get(path))
        answer = other.get(path)
        asked = path.count(MARK)
        assert plain(answer).count(MARK.encode()) <= asked, f"{path} of fraud tells of credit: {answer.body[:300]!r}"
        if route is not None and credit["run"] in path:
            assert answer.status in {404, 405}, path
    assert sum(told.values()) >= 8, f"credit itself tells too little for this test to mean anything: {told}"


def test_a_token_opens_no_other_workspace(tenants, credit):
    for route, path in addresses(credit):
        if route is not None and route.right != "public":
            answer = client(tenants, NAMES[1], tenants[2][NAMES[0]]).get(path)
            assert answer.status in {401, 303}, f"{path}: {answer.status}"
    found = client(tenants, NAMES[1], tenants[2][NAMES[0]]).post(
        "/api/2.0/mlflow/runs/search", body=b'{"experiment_ids":["1","0"]}', headers={"content-type": "application/json"}
    )
    assert found.status == 401


def test_a_session_opens_no_other_workspace(tenants):
    browser = Client(tenants[1], host=NAMES[0])
    assert browser.log_in("dev").status == 303
    assert browser.page("/runs").status == 200
    browser.host = NAMES[1]
    assert browser.page("/runs").status in {303, 401}


def test_a_name_that_no_workspace_has_is_refused_and_the_names_are_not_told(tenants):
    for host in ("127.0.0.1:8765", "localhost", "other.example.com", "credit.example.com.evil.example", "", "a@credit.example.com", "[::1"):
        answer = Client(tenants[1], host=host).get("/healthz")
        assert answer.status == 421
        assert "fraud" not in answer.text
    assert Client(tenants[1], host="CREDIT.example.com:443").get("/healthz").status == 200
    twice = Client(tenants[1], host=NAMES[0]).get("/healthz", headers=[("host", NAMES[1])])
    assert twice.status == 400


def test_what_is_counted_is_counted_for_each(tenants):
    own, other = (client(tenants, name, tenants[2][name]) for name in NAMES)
    own.get("/runs/run-that-is-not")
    line = 'route="/runs/{run}",status="404"'
    assert any(line in text for text in own.get("/metrics").text.splitlines())
    before = other.get("/metrics").text
    own.get("/runs/run-that-is-not")
    count = [text for text in before.splitlines() if line in text]
    assert count == [text for text in other.get("/metrics").text.splitlines() if line in text]


def test_workspaces_that_keep_anything_in_one_place_are_refused(tmp_path):
    def claim(*two):
        places = Places()
        places.claim("store-a", two[0], "a")
        places.claim("store-b", two[1], "b")

    claim("s3://bucket/a", "s3://bucket/ab")
    claim(str(tmp_path / "a"), str(tmp_path / "ab"))
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for two in (
        ("s3://bucket/a", "s3://bucket/a/"), ("s3://bucket", "s3://bucket/a"), ("s3://bucket/a/b", "s3://bucket/a"),
        (str(tmp_path / "a"), str(tmp_path / "link")), (str(tmp_path / "a"), str(tmp_path / "c" / ".." / "a" / "b")),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match="have blobs in one place"):
            claim(*two)
    places = Places()
    places.claim("store", "one", "a")
    with pytest.raises(InvalidInput, match="b and a have one metadata store"):
        places.claim("store", "two", "b")


@pytest.mark.parametrize("text", ["", "=", "https://a.example=", "=/srv", "a.example=/srv", "https://[::1=/srv"])
def test_an_option_that_names_no_workspace_is_refused(text):
    with pytest.raises(InvalidInput, match="expected URL=FOLDER"):
        read_workspaces([text])


def test_two_workspaces_of_one_name_are_refused():
    with pytest.raises(InvalidInput, match="named twice"):
        read_workspaces(["https://a.example=/srv/a", "https://A.example:8443=/srv/b"])
