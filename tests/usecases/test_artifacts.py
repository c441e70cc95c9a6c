"""`artifacts verify`, `gc` and `get`: nothing needed goes, nothing damaged passes, nothing is written outside."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused
from incumbent.pipeline.action import Action, Resources
from incumbent.registry.model import ModelVersion
from incumbent.storage.blobs_local import open_local_blobs
from incumbent.tracking.run import CodeVersion, Run, RunArtifact, StageRun
from incumbent.usecases.collect_garbage import Retention, collect_garbage
from incumbent.usecases.get_artifact import get_artifact
from incumbent.usecases.log_run import seal_run
from incumbent.usecases.verify_artifacts import verify_artifacts
from incumbent.usecases.workspace import Workspace
from ledgers import add, begin
from tracked import open_tracked

AT = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return replace(open_tracked(folder), blobs=open_local_blobs(folder / "blobs", "blake3"))


def put(ws: Workspace, text: str) -> Artifact:
    stored = ws.blobs.put([text.encode()])
    return Artifact("bytes", stored.digest, stored.size)


def put_tree(ws: Workspace, entries: list[dict[str, object]]) -> Artifact:
    stored = ws.blobs.put([document_bytes({"entries": entries})])  # type: ignore[dict-item]
    return Artifact("tree", stored.digest, stored.size, "folder")


def put_list(ws: Workspace, items: list[Artifact]) -> Artifact:
    stored = ws.blobs.put([document_bytes({"items": [item.to_json() for item in items]})])
    return Artifact("list", stored.digest, stored.size)


def entry(path: str, artifact: Artifact, executable: bool = False) -> dict[str, object]:
    return {"path": path, "digest": artifact.digest, "size": artifact.size, "executable": executable}


def fill(ws: Workspace) -> Run:
    """One run with a stage whose output is a list of a folder, a log, an input, and an action; one version; all sealed."""
    run = Run("run-aaaaaaaa", "e", "n", "p", None, "running", AT, None, 1, CodeVersion(), {"notes": digest_bytes(b"a fact's blob")})
    put(ws, "a fact's blob")
    output = put_list(ws, [put_tree(ws, [entry("bin/x", put(ws, "deep"), True), entry("y", put(ws, "deeper"))]), put(ws, "item")])
    data, log, bundle = put(ws, "data"), put(ws, "log"), put(ws, "bundle")
    with ws.store.begin() as tx:
        tx.runs.create(run)
        [code] = tx.documents.put([{"kind": "code"}])
        recipe = {"kind": "recipe", "stage": "train", "data": {"raw": data.identity}, "code": code, "outputs": ["model"]}
        key = digest_bytes(document_bytes(recipe))  # type: ignore[arg-type]
        tx.actions.record(Action(key, "train", {"model": output}, (), (), log.digest, Resources(), run.run_id, AT), recipe)  # type: ignore[arg-type]
        tx.runs.record_stage(run.run_id, StageRun("train", None, "ran", key, {"raw": data}, {"model": output}, log.digest))
        tx.runs.record_artifacts([RunArtifact(run.run_id, "input", "raw", data), RunArtifact(run.run_id, "output", "model", output)])
        [manifest] = tx.documents.put([{"kind": "version"}])
        begin(tx, ws.keys)
        add(tx, ModelVersion("m", 0, bundle, run.run_id, key, manifest, AT, "me"))
    return seal_run(ws, run=run, state="finished")


def in_an_hour(ws: Workspace) -> Workspace:
    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(hours=2)

        def sleep(self, seconds: float) -> None:
            raise AssertionError

    return replace(ws, clock=Later())


def test_what_was_written_verifies(ws: Workspace) -> None:
    fill(ws)
    found = verify_artifacts(ws)
    assert found.problems == ()
    assert (found.blobs, found.documents, found.actions, found.runs) == (9, 4, 1, 1)


def test_gc_removes_what_nothing_reaches_and_only_that(ws: Workspace) -> None:
    fill(ws)
    orphan = put(ws, "an attempt that failed")
    with ws.store.begin() as tx:
        [unneeded] = tx.documents.put([{"kind": "code", "of": "nothing"}])
    later = in_an_hour(ws)
    would = collect_garbage(later, dry_run=True)
    assert ws.blobs.size(orphan.digest) is not None
    done = collect_garbage(later)
    assert would.blobs == done.blobs == ((orphan.digest, orphan.size),)
    assert done.documents == (unneeded,)
    assert (done.freed_bytes, done.kept_blobs, would.kept_blobs) == (orphan.size, 9, 9)
    assert verify_artifacts(ws).problems == ()
    assert collect_garbage(later).blobs == ()


def test_gc_leaves_what_is_younger_than_the_grace_period(ws: Workspace) -> None:
    orphan = put(ws, "of a run that has not recorded it yet")
    assert collect_garbage(ws).blobs == ()
    assert ws.blobs.size(orphan.digest) == orphan.size


def test_gc_leaves_a_blob_that_is_put_again_while_it_looks(ws: Workspace) -> None:
    """The clock of the store says when it was put; here it is put between the look at the store and the delete."""
    orphan = put(ws, "x")
    blobs = ws.blobs
    put_again: list[Digest] = []

    class Busy:
        algorithm = blobs.algorithm

        def __getattr__(self, name: str) -> object:
            return getattr(blobs, name)

        def delete(self, digest: Digest, *, before: datetime | None = None) -> bool:
            put_again.append(blobs.put([b"x"]).digest)
            return blobs.delete(digest, before=before)

    import time

    time.sleep(0.05)  # older than file systems tick
    assert collect_garbage(replace(ws, blobs=Busy()), grace_s=0.02).blobs == ()  # type: ignore[arg-type]
    assert put_again == [orphan.digest]
    assert blobs.get(orphan.digest) == b"x"


def test_outputs_of_an_action_whose_run_is_not_there_may_go(ws: Workspace) -> None:
    output = put(ws, "x")
    recipe = {"kind": "recipe", "stage": "s"}
    with ws.store.begin() as tx:
        key = digest_bytes(document_bytes(recipe))
        tx.actions.record(Action(key, "s", {"o": output}, (), (), None, Resources(), "run-gone", AT), recipe)
    assert [digest for digest, _ in collect_garbage(in_an_hour(ws)).blobs] == [output.digest]


def test_gc_stops_when_it_cannot_know_what_is_needed(ws: Workspace) -> None:
    run = fill(ws)
    with ws.store.begin() as tx:
        output = next(row.artifact for row in tx.runs.list_artifacts(run.run_id) if row.name == "model")
    ws.blobs.delete(output.digest)
    before = sorted(ws.blobs.list_digests())
    with pytest.raises(Corrupt, match="what they need is unknown and nothing was removed; first: run run-aaaaaaaa, "):
        collect_garbage(in_an_hour(ws))
    assert sorted(ws.blobs.list_digests()) == before
    assert len(collect_garbage(in_an_hour(ws), ignore_damage=True).blobs) == 4


@pytest.mark.parametrize("grace_s", [-1.0, float("nan"), float("inf")])
def test_a_senseless_grace_period_is_refused(ws: Workspace, grace_s: float) -> None:
    with pytest.raises(InvalidInput, match="grace period"):
        collect_garbage(ws, grace_s=grace_s)


def flip(ws: Workspace, digest: Digest) -> None:
    name = digest.partition(":")[2]
    path = ws.folder / "blobs" / name[:2] / name[2:]
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def run_sql(ws: Workspace, *statements: str) -> None:
    with ws.store._database.begin(durable=True, read_only=False) as session:  # type: ignore[attr-defined]
        for statement in statements:
            session.run(statement)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda ws: flip(ws, digest_bytes(b"deeper")), "is damaged: its bytes have digest"),
        (lambda ws: ws.blobs.delete(digest_bytes(b"item")), "is not in the store: run run-aaaaaaaa, "),
        (lambda ws: run_sql(ws, "UPDATE documents SET body = CAST('{}' AS BLOB)"), "is not what was written"),
        (lambda ws: run_sql(ws, "DELETE FROM documents WHERE digest IN (SELECT key FROM actions)"), "has no sound recipe"),
        (lambda ws: run_sql(ws, "UPDATE actions SET stage = 'other'"), "of stage other is not what was written; it is not used"),
        (
            lambda ws: run_sql(ws, "DROP TRIGGER runs_sealed_update", "UPDATE runs SET name = 'forged'"),
            "trigger runs_sealed_update is missing",
        ),
        (
            lambda ws: run_sql(ws, "DROP TRIGGER runs_sealed_update", "UPDATE runs SET name = 'forged'"),
            "run run-aaaaaaaa is not what was sealed .*: name changed since",
        ),
    ],
)
def test_verify_finds_what_was_changed_behind_its_back(ws: Workspace, damage: Callable[[Workspace], object], words: str) -> None:
    fill(ws)
    damage(ws)
    import re

    assert any(re.search(words, problem) for problem in verify_artifacts(ws).problems)


def test_an_artifact_is_copied_out_whole_writable_and_apart_from_the_store(ws: Workspace, tmp_path: Path) -> None:
    fill(ws)
    get_artifact(ws, reference="run-aaaaaaaa:model", target=tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        "0/bin/x": "deep", "0/y": "deeper", "1": "item"
    }  # fmt: skip
    assert os.access(tmp_path / "out" / "0" / "bin" / "x", os.X_OK)
    (tmp_path / "out" / "1").write_text("mine now")
    get_artifact(ws, reference=str(digest_bytes(b"item")), target=tmp_path / "again")
    assert (tmp_path / "again").read_text() == "item"
    with pytest.raises(Conflict, match="again exists"):
        get_artifact(ws, reference=str(digest_bytes(b"item")), target=tmp_path / "again")


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "a//b", ".", "a\\..\\b", "a/\0"])
def test_a_forged_folder_does_not_lead_out(ws: Workspace, tmp_path: Path, path: str) -> None:
    tree = put_tree(ws, [entry(path, put(ws, "evil"))])
    with ws.store.begin() as tx:
        tx.runs.create(Run("run-forged", "e", "n", "p", None, "running", AT, None, 1, CodeVersion(), {}))
        tx.runs.record_artifacts([RunArtifact("run-forged", "output", "x", tree)])
    with pytest.raises(Corrupt, match="not a path inside it"):
        get_artifact(ws, reference="run-forged:x", target=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.rglob("evil*")) == []


def test_what_is_not_there_to_get_is_said(ws: Workspace, tmp_path: Path) -> None:
    fill(ws)
    for reference, error, words in (
        ("run-aaaaaaaa:none", NotFound, "it has model, raw"),
        ("run-none:x", NotFound, "no run"),
        ("model", InvalidInput, "write RUN:NAME"),
        ("blake3:../../x", InvalidInput, "is not a digest"),
        ("blake3:" + "0" * 64, NotFound, "no blob"),
    ):
        with pytest.raises(error, match=words):
            get_artifact(ws, reference=reference, target=tmp_path / "x")


def test_the_command_lists_verifies_and_collects(tmp_path: Path) -> None:
    import json

    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0"\n')

    def command(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "incumbent", "artifacts", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    assert json.loads(command("verify", "--json")[1])["problems"] == []
    assert command("verify") == (0, "checked 0 blobs (0 B), 0 documents, 0 cached actions, 0 sealed runs\nall is what was written\n")
    assert command("gc", "--dry-run") == (0, "would remove 0 blobs (0 B) and 0 documents; 0 blobs stay\n")
    assert command("ls", "run-none")[0] == 3
    assert command("get", "blake3:" + "0" * 64, "--output", "x")[0] == 3
    assert command("get", "nonsense")[0] == 2


def add_run(ws: Workspace, run_id: str, *, text: str, pipeline: str = "p", day: int = 1, key_of: str | None = None) -> Action:
    """A finished pipeline run of one stage that gave `text`; `key_of`: took the result of that run's action as a hit."""
    at = datetime(2013, 1, day, tzinfo=UTC)
    run = Run(run_id, "e", "n", pipeline, None, "running", at, None, 1, CodeVersion(), {})
    output, source = put(ws, text), put(ws, f"source of {run_id}")
    recipe = {"kind": "recipe", "stage": "train", "data": {"raw": source.identity if key_of is None else ""}, "of": key_of or run_id}
    key = digest_bytes(document_bytes(recipe))  # type: ignore[arg-type]
    action = Action(key, "train", {"model": output}, (), (), None, Resources(), run_id, at)
    with ws.store.begin() as tx:
        tx.runs.create(run)
        if key not in tx.actions.find([key]):
            tx.actions.record(action, recipe)  # type: ignore[arg-type]
        tx.runs.record_stage(run_id, StageRun("train", None, "ran", key, {"raw": source}, {"model": output}))
        tx.runs.record_artifacts([RunArtifact(run_id, "input", "raw", source), RunArtifact(run_id, "output", "model", output)])
    seal_run(ws, run=run, state="finished", ended_at=at)
    return action


