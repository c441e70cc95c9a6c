"""Who is let in by what: tokens in headers, cookies, single-user mode; and what is refused however good the token is."""

import base64
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi import LOCAL, Client, form_secret_in, open_app
from incumbent.base.errors import Refused
from incumbent.server import routes
from incumbent.server.auth.guard import CHALLENGE, _read_token
from incumbent.server.auth.keys import LedgerKeyAlone
from incumbent.server.messages import json_response
from incumbent.server.routes import Route
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.person_keys import new_key
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.tokens import new_token, revoke_token
from logins import PASSWORD, SERVICE, MovedClock, as_person, open_empty, open_people, set_password


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_people(tmp_path, clock)
    yield ws
    ws.store.close()


@pytest.fixture
def app(ws):
    app = open_app(ws)
    yield app
    app.close()


@pytest.fixture
def whoami(monkeypatch):
    """Routes that say who acts, one a right, beside the real ones."""

    def answer(server, request):
        return json_response({"actor": server.ws.actor, "caller": request.caller.name})

    extra = [Route(method, f"/who/{right}", answer, right)
             for method in ("GET", "POST") for right in ("read", "track", "promote", "approve", "add-person", "public")]  # fmt: skip
    monkeypatch.setattr(routes, "INDEX", routes.RouteIndex((*routes.ROUTES, *extra)))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def token_of(ws, person, **more):
    return new_token(as_person(ws, person), name="t", **more)


# tokens


def test_a_request_acts_as_the_owner_of_its_token(ws, app, whoami):
    secret = token_of(ws, "dev").secret
    for header in (f"Bearer {secret}", f"bearer {secret}", basic("anything", secret), basic("", secret), basic("dev", secret)):
        answer = Client(app, {"authorization": header}).get("/who/read")
        assert (answer.status, answer.text) == (200, '{"actor":"dev","caller":"dev"}'), header


@pytest.mark.parametrize("make", [lambda t: "", lambda t: t, lambda t: f"Bearer {t[:-1]}", lambda t: f"Token {t}", lambda t: "Bearer",
                                  lambda t: "Basic !!!", lambda t: "Basic", lambda t: f"Bearer {t} {t}", lambda t: basic(t, ""),
                                  lambda t: basic("dev", PASSWORD), lambda t: f"Bearer {t}, Bearer {t}"])  # fmt: skip
def test_any_other_authorization_is_401_and_says_how(ws, app, make):
    answer = Client(app, {"authorization": make(token_of(ws, "dev").secret)}).get("/api/v1/slots")
    assert (answer.status, answer.get("www-authenticate")) == (401, CHALLENGE)


def test_a_bad_token_is_no_session_even_with_a_good_cookie(ws, app):
    set_password(ws, "dev")
    client = Client(app)
    client.log_in("dev")
    assert client.get("/api/v1/slots").status == 200
    assert client.get("/api/v1/slots", headers={"authorization": "Bearer inc_" + "A" * 43}).status == 401


def test_a_basic_password_that_is_no_utf8_is_401_and_no_fault(app):
    for pair in (b"user:\xff\xfe\xfd", b"\xff:\xff", b"user:caf\xe9", b"no colon", b":", b"", b"a:inc_" + b"\x00" * 43):
        header = "Basic " + base64.b64encode(pair).decode()
        assert Client(app, {"authorization": header}).get("/api/v1/slots").status == 401


@given(st.text(st.characters(max_codepoint=255)))
def test_no_authorization_header_is_a_fault(text):
    assert isinstance(_read_token(text), str)


@given(st.text("abcXYZ 019_-", max_size=30), st.text(st.characters(codec="ascii"), max_size=60))
def test_of_basic_the_token_is_what_follows_the_first_colon(user, password):
    assert _read_token(basic(user, password)) == password


@pytest.mark.parametrize("where", ["/api/v1/slots?token={}", "/api/v1/slots?access_token={}", "/api/v1/slots?x=1&api_key={}", "/healthz?{}",
                                   "/api/v1/trace/{}", "/api/v1/slots?anything={}"])  # fmt: skip
