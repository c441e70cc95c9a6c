"""Registering, promoting, asking, tracing: by the front door, on a real store, with real bundles."""

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bundles import make_run, put_live, write_bundle
from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.annotate import add_note, set_tag
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.list_versions import get_version, list_versions
from incumbent.usecases.live import get_live, list_history, list_live
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.predict import get_target, predict
from incumbent.usecases.promote import promote
from incumbent.usecases.register import find_version_run, register
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.trace import trace
from incumbent.usecases.version_card import get_version_card

SLOT = "double/eu"


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


def register_double(ws, tmp_path, factor=2.0, slot=None):
    run = make_run(ws, write_bundle(tmp_path / f"bundle-{factor}", factor=factor))
    return register(ws, model="double", run=run, artifact="model", slot=slot)


def ask(ws, host, x, slot=SLOT):
    return predict(ws, host, target=get_target(ws, slot), columns={"x": [x], "who": ["ann"]})


def test_versions_are_numbered_per_model_and_their_manifest_names_every_file_by_sha256(ws, tmp_path):
    first, second = register_double(ws, tmp_path), register_double(ws, tmp_path, 3.0)
    assert [(v.model, v.version) for v in (first, second)] == [("double", 1), ("double", 2)]
    manifest = get_version(ws, model="double", version=1).manifest
    files = {file["path"]: file["sha256"] for file in manifest["files"]}
    assert set(files) == {"bundle.json", "factor.txt", "code/model/__init__.py", "code/model/serve.py"}
    assert files["factor.txt"] == hashlib.sha256(b"2.0").hexdigest()
    assert manifest["bundle"]["digest"] == first.bundle.digest
    assert manifest["run"] == first.run_id == find_version_run(ws, "double@1")
    assert [record.version.version for record in list_versions(ws)] == [2, 1]


@pytest.mark.parametrize("name", ["../double", "Double", ""])
def test_a_name_that_is_not_legal_registers_nothing(ws, tmp_path, name):
    run = make_run(ws, write_bundle(tmp_path / "b"))
    with pytest.raises(InvalidInput, match="cannot name a model"):
        register(ws, model=name, run=run, artifact="model")
    with pytest.raises(InvalidInput, match="cannot name a slot"):
        register(ws, model="double", run=run, artifact="model", slot=f"{name}/")
    assert list_versions(ws) == []


def test_only_outputs_of_a_finished_run_can_be_registered(ws, tmp_path):
    run = make_run(ws, write_bundle(tmp_path / "b"))
    with pytest.raises(NotFound, match=r"has no output 'plot'; it has: model"):
        register(ws, model="double", run=run, artifact="plot")
    with begin_run(ws, experiment="x") as unfinished:
        unfinished.log_artifact(tmp_path / "b", "model")
        unfinished.flush()
        with pytest.raises(Refused, match="is running: only the outputs of a finished, sealed run"):
            register(ws, model="double", run=unfinished.id, artifact="model")


def test_registering_for_a_slot_asks_for_a_place_and_promoting_gives_it(ws, tmp_path):
    register_double(ws, tmp_path, slot=SLOT)
    waiting = get_live(ws, SLOT)
    assert (waiting.live, [p.version for p in waiting.staging]) == (None, [1])
    with pytest.raises(NotFound, match="has nothing in Production yet"):
        get_target(ws, SLOT)
    done = put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    assert done.superseded is None
    now = get_live(ws, SLOT)
    assert (now.live.version, now.live.reason, now.roll_back_to, now.staging) == (1, "first", None, ())


def test_the_version_that_is_replaced_is_what_to_roll_back_to(ws, tmp_path):
    register_double(ws, tmp_path)
    register_double(ws, tmp_path, 3.0)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    done = put_live(ws, model="double", version=2, slot=SLOT, reason="better")
    assert (done.superseded.version, get_live(ws, SLOT).roll_back_to) == (1, ("double", 1))
    roll_back(ws, slot=SLOT, reason="worse after all")
    assert [slot.live.version for slot in list_live(ws)] == [1]
    assert [(p.version, p.status) for p in list_history(ws, SLOT)] == [
        (1, "Production"), (2, "Archived"), (2, "Production"), (1, "Archived"), (2, "Staging"), (1, "Production"), (1, "Staging"),
    ]  # fmt: skip


