"""Bytes over HTTP: asked for before they are sent, sent whole or in parts, verified, read in ranges."""

import base64
import hashlib
import json

import pytest

from asgi import Client, open_app
from incumbent.base.digest import digest_bytes
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Unavailable
from incumbent.usecases import blob_upload
from logins import open_empty

DATA = b"abcdefghij" * 300_000
DIGEST = digest_bytes(DATA, "blake3")
ABSENT = digest_bytes(b"absent", "blake3")
URL = f"/api/v1/blobs/{DIGEST}"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    ws = open_empty(tmp_path_factory.mktemp("blobs"))
    app = open_app(ws, single_user="always")
    yield ws, Client(app)
    app.close()
    ws.store.close()


@pytest.fixture
def ws(opened):
    yield opened[0]
    for digest in opened[0].blobs.list_digests():
        opened[0].blobs.delete(digest)
    for part in (opened[0].folder / "uploads").glob("*"):
        part.unlink()


@pytest.fixture
def client(opened, ws):
    return opened[1]


def patch(client, data, offset, complete, url=URL):
    headers = {"upload-offset": str(offset), "upload-complete": complete, "content-type": "application/octet-stream"}
    return client.ask("PATCH", f"{url}/upload", body=data, headers=headers)


def put(client, data, url=URL, **headers):
    return client.ask("PUT", url, body=data, headers={"content-type": "application/octet-stream", **headers})


def missing(client, *digests):
    answer = client.post(
        "/api/v1/blobs/missing", body=json.dumps({"digests": digests}).encode(), headers={"content-type": "application/json"}
    )
    return json.loads(answer.body)


def test_what_is_missing_is_sent_once_and_is_there_then(ws, client):
    assert missing(client, DIGEST, ABSENT, DIGEST) == {"missing": [DIGEST, ABSENT], "algorithm": "blake3"}
    answer = put(client, DATA)
    assert (answer.status, json.loads(answer.body)) == (201, {"digest": DIGEST, "size": 3_000_000})
    assert ws.blobs.get(DIGEST) == DATA
    assert missing(client, DIGEST, ABSENT) == {"missing": [ABSENT], "algorithm": "blake3"}


def test_bytes_that_are_not_what_they_are_called_are_not_stored(ws, client):
    answer = put(client, DATA[:-1])
    assert answer.status == 400
    assert digest_bytes(DATA[:-1], "blake3") in json.loads(answer.body)["detail"]
    right = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    for said in (f"sha-256=:{wrong}:", "md5=:AAAA:", "sha-256=:short:"):
        assert put(client, DATA, **{"repr-digest": said}).status == 400
    assert list(ws.blobs.list_digests()) == []
    assert put(client, DATA, **{"repr-digest": f"sha-256=:{right}:"}).status == 201


def test_bytes_are_read_whole_in_ranges_and_not_again(ws, client):
    put(client, DATA)
    whole = client.get(URL)
    assert (whole.status, whole.body == DATA, whole.get("etag")) == (200, True, f'"{DIGEST}"')
    assert whole.get("content-disposition") == "attachment"
    part = client.get(URL, headers={"range": "bytes=5-14"})
    assert (part.status, part.body, part.get("content-range")) == (206, b"fghijabcde", "bytes 5-14/3000000")
    assert client.get(URL, headers={"range": "bytes=3000000-"}).status == 416
    assert client.get(URL, headers={"if-none-match": f'"{DIGEST}"'}).status == 304
    head = client.ask("HEAD", URL)
    assert (head.status, head.body, head.get("content-length")) == (200, b"", "3000000")


def test_an_upload_in_parts_goes_on_where_it_broke_off(ws, client):
    assert client.get(f"{URL}/upload").status == 404
    first = patch(client, DATA[:1_000_000], 0, "?0")
    assert (first.status, first.get("upload-offset"), first.get("upload-complete")) == (200, "1000000", "?0")

    def broken():
        yield DATA[1_000_000:1_500_000]
        raise ConnectionError("the line is gone")

    with pytest.raises(ConnectionError):
        blob_upload.append_upload(ws, digest=DIGEST, offset=1_000_000, pieces=broken(), is_last=True, bytes_max=1 << 30)
    asked = client.get(f"{URL}/upload")
    assert (asked.get("upload-offset"), json.loads(asked.body)["offset"]) == ("1500000", 1_500_000)
    wrong = patch(client, DATA[1_000_000:], 1_000_000, "?1")
    assert (wrong.status, "go on at 1500000" in wrong.text) == (409, True)
    last = patch(client, DATA[1_500_000:], 1_500_000, "?1")
    assert json.loads(last.body) == {"digest": DIGEST, "offset": 3_000_000, "complete": True}
    assert ws.blobs.get(DIGEST) == DATA
    assert client.get(f"{URL}/upload").status == 404
    assert list((ws.folder / "uploads").iterdir()) == []