def spend(ws: Workspace, **options: object) -> set[str]:
    """Collect under a retention; return the texts of the blobs that went."""
    before = {digest: ws.blobs.get(digest).decode() for digest in ws.blobs.list_digests()}
    would = collect_garbage(in_an_hour(ws), retention=Retention(**options), dry_run=True)  # type: ignore[arg-type]
    assert set(ws.blobs.list_digests()) == before.keys()
    done = collect_garbage(in_an_hour(ws), retention=Retention(**options))  # type: ignore[arg-type]
    assert (would.blobs, would.documents, would.actions) == (done.blobs, done.documents, done.actions)
    assert verify_artifacts(ws).problems == ()
    return {before[digest] for digest, _ in done.blobs}


def test_older_runs_keep_their_record_and_data_but_not_what_their_stages_gave(ws: Workspace) -> None:
    old = [add_run(ws, f"run-aaaaaaa{day}", text=f"output {day}", day=day) for day in (1, 2, 3)]
    with ws.store.begin(read_only=True) as tx:
        documents = set(tx.documents.list_digests())
    assert spend(ws, keep_runs=2) == {"output 1"}
    assert spend(ws, keep_runs=2) == set()
    assert spend(ws, keep_runs=0) == {"output 2", "output 3"}
    with ws.store.begin(read_only=True) as tx:
        assert set(tx.documents.list_digests()) == documents, "recipes and manifests are the record"
        assert tx.actions.find([action.key for action in old]) == {}, "no entry promises what is gone"