def test_what_is_live_already_or_is_no_bundle_is_not_promoted(ws, tmp_path):
    register_double(ws, tmp_path)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    with pytest.raises(Refused, match="double@1 is in status Production, and Production -> Production is no legal transition"):
        promote(ws, model="double", version=1, slot=SLOT, reason="again")
    with begin_run(ws) as run:
        run.log_artifact(b"weights", "model")
    version = register(ws, model="weights", run=run.id, artifact="model", slot=SLOT)
    with pytest.raises(Refused, match=r"weights@1 cannot be served: its artifact has no bundle.json"):
        promote(ws, model="weights", version=version.version, slot=SLOT, reason="try")
    with pytest.raises(NotFound, match="no version 9 of model 'double'"):
        promote(ws, model="double", version=9, slot=SLOT, reason="try")
    assert get_live(ws, SLOT).live.reason == "first"


def test_a_bundle_whose_bytes_were_changed_never_goes_live(ws, tmp_path):
    version = register_double(ws, tmp_path, slot=SLOT)
    blobs = [path for path in (ws.folder / "blobs").rglob("*") if path.is_file() and path.read_bytes() == b"2.0"]
    assert len(blobs) == 1
    blobs[0].chmod(0o600)
    blobs[0].write_bytes(b"9.0")
    with pytest.raises(Corrupt):
        promote(ws, model="double", version=version.version, slot=SLOT, reason="damaged")
    assert get_live(ws, SLOT).live is None


def test_the_next_request_is_answered_by_the_version_that_was_just_promoted(ws, host, tmp_path):
    register_double(ws, tmp_path)
    register_double(ws, tmp_path, 3.0)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    assert ask(ws, host, 4.0).columns == {"y": [8.0], "is_big": [False]}
    put_live(ws, model="double", version=2, slot=SLOT, reason="better")
    answer = ask(ws, host, 4.0)
    assert (answer.columns["y"], answer.prediction.version) == ([12.0], 2)


def test_an_answer_is_on_record_and_a_refused_request_is_not(ws, host, tmp_path):
    register_double(ws, tmp_path)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    made = ask(ws, host, 4.0).prediction
    kept = ws.open_predictions().find(made.prediction_id)
    assert kept == made
    assert (kept.slot, kept.model, kept.version) == (SLOT, "double", 1)
    assert (kept.inputs, kept.output) == ([{"x": 4.0, "who": "ann"}], [{"y": 8.0, "is_big": False}])
    with pytest.raises(InvalidInput, match="'x', row 0: expected float, got str"):
        ask(ws, host, "4")


def test_only_the_live_version_answers_by_its_number(ws, tmp_path):
    register_double(ws, tmp_path)
    register_double(ws, tmp_path, 3.0)
    put_live(ws, model="double", version=2, slot=SLOT, reason="first")
    assert get_target(ws, SLOT, 2).name == "double@2"
    with pytest.raises(NotFound, match="version 1 is not live in slot double/eu; version 2 is"):
        get_target(ws, SLOT, 1)
    with pytest.raises(NotFound, match="there is no slot 'other'; there are: double/eu"):
        get_target(ws, "other")


def test_a_prediction_is_traced_to_version_run_and_bundle(ws, host, tmp_path):
    version = register_double(ws, tmp_path)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    made = ask(ws, host, 4.0).prediction
    lineage = trace(ws, made.prediction_id)
    found = {node.kind: node for node in lineage.list_origins()}
    assert lineage.nodes[lineage.subject].name == made.prediction_id
    assert (found["slot"].name, found["slot"].facts["reason"]) == (SLOT, "first")
    assert (found["version"].name, found["version"].digest) == ("double@1", version.bundle.digest)
    assert found["run"].name == version.run_id
    assert found["data"].digest == version.bundle.digest  # a script's run has no stage that made it


def test_a_run_a_version_and_a_bundle_are_traced_down_to_the_slot(ws, tmp_path):
    version = register_double(ws, tmp_path)
    put_live(ws, model="double", version=1, slot=SLOT, reason="first")
    for subject in (version.run_id, "double@1", version.bundle.digest, version.manifest):
        lineage = trace(ws, subject)
        told = [(step.role, step.node.name) for step in lineage.tell(lineage.uses)]
        assert ("Production in", SLOT) in told, subject