def test_a_token_in_an_address_is_refused_and_not_used(ws, app, where):
    secret = token_of(ws, "dev").secret
    for client in (Client(app), Client(app, {"authorization": f"Bearer {secret}"})):
        answer = client.get(where.format(secret))
        assert answer.status == 400
        assert "ends up in logs" in answer.text
        assert secret not in answer.text


def test_revoking_and_deactivating_count_from_the_next_request_on(ws, app):
    first, second = token_of(ws, "dev"), token_of(ws, "val")
    clients = [Client(app, {"authorization": f"Bearer {made.secret}"}) for made in (first, second)]
    assert [client.get("/api/v1/slots").status for client in clients] == [200, 200]
    revoke_token(ws, token=first.token.token_id)
    change_person(ws, person="val", is_active=False)
    assert [client.get("/api/v1/slots").status for client in clients] == [401, 401]


def test_a_role_that_is_lost_is_lost_with_every_token(ws, app, whoami):
    client = Client(app, {"authorization": f"Bearer {token_of(ws, 'ops').secret}"})
    assert client.get("/who/promote").status == 200
    change_person(ws, person="ops", roles=["auditor"])
    answer = client.get("/who/promote")
    assert answer.status == 403
    assert "ops: promote is for the role operator; they hold auditor" in answer.text
    assert client.get("/who/read").status == 200


def test_a_scope_is_narrower_than_the_role_and_names_what_it_leaves_out(ws, app, whoami):
    client = Client(app, {"authorization": f"Bearer {token_of(ws, 'ops', scope=['read', 'track']).secret}"})
    assert [client.get(f"/who/{right}").status for right in ("read", "track", "promote")] == [200, 200, 403]
    assert "scope is read, track, which leaves out promote" in client.get("/who/promote").text


def test_the_use_of_a_token_is_noted(ws, app, clock):
    made = token_of(ws, "dev")
    Client(app, {"authorization": f"Bearer {made.secret}"}).get("/api/v1/slots")
    with ws.store.begin(read_only=True) as tx:
        assert tx.tokens.find(made.token.secret_hash).used_at == clock.at


def test_a_refused_act_is_in_the_ledger_under_the_persons_name(ws, app, whoami):
    Client(app, {"authorization": f"Bearer {token_of(ws, 'dev').secret}"}).post("/who/promote")
    with ws.store.begin(read_only=True) as tx:
        entry = tx.ledger.get(tx.ledger.size() - 1).draft
    assert (entry.act, entry.actor.actor_id, entry.after, entry.object.object_id) == ("refuse", "dev", "promote", "/who/promote")


# keys


def test_a_persons_key_that_lies_on_the_server_signs_for_nobody_who_asks_over_http(ws):
    ws.keys.make("val")
    asked = replace(as_person(ws, "val"), keys=LedgerKeyAlone(ws.keys))
    assert ws.keys.find("val") is not None
    for use in (
        asked.keys.list_names,
        lambda: asked.keys.sign(ws.keys.find("val"), b"x"),
        lambda: asked.keys.find("val"),
        lambda: asked.keys.make("val2"),
    ):
        with pytest.raises(Refused, match="Sign where the key is"):
            use()
    assert asked.keys.find("ledger") == ws.keys.find("ledger")


def test_a_signed_act_over_http_is_refused_where_the_persons_key_lies_on_the_server(ws, monkeypatch):
    """The same act by the same person succeeds at a terminal of that machine: what the server lacks is the signature, not the key."""
    change_person(ws, person="ann", roles=["admin", "validator"])
    new_key(ws, person="ann")
    assess_tier(as_person(ws, "app"), model="m", exposure="low", purpose="low", inherent="low", reason="for a test")
    opened = open_finding(as_person(ws, "aud"), subject="m", title="it drifts").finding.finding_id

    def answer(server, request):
        close_finding(server.ws, finding=opened, resolution="mended")
        return json_response({})

    monkeypatch.setattr(routes, "INDEX", routes.RouteIndex((*routes.ROUTES, Route("POST", "/close", answer, "govern"))))
    app = open_app(ws)
    refused = Client(app, {"authorization": f"Bearer {token_of(ws, 'ann', scope=['admin']).secret}"}).post("/close")
    assert refused.status == 422
    assert "signed with a person's own key, which never comes to a server" in refused.text
    assert close_finding(ws, finding=opened, resolution="mended").finding.state == "closed"
    app.close()