def test_each_pipeline_has_newest_runs_of_its_own_and_scripts_keep_all(ws: Workspace) -> None:
    add_run(ws, "run-aaaaaaa1", text="p", day=1)
    add_run(ws, "run-aaaaaaa2", text="q", day=2, pipeline="q")
    add_run(ws, "run-aaaaaaa3", text="script", day=1, pipeline="")
    assert spend(ws, keep_runs=1) == set()
    assert spend(ws, older_than_days=1) == {"p", "q"}


def test_a_run_goes_only_when_it_is_past_every_limit(ws: Workspace) -> None:
    add_run(ws, "run-aaaaaaa1", text="1", day=1)
    assert spend(ws, keep_runs=1, older_than_days=0) == set()
    assert spend(ws, keep_runs=0, older_than_days=30_000) == set()
    assert spend(ws, keep_runs=0, older_than_days=0) == {"1"}


def test_what_a_kept_run_took_from_an_older_one_stays_and_stays_a_hit(ws: Workspace) -> None:
    action = add_run(ws, "run-aaaaaaa1", text="shared", day=1, key_of="both")
    add_run(ws, "run-aaaaaaa2", text="shared", day=2, key_of="both")
    assert spend(ws, keep_runs=1) == set()
    with ws.store.begin(read_only=True) as tx:
        assert tx.actions.find([action.key]) == {action.key: action}


