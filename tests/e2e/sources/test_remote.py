"""Object storage (against moto's S3 server) and Delta tables (local and on that server).

Google Cloud Storage goes through the same functions with another store class; there is no emulator here, so only its errors run.
"""

import os

import deltalake
import obstore
import pyarrow as pa
import pytest
from obstore.store import S3Store

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from incumbent.execution.sources import objects as objects_module
from incumbent.pipeline.source import delta, objects


def fill(bucket, **content):
    store = S3Store(bucket, client_options={"allow_http": True})
    for key, data in content.items():
        obstore.put(store, key, data)
    return store


DATA = {"raw/a.csv": b"1", "raw/2013/b.csv": b"22", "raw/2013/odd &?#%20ü.csv": b"333", "rawer/c.csv": b"4444", "raw/2013/": b""}


def test_a_prefix_is_a_tree_and_a_like_named_one_is_left_out(s3_project, bucket):
    fill(bucket, **DATA)
    for url in (f"s3://{bucket}/raw", f"s3://{bucket}/raw/"):
        captured = s3_project.capture(objects(url))
        assert s3_project.tree(captured) == {"2013/b.csv": (b"22", False), "2013/odd &?#%20ü.csv": (b"333", False), "a.csv": (b"1", False)}
        assert (captured.artifact.name, captured.artifact.size, captured.version) == ("raw", 6, "3 objects, 6 bytes")
        assert captured.facts == {"objects": 3}
    assert s3_project.sources.signature(objects(f"s3://{bucket}/raw")) is None
    one = s3_project.capture(objects(f"s3://{bucket}/raw/a.csv"))
    assert s3_project.tree(one) == {"a.csv": (b"1", False)}
    assert len(s3_project.tree(s3_project.capture(objects(f"s3://{bucket}")))) == 4


def test_only_new_objects_are_read(s3_project, bucket, monkeypatch):
    store = fill(bucket, **DATA)
    first = s3_project.capture(objects(f"s3://{bucket}/raw"))
    real, seen = obstore.get, []
    monkeypatch.setattr(obstore, "get", lambda store, key, **how: seen.append(key) or real(store, key, **how))
    assert s3_project.capture(objects(f"s3://{bucket}/raw")) == first
    assert seen == []
    obstore.put(store, "raw/a.csv", b"!")
    obstore.put(store, "raw/new.csv", b"n")
    progress = []
    second = s3_project.capture(objects(f"s3://{bucket}/raw"), progress=lambda *at: progress.append(at))
    assert sorted(seen) == ["raw/a.csv", "raw/new.csv"]
    assert progress == [(1, 2), (2, 2)]
    assert s3_project.tree(second)["a.csv"] == (b"!", False)
    assert s3_project.tree(s3_project.capture(objects(f"s3://{bucket}/raw"), anew=True)) == s3_project.tree(second)
    assert len(seen) == 6


def test_a_collected_object_is_read_again(s3_project, bucket):
    fill(bucket, **DATA)
    first = s3_project.capture(objects(f"s3://{bucket}/raw/a.csv"))
    for digest in list(s3_project.blobs.list_digests()):
        s3_project.blobs.delete(digest)
    assert s3_project.capture(objects(f"s3://{bucket}/raw/a.csv")) == first
    assert s3_project.tree(first) == {"a.csv": (b"1", False)}


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_an_object_that_changes_after_it_was_listed_is_a_conflict(s3_project, bucket, monkeypatch, change):
    store = fill(bucket, **DATA)
    real = objects_module._list

    def list_then_change(*arguments):
        found = real(*arguments)
        if change == "replaced":
            obstore.put(store, "raw/a.csv", b"2")
        else:
            obstore.delete(store, "raw/a.csv")
        return found

    monkeypatch.setattr(objects_module, "_list", list_then_change)
    with pytest.raises(Conflict, match=r"the object 'raw/a\.csv' under .* was replaced while it was read; nothing was taken in, run again"):
        s3_project.capture(objects(f"s3://{bucket}/raw"))


@pytest.mark.parametrize("keys", [["d/a", "d/a/b"], ["d/a\\b"], ["d/" + "x" * 300]])
def test_keys_that_no_folder_can_hold_are_refused(s3_project, bucket, keys):
    fill(bucket, **dict.fromkeys(keys, b"x"))
    with pytest.raises(InvalidInput, match=r"the object 'd/.*(as if that were a folder|no folder can hold|too long)"):
        s3_project.capture(objects(f"s3://{bucket}/d"))


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("s3://{bucket}/none", InvalidInput, "there is no object under s3://.*/none"),
        ("s3://{bucket}-none/x", NotFound, "does not exist"),
        ("s3://key:secret@{bucket}/x", InvalidInput, "without credentials"),
        ("s3:///x", InvalidInput, "is not an address of objects"),
        ("http://{bucket}/x", InvalidInput, r"write s3://bucket/prefix or gs://bucket/prefix"),
        ("data/x", InvalidInput, "is not an address of objects"),
    ],
)
def test_bad_addresses_are_one_clear_line(s3_project, bucket, url, error, message):
    with pytest.raises(error, match=message) as found:
        s3_project.capture(objects(url.format(bucket=bucket)))
    assert "\n" not in str(found.value)