# single-user mode


def test_while_nobody_is_registered_whoever_reaches_the_port_is_the_one_who_started_it(tmp_path, whoami):
    ws = open_empty(tmp_path)
    app = open_app(ws)
    answer = Client(app).post("/who/promote")
    assert (answer.status, answer.text, answer.get("x-incumbent-access")) == (200, '{"actor":"root","caller":"root"}', "single-user")
    page = Client(app).page("/")
    assert "Single-user mode: whoever reaches this port acts as root" in page.text
    add_person(replace(ws, actor="root"), person="root", name="Root", roles=["admin"])
    after = Client(app).post("/who/promote")
    assert (after.status, after.get("x-incumbent-access")) == (401, None)
    app.close()
    ws.store.close()


def test_it_is_never_on_where_the_door_says_never(tmp_path, whoami):
    ws = open_empty(tmp_path)
    app = open_app(ws, single_user="never", public_url="https://inc.example", hosts=frozenset({"inc.example"}))
    answer = Client(app).get("/who/read")
    assert (answer.status, answer.get("x-incumbent-access")) == (401, None)
    app.close()
    ws.store.close()


def test_where_it_is_asked_for_it_holds_also_with_people(ws, whoami):
    app = open_app(ws, single_user="always")
    answer = Client(app).get("/who/read")
    assert (answer.status, answer.text, answer.get("x-incumbent-access")) == (200, '{"actor":"ann","caller":"ann"}', "single-user")
    app.close()


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip", "X-Forwarded-Host"])
def test_a_proxy_on_this_machine_does_not_make_the_world_its_owner(tmp_path, header):
    """nginx sends a Host of loopback if nobody tells it otherwise, so Host alone does not show that others come."""
    ws = open_empty(tmp_path)
    app = open_app(ws)
    answer = Client(app).get("/api/v1/slots", headers={header: "203.0.113.9"})
    assert answer.status == 403
    assert "single-user mode is for this machine alone" in answer.text
    app.close()
    ws.store.close()


def test_a_route_that_is_open_to_all_acts_as_nobody_that_can_be_registered(ws, app, whoami):
    add_person(ws, person="anonymous", name="A", roles=["admin"])
    assert Client(app).get("/who/public").text == '{"actor":"","caller":""}'


def test_behind_https_a_browser_is_told_to_stay_there(ws, app):
    assert Client(app).get("/healthz").get("strict-transport-security") is None
    secure = open_app(ws, single_user="never", public_url="https://inc.example", hosts=frozenset({"inc.example"}))
    assert Client(secure, host="inc.example").get("/healthz").get("strict-transport-security") == "max-age=31536000"
    secure.close()


# hosts and headers


@pytest.mark.parametrize("host", ["evil.example", "inc.example.evil.example", "inc.example@evil.example", "evil.example#inc.example", "",
                                  "inc.example:port", "[::1", "10.0.0.7:8765", "inc.example/x", "INC.EXAMPLE."])  # fmt: skip
def test_a_name_that_was_rebound_to_us_is_not_served(ws, host):
    app = open_app(ws, single_user="never", public_url="https://inc.example", hosts=frozenset({"inc.example"}))
    assert Client(app, host=host).get("/healthz").status == 421
    app.close()


@pytest.mark.parametrize("host", ["inc.example", "INC.example:443", "localhost:8765", "other.example"])
def test_the_names_that_are_allowed_are_served(ws, host):
    app = open_app(ws, single_user="never", public_url="https://inc.example", hosts=frozenset({"inc.example", "other.example"}))
    assert Client(app, host=host).get("/healthz").status == 200
    app.close()