def test_a_run_that_a_version_came_from_keeps_everything(ws: Workspace) -> None:
    action = add_run(ws, "run-aaaaaaa1", text="model", day=1)
    with ws.store.begin() as tx:
        [manifest] = tx.documents.put([{"kind": "version"}])
        begin(tx, ws.keys)
        add(tx, ModelVersion("m", 0, action.outputs["model"], "run-aaaaaaa1", action.key, manifest, AT, "me"))
    assert spend(ws, keep_runs=0) == set()


def test_a_running_run_is_never_past_a_limit(ws: Workspace) -> None:
    output = put(ws, "given by a run that goes on")
    with ws.store.begin() as tx:
        tx.runs.create(Run("run-running", "e", "n", "p", None, "running", AT, None, 1, CodeVersion(), {}))
        tx.runs.record_stage("run-running", StageRun("s", None, "ran", None, {}, {"o": output}))
    assert spend(ws, keep_runs=0, older_than_days=0) == set()


def test_gc_of_blobs_that_other_checkouts_may_need_wants_a_word(ws: Workspace) -> None:
    orphan = put(ws, "of another checkout's run")
    shared = replace(in_an_hour(ws), owns_blobs=False)
    with pytest.raises(Refused, match="other checkouts keep there"):
        collect_garbage(shared)
    assert ws.blobs.size(orphan.digest) is not None
    assert collect_garbage(shared, dry_run=True).blobs == ((orphan.digest, orphan.size),)
    assert collect_garbage(shared, is_sole_user=True).blobs == ((orphan.digest, orphan.size),)


@pytest.mark.parametrize(
    "limits", [{"keep_runs": -1}, {"older_than_days": -0.1}, {"older_than_days": float("nan")}, {"older_than_days": 1e9}]
)
def test_a_senseless_limit_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="expected 0"):
        Retention(**limits)  # type: ignore[arg-type]