@pytest.mark.parametrize(
    ("subject", "error", "message"),
    [
        ("", InvalidInput, "no prediction, run, MODEL@VERSION or digest"),
        ("../../etc/passwd", InvalidInput, "no prediction, run"),
        ("md5:00", InvalidInput, "is not a digest"),
        ("blake3:" + "0" * 64, NotFound, "nothing recorded here was made from blake3:000"),
        ("prediction-00000000000000000000", NotFound, "no prediction 'prediction-0000"),
        ("double@7", NotFound, "no version 7"),
        ("run-nothere", NotFound, "run-nothere"),
    ],
)
def test_what_cannot_be_traced_says_why(ws, subject, error, message):
    with pytest.raises(error) as refused:
        trace(ws, subject)
    assert message in str(refused.value)


def test_notes_and_tags_are_appended_and_a_note_can_be_erased(ws, tmp_path):
    register_double(ws, tmp_path)
    set_tag(ws, model="double", version=1, name="owner", value="ops")
    set_tag(ws, model="double", version=1, name="owner", value="risk")
    note = add_note(ws, model="double", version=1, text="Ann Lee saw odd carriers")
    card = get_version_card(ws, model="double", version=1)
    assert (dict(card.tags), [n.text for n in card.notes], card.record.version.version) == (
        {"owner": "risk"},
        ["Ann Lee saw odd carriers"],
        1,
    )
    with ws.store.begin(read_only=True) as tx:
        entry = tx.ledger.get(note.entry)
        assert b"Ann Lee" not in entry.body
        assert len(tx.records.list_history("tag")) == 2
    erase_text(ws, commitment=entry.draft.payloads["text"], reason="asked to be forgotten")
    assert [n.text for n in get_version_card(ws, model="double", version=1).notes] == ["(erased)"]
    assert verify_ledger(ws).is_sound
    for bad in ("", " ", "x" * 20_000):
        with pytest.raises(InvalidInput):
            add_note(ws, model="double", version=1, text=bad)
    with pytest.raises(NotFound, match="no version 9"):
        add_note(ws, model="double", version=9, text="x")
    with pytest.raises(InvalidInput, match="a tag has a printable name"):
        set_tag(ws, model="double", version=1, name="\x1b[31m", value="x")


def test_a_workspace_from_before_the_ledger_opens_and_its_ledger_begins_by_naming_what_was_there(tmp_path):
    folder = tmp_path / "project"
    (folder / ".incumbent").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "golden" / "schema-0001.db", folder / ".incumbent" / "incumbent.db")
    old = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    found = get_live(old, "delay/us")
    assert (found.live.version, found.basis, found.live.reason) == (1, None, "golden")
    add_note(old, model="delay", version=1, text="still here")
    assert reconcile(old).differences == ()
    with old.store.begin(read_only=True) as tx:
        [began] = [record.body for record in tx.records.list_all("ledger")]
    assert [version["name"] for version in began["versions"]] == ["delay@1"]
    assert [(p["slot"], p["version"], p["status"]) for p in began["placements"]] == [("delay/us", "delay@1", "Production")]
    old.store.close()


def test_a_slot_in_which_nothing_was_ever_live_says_so_to_whoever_rolls_back(ws, tmp_path):
    register_double(ws, tmp_path, slot=SLOT)
    with pytest.raises(NotFound, match=f"nothing was ever live in slot {SLOT}, so .*`incumbent promote` puts a candidate in: double@1"):
        roll_back(ws, slot=SLOT, reason="x")


def test_a_slot_is_not_shown_as_it_will_be(ws, tmp_path):
    register_double(ws, tmp_path, slot=SLOT)
    with pytest.raises(InvalidInput, match="has not come yet, it is .*: leave the time out"):
        get_live(ws, SLOT, datetime.now(UTC) + timedelta(days=1))
    assert get_live(ws, SLOT, datetime.now(UTC) + timedelta(minutes=1)).staging  # a clock that is a little ahead is none of that
