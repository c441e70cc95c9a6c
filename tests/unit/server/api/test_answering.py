"""What every operation has from the frame: strict reading, pages, ETags, problem documents."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi import Client, open_app
from incumbent.base.errors import InvalidInput
from incumbent.server.api.cursor import cut_page, read_cursor, write_cursor
from incumbent.server.api.operation import Call
from incumbent.server.messages import Request
from logins import MovedClock, open_empty

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    clock = MovedClock()
    ws = open_empty(tmp_path_factory.mktemp("answering"), clock)
    app = open_app(ws)
    yield Client(app, dict(JSON)), clock
    app.close()
    ws.store.close()


def send(client, path, value, method="POST"):
    answer = client.ask(method, f"/api/v1{path}", body=json.dumps(value).encode())
    return answer.status, json.loads(answer.body)


def begin(client, clock, **more):
    clock.move(seconds=1)
    status, run = send(client, "/runs", {"experiment": "e", **more})
    assert status == 201, run
    return run["run_id"]


def walk(client, path):
    """Return the pages that the Link headers lead to; `next_cursor` says the same."""
    pages = []
    while path:
        answer = client.get(path)
        assert answer.status == 200, answer.text
        body = json.loads(answer.body)
        pages.append(body["items"])
        link = answer.get("link")
        assert (link is None) == (body["next_cursor"] is None)
        assert link is None or f"cursor={body['next_cursor']}" in link
        path = link and link.removeprefix("<").partition(">")[0]
    return pages


BAD_BODIES = {
    b"": "not JSON",
    b"{": "not JSON",
    b"\xff\xfe": "not JSON in UTF-8",
    b"[]": "Expected `object`",
    b'{"experiment":"e","experiment":"f"}': "names the key 'experiment' twice",
    b'{"experiment":"e","tags":{"a":"1","a":"2"}}': "names the key 'a' twice",
    b'{"experiment":"e","nonsense":1}': "unknown field `nonsense`",
    b'{"experiment":"e","code":{"nonsense":1}}': "unknown field `nonsense`",
    b'{"experiment":1}': "Expected `str`, got `int`",
    b'{"experiment":""}': "length >= 1",
    b'{"experiment":"e","seed":true}': "Expected `int | null`, got `bool`",
    b'{"experiment":"e","seed":1.5}': "Expected `int | null`, got `float`",
    b'{"experiment":"e","seed":9223372036854775808}': "beyond 64 bits",
    b'{"experiment":"e","params":{"a":NaN}}': "NaN or an infinity",
    b'{"experiment":"e","params":{"a":1e999}}': "NaN or an infinity",
    b'{"experiment":"e","params":{"a":-Infinity}}': "NaN or an infinity",
    b'{"experiment":"e","params":{"a":"\\ud800"}}': "half of a surrogate pair",
    b'{"experiment":"e","params":{"\\udfff":1}}': "half of a surrogate pair",
    b'{"experiment":"e","params":{"a":' + b"[" * 40 + b"]" * 40 + b"}}": "nested more than 32 deep",
    b'{"experiment":"e","params":{"a":' + b"[" * 200_000: "nested too deeply",
    b'{"experiment":"e","started_at":"2026-01-01T00:00:00"}': "timezone",
    b'{"experiment":"e","started_at":"0001-01-01T00:00:00+14:00"}': "no time at which",
    b'{"experiment":"e\\n"}': "printable",
    b'{"experiment":"e","run_id":"run-../../x"}': "is no run id",
    b'{"experiment":"e","seed":' + b"9" * 5000 + b"}": "not JSON",
}


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: body[:40].decode("latin-1"))
def test_a_body_that_cannot_be_meant_is_refused_with_what_is_wrong(world, body):
    answer = world[0].post("/api/v1/runs", body=body)
    problem = json.loads(answer.body)
    assert (answer.status, answer.get("content-type")) == (400, "application/problem+json")
    assert (problem["type"], problem["status"], problem["title"]) == ("/api/v1/problems/invalid-input", 400, "Bad Request")
    assert BAD_BODIES[body] in problem["detail"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("nonsense=1", "unknown field `nonsense`"), ("limit=0", "1 to 500"), ("limit=501", "1 to 500"), ("limit=x", "1 to 500"),
        ("limit=%D9%A1", "1 to 500"), ("limit=", "1 to 500"), ("limit=1&limit=2", "a field twice"), ("cursor=x", "none of this list"),
        ("cursor=%00", "none of this list"), ("query", "cannot be read"), ("query=%ff", "cannot be read"), ("query=nonsense", "nonsense"),
        ("cursor=" + "A" * 3000, "none of this list"), ("&".join(f"a{n}=1" for n in range(300)), "cannot be read"),
    ],
)  # fmt: skip
def test_a_query_string_that_is_not_understood_whole_is_refused(world, query, says):
    answer = world[0].get(f"/api/v1/runs?{query}")
    assert (answer.status, says in json.loads(answer.body)["detail"]) == (400, True), answer.text


def test_a_body_of_another_type_or_where_none_is_read_is_refused(world):
    client, _ = world
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
        assert Client(client.app, {"content-type": kind}).post("/api/v1/runs", body=b'{"experiment":"e"}').status == 415
    assert client.post("/api/v1/runs").status == 400
    assert json.loads(client.get("/api/v1/slots", body=b"{}").body)["detail"] == "this takes no body"


def test_what_is_read_has_an_etag_and_whoever_has_it_already_gets_no_body(world):
    client, clock = world
    run = begin(client, clock)
    first = client.get(f"/api/v1/runs/{run}")
    etag = first.get("etag")
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(f"/api/v1/runs/{run}", headers={"if-none-match": held})
        assert (again.status, again.body, again.get("etag")) == (304, b"", etag)
    assert client.get(f"/api/v1/runs/{run}", headers={"if-none-match": etag[:-2] + '"'}).status == 200
    assert send(client, f"/runs/{run}/settings", {"params": {"a": 1}}) == (200, {"conflicts": []})
    changed = client.get(f"/api/v1/runs/{run}", headers={"if-none-match": etag})
    assert (changed.status, changed.get("etag") == etag) == (200, False)
    assert changed.get("cache-control") == "private, no-cache"
    head = client.ask("HEAD", f"/api/v1/runs/{run}")
    assert (head.status, head.body, head.get("etag")) == (200, b"", changed.get("etag"))


def test_a_read_is_refused_where_if_match_names_another_state_and_a_write_with_it_always_is(world):
    client, clock = world
    run = begin(client, clock)
    etag = client.get(f"/api/v1/runs/{run}").get("etag")
    for named in (etag, "*", f'"other", {etag}'):
        assert client.get(f"/api/v1/runs/{run}", headers={"if-match": named}).status == 200
    for named in (f"W/{etag}", '"other"', "", etag[:-2] + '"'):
        answer = client.get(f"/api/v1/runs/{run}", headers={"if-match": named})
        assert (answer.status, json.loads(answer.body)["type"]) == (412, "/api/v1/problems/precondition-failed"), named
    for named in (etag, "*", '"other"'):
        answer = client.post(
            f"/api/v1/runs/{run}/settings", body=b'{"tags":{"a":"1"}}', headers={"if-match": named, "idempotency-key": "k"}
        )
        assert (answer.status, "nothing was done" in json.loads(answer.body)["detail"]) == (412, True)
    assert client.get(f"/api/v1/runs/{run}").get("etag") == etag
    assert client.post(f"/api/v1/runs/{run}/settings", body=b'{"tags":{"a":"1"}}', headers={"idempotency-key": "k"}).status == 200


def test_pages_have_every_run_once_while_others_begin(world):
    client, clock = world
    mine = [begin(client, clock, tags={"walk": "one"}) for _ in range(5)]
    query = "query=tags.walk%20%3D%20%27one%27&limit=2"
    pages, path = [], f"/api/v1/runs?{query}"
    while path:
        answer = client.get(path)
        pages.append([run["run_id"] for run in json.loads(answer.body)["items"]])
        begin(client, clock, tags={"walk": "one"})
        link = answer.get("link")
        path = link and link.removeprefix("<").partition(">")[0]
    assert pages == [[mine[4], mine[3]], [mine[2], mine[1]], [mine[0]]]


def test_runs_of_one_moment_are_neither_lost_nor_doubled_between_pages(world):
    client, clock = world
    at = (clock.now() - timedelta(days=1)).isoformat()
    mine = {send(client, "/runs", {"experiment": "e", "started_at": at, "tags": {"walk": "same"}})[1]["run_id"] for _ in range(7)}
    found = [run["run_id"] for page in walk(client, "/api/v1/runs?query=tags.walk+%3D+'same'&limit=2") for run in page]
    assert (len(found), set(found)) == (7, mine)


def test_pages_in_an_order_of_ones_own_are_whole_and_leave_out_who_came_later(world):
    client, clock = world
    for value in (3, 1, 2):
        run = begin(client, clock, tags={"walk": "ordered"}, params={"v": value})
        point = {"name": "loss", "value": value, "at": clock.now().isoformat()}
        assert send(client, f"/runs/{run}/points", {"writer": "w", "first": 0, "points": [point]})[0] == 200
    path = "/api/v1/runs?query=tags.walk+%3D+'ordered'+order+by+metrics.loss&limit=1"
    first = client.get(path)
    begin(client, clock, tags={"walk": "ordered"}, params={"v": 0})
    rest = walk(client, first.get("link").removeprefix("<").partition(">")[0])
    assert [page[0]["params"]["v"] for page in [json.loads(first.body)["items"], *rest]] == [1, 2, 3]


def test_a_cursor_is_good_for_its_own_list_and_question_alone(world):
    client, clock = world
    begin(client, clock)
    begin(client, clock)
    cursor = json.loads(client.get("/api/v1/runs?limit=1").body)["next_cursor"]
    assert client.get(f"/api/v1/runs?cursor={cursor}").status == 200
    assert client.get(f"/api/v1/runs?limit=7&cursor={cursor}").status == 200
    for other in (f"/runs?query=seed+%3D+1&cursor={cursor}", f"/slots?cursor={cursor}", f"/runs?cursor={cursor[:-2]}"):
        assert client.get(f"/api/v1{other}").status == 400


@settings(max_examples=30)
@given(st.lists(st.integers(-(2**62), 2**62) | st.text(max_size=20), max_size=4), st.text(max_size=5), st.text(max_size=5))
def test_a_cursor_reads_back_and_is_refused_for_anything_else(place, operation, query):
    cursor = write_cursor(place, operation, {"query": query})
    assert read_cursor(cursor, operation, {"query": query}) == place
    for wrong in ((cursor, operation + "x", {"query": query}), (cursor, operation, {"query": query + "x"}), (cursor + "A", operation, {})):
        with pytest.raises(InvalidInput):
            read_cursor(*wrong)


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_cursor(text):
    with pytest.raises(InvalidInput):
        read_cursor(text + "x", "list_runs", {})


@given(st.sets(st.integers(0, 40)), st.integers(1, 7), st.booleans())
def test_pages_of_a_whole_list_put_together_are_the_list_in_order(items, limit, is_descending):
    request, after, found = Request("GET", {}, "", {}), None, []
    for _ in range(50):
        call = Call({}, None, None, request, limit, after)
        page = cut_page(items, place=lambda one: (one,), show=str, call=call, is_descending=is_descending)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            break
    assert found == [str(one) for one in sorted(items, reverse=is_descending)]