def test_storage_that_is_away_is_unavailable(s3_project, bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="cannot be reached.*nothing was taken in") as found:
        s3_project.capture(objects(f"s3://{bucket}/raw"))
    assert "\n" not in str(found.value)


def test_google_storage_without_an_answer_is_unavailable(project, monkeypatch, tmp_path):
    service = tmp_path / "service.json"
    service.write_text(
        '{"gcs_base_url": "http://127.0.0.1:1", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}'
    )
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(service))
    with pytest.raises(Unavailable, match="gs://any/raw cannot be reached"):
        project.capture(objects("gs://any/raw"))


ROWS = pa.table({"carrier": ["AA", "UA", "AA"], "delay": [1, None, 3], "month": [1, 1, 2]})


def read_rows(project, captured):
    return sorted(project.table(captured).to_pylist(), key=str)


@pytest.fixture(params=["local", "s3"])
def table(request, s3_project, bucket):
    address = "tables/flights" if request.param == "local" else f"s3://{bucket}/flights"
    target = str(s3_project.root / address) if request.param == "local" else address
    os.makedirs(s3_project.root / "tables", exist_ok=True)
    deltalake.write_deltalake(target, ROWS, partition_by=["month"])
    return address, target


def test_a_delta_table_is_captured_at_its_newest_version_or_a_fixed_one(s3_project, table):
    address, target = table
    first = s3_project.capture(delta(address))
    assert read_rows(s3_project, first) == sorted(ROWS.to_pylist(), key=str)
    assert first.version == "version 0, 3 rows"
    assert first.facts == {"version": 0, "rows": 3, "columns": {"carrier": "string", "delay": "int64", "month": "int64"}}
    assert s3_project.capture(delta(address)) == first
    deltalake.write_deltalake(target, ROWS.slice(0, 1), mode="append")
    second = s3_project.capture(delta(address))
    assert (second.version, second.artifact.digest != first.artifact.digest) == ("version 1, 4 rows", True)
    assert s3_project.capture(delta(address, version=0)) == first
    deltalake.DeltaTable(target).delete("carrier = 'AA'")
    assert s3_project.table(s3_project.capture(delta(address))).to_pylist() == [{"carrier": "UA", "delay": None, "month": 1}]


def test_a_version_reads_the_same_for_everyone(s3_project, table):
    address, target = table
    for _ in range(5):
        deltalake.write_deltalake(target, ROWS, mode="append")
    first = s3_project.capture(delta(address))
    assert s3_project.capture(delta(address), anew=True).artifact == first.artifact


def test_a_table_made_anew_under_the_same_version_is_not_taken_for_the_old_one(s3_project, table):
    address, target = table
    if "://" in target:
        return  # removing a table there is one more API, and the rule does not look at where it lies
    import shutil

    first = s3_project.capture(delta(address))
    shutil.rmtree(target)
    deltalake.write_deltalake(target, ROWS.slice(0, 2))
    second = s3_project.capture(delta(address))
    assert (second.version, second.artifact.digest != first.artifact.digest) == ("version 0, 2 rows", True)


def test_a_local_tables_signature_moves_with_every_version_and_a_remote_one_has_none(s3_project, table):
    address, target = table
    s3_project.settle()
    before = s3_project.sources.signature(delta(address))
    if "://" in address:
        assert before is None
        return
    assert before == s3_project.sources.signature(delta(address)) is not None
    deltalake.write_deltalake(target, ROWS, mode="append")
    s3_project.settle()
    assert s3_project.sources.signature(delta(address)) != before


def test_what_is_no_table_or_no_version_is_said(s3_project, table, bucket):
    address, _ = table
    s3_project.write("folder/x")
    for spec, error, message in (
        (delta(address, version=7), NotFound, "has no version 7"),
        (delta("folder"), NotFound, "folder is not a Delta table"),
        (delta("gone"), NotFound, "gone does not exist"),
        (delta("../out"), InvalidInput, "leaves the project"),
        (delta(f"s3://{bucket}/none"), NotFound, "is not a Delta table"),
    ):
        with pytest.raises(error, match=message) as found:
            s3_project.capture(spec)
        assert "\n" not in str(found.value)