def test_an_upload_that_turns_out_to_be_something_else_is_thrown_away(ws, client):
    assert patch(client, DATA[:-1], 0, "?1").status == 400
    assert client.get(f"{URL}/upload").status == 404
    assert list(ws.blobs.list_digests()) == []


def test_an_upload_can_be_given_up_and_is_limited_in_size_and_number(ws, client):
    patch(client, b"abc", 0, "?0")
    assert client.ask("DELETE", f"{URL}/upload").status == 200
    assert client.get(f"{URL}/upload").status == 404
    with pytest.raises(InvalidInput, match="more than 5 bytes"):
        blob_upload.append_upload(ws, digest=DIGEST, offset=0, pieces=[b"abc", b"def"], is_last=False, bytes_max=5)
    blob_upload.drop_upload(ws, digest=DIGEST)
    others = [digest_bytes(str(number).encode(), "blake3") for number in range(blob_upload.UPLOADS_MAX)]
    for other in others:
        blob_upload.append_upload(ws, digest=other, offset=0, pieces=[b"x"], is_last=False, bytes_max=5)
    with pytest.raises(Unavailable, match="16 uploads of .* are under way"):
        blob_upload.append_upload(ws, digest=DIGEST, offset=0, pieces=[b"x"], is_last=False, bytes_max=5)


def test_a_part_that_somebody_else_sends_at_the_moment_is_a_conflict(ws):
    def pieces():
        yield b"abc"
        with pytest.raises(Conflict, match="at this moment"):
            blob_upload.append_upload(ws, digest=DIGEST, offset=3, pieces=[b"x"], is_last=False, bytes_max=9)

    assert blob_upload.append_upload(ws, digest=DIGEST, offset=0, pieces=pieces(), is_last=False, bytes_max=9) == (3, None)


@pytest.mark.parametrize(
    "name",
    [
        "blake3:../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "blake3%3A" + "0" * 63, "BLAKE3:" + "0" * 64, "blake3:" + "A" * 64,
        "sha256:" + "0" * 64, "blake3:" + "0" * 64 + "%00", "%00", "x" * 10_000, "blake3:" + "0" * 64 + "%0A",
    ],
)  # fmt: skip
def test_what_is_no_digest_of_this_workspace_names_nothing(ws, client, name):
    url = f"/api/v1/blobs/{name}"
    answers = [client.get(url), put(client, b"x", url=url), client.get(f"{url}/upload"), patch(client, b"x", 0, "?0", url=url)]
    assert {answer.status for answer in answers} <= {400, 404, 414}
    assert 400 in {answer.status for answer in answers} or "/" in name  # a path of more segments leads nowhere
    assert list(ws.blobs.list_digests()) == []
    assert not list((ws.folder / "uploads").glob("*"))


@pytest.mark.parametrize(("offset", "complete"), [("", "?1"), ("-1", "?1"), ("1e3", "?1"), ("٣", "?1"), ("0", "yes"), ("0", "")])
def test_where_a_part_goes_is_said_exactly(client, offset, complete):
    headers = [("upload-offset", offset.encode().decode("latin-1")), ("upload-complete", complete)]
    assert client.ask("PATCH", f"{URL}/upload", body=b"x", headers=headers).status == 400


def test_what_is_not_there_is_not_found(client):
    assert client.get(f"/api/v1/blobs/{ABSENT}").status == 404


def test_a_stored_digest_of_another_algorithm_is_refused_before_a_byte_is_read(ws):
    def never():
        raise AssertionError("nothing is to be read")
        yield b""

    with pytest.raises(InvalidInput, match="names bytes by blake3"):
        blob_upload.put_blob(ws, digest="sha256:" + "0" * 64, pieces=never())
    with pytest.raises(NotFound):
        blob_upload.get_blob_size(ws, digest=ABSENT)
    with pytest.raises(InvalidInput, match="at most 10000"):
        blob_upload.find_missing(ws, digests=[ABSENT] * 10_001)