@pytest.mark.parametrize(("origin", "status"), [("https://inc.example", 401), ("http://inc.example", 403), ("https://evil.example", 403),
                                                ("null", 403), ("https://inc.example.evil.example", 403)])  # fmt: skip
def test_a_form_from_elsewhere_is_refused_behind_https_too(ws, origin, status):
    app = open_app(ws, single_user="never", public_url="https://inc.example", hosts=frozenset({"inc.example"}))
    assert Client(app, {"origin": origin}, host="inc.example").post("/").status == status
    app.close()


@pytest.mark.parametrize("name", ["authorization", "cookie", "host", "origin", "content-type", "Authorization"])
def test_a_header_that_decides_who_asks_may_be_there_once(ws, app, name):
    secret = token_of(ws, "dev").secret
    pair = {"authorization": f"Bearer {secret}", "host": LOCAL}.get(name.lower(), "x")
    answer = Client(app, {name.lower(): pair} if name.lower() != "host" else {}).get("/healthz", headers=[(name, pair)])
    assert answer.status == 400
    assert "may be there once" in answer.text


def test_a_body_is_not_read_of_whoever_may_not_send_it(ws, app):
    """A large body is refused by who sends it before a byte of it is read; here reading would fail the test."""
    import asyncio

    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    for headers in ([(b"content-length", b"7000000")], [(b"transfer-encoding", b"chunked")], [(b"content-length", b"-1")]):
        scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "client": None,
                 "headers": [(b"host", LOCAL.encode()), *headers]}  # fmt: skip
        asyncio.run(app(scope, receive, send))
        assert sent.pop(0)["status"] == 401
        sent.clear()


def test_a_body_that_does_not_arrive_is_given_up(app, monkeypatch):
    import asyncio

    from incumbent.server import app as application

    monkeypatch.setattr(application, "BODY_TIMEOUT_S", 0.1)
    sent = []

    async def receive():
        await asyncio.sleep(30)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/log-in", "raw_path": b"/log-in", "query_string": b"", "client": None,
             "headers": [(b"host", LOCAL.encode()), (b"content-length", b"100")]}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize("hostile", ['x"><script>alert(1)</script>', "a\r\nset-cookie: planted=1", "\u202etxt", "x" * 5000])
def test_hostile_names_come_back_escaped_and_never_as_headers(ws, app, hostile):
    answer = Client(app).post("/log-in", form={"name": hostile, "password": hostile[:100], "next": hostile})
    assert answer.status == 401
    assert "<script" not in answer.text
    assert not [value for name, value in answer.headers if "planted" in value or "planted" in name]
    redirected = Client(app, {"accept": "text/html"}).get("/api/v1/slots/" + "%0d%0aset-cookie:%20planted=1")
    assert redirected.status == 303
    assert "\n" not in redirected.get("location")
    assert redirected.get("set-cookie") is None


def test_a_service_has_no_password_and_comes_with_a_token(ws, app):
    secret = new_token(ws, person=SERVICE, name="t").secret
    assert Client(app, {"authorization": f"Bearer {secret}"}).get("/api/v1/slots").status == 200
    assert Client(app).log_in(SERVICE).status == 401


def test_every_page_has_a_policy_without_inline_script_and_brings_none(ws, app):
    set_password(ws, "dev")
    client = Client(app)
    client.log_in("dev")
    for path in ("/", "/log-in", "/password", "/set-up/none"):
        page = client.page(path)
        policy = dict(part.strip().partition(" ")[::2] for part in page.get("content-security-policy").split(";"))
        assert policy["default-src"] in {"'none'", "'self'"}
        assert policy.get("script-src", "'none'") in {"'none'", "'self'"}
        assert policy.get("style-src", "'none'") in {"'none'", "'self'"}
        assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
        assert re.findall(r"<script(?![^>]* src=)[^>]*>", page.text) == []
        assert re.findall(r"<script[^>]*>[^<]", page.text) == []
        assert re.findall(r"<[^>]+ on[a-z]+=", page.text) == []
        assert "javascript:" not in page.text
    assert form_secret_in(client.page("/"))
