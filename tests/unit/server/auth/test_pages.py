"""Logging in with a browser: cookies, forms, what another site or a neighbour can try."""

import pytest

from asgi import Client, form_secret_in, open_app
from incumbent.server.access import Door
from incumbent.server.auth.cookies import SESSION, read_cookie, set_cookie
from incumbent.usecases.accounts import make_first_link, make_link
from incumbent.usecases.bearer import form_secret
from incumbent.usecases.people import change_person
from logins import CHEAP, PASSWORD, MovedClock, open_empty, open_people, set_password

HTTPS = {"single_user": "never", "public_url": "https://inc.example", "hosts": frozenset({"inc.example"})}
PLAIN_DOOR = Door("while nobody is registered", CHEAP)
SECURE_DOOR = Door("never", CHEAP, "https://inc.example", frozenset({"inc.example"}))


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_people(tmp_path, clock)
    set_password(ws, "dev")
    yield ws
    ws.store.close()


@pytest.fixture
def app(ws):
    app = open_app(ws)
    yield app
    app.close()


def test_a_browser_is_sent_to_the_form_and_back_to_where_it_wanted_to_go(app):
    browser = Client(app)
    first = browser.page("/api/v1/slots?a=1")
    assert (first.status, first.get("location")) == (303, "/log-in?next=/api/v1/slots%3Fa%3D1")
    form = browser.page(first.get("location"))
    assert 'name="next" value="/api/v1/slots?a=1"' in form.text
    answer = browser.log_in("dev", next="/api/v1/slots?a=1")
    assert (answer.status, answer.get("location")) == (303, "/api/v1/slots?a=1")
    home = browser.page("/")
    assert home.status == 200
    assert 'Logged in as <a href="/password">dev</a>' in home.text


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nx: y",
                                    "\t//evil.example", " /x", "/" + "x" * 2000, "/ü", "/%0d%0a\\..\\"])  # fmt: skip
def test_nobody_is_sent_on_to_another_site(app, onward):
    answer = Client(app).log_in("dev", next=onward)
    assert (answer.status, answer.get("location")) == (303, "/")


def test_the_cookie_on_loopback_and_behind_https(ws):
    app = open_app(ws)
    plain = Client(app).log_in("dev").get("set-cookie")
    app.close()
    app = open_app(ws, **HTTPS)
    secure = Client(app, host="inc.example").log_in("dev").get("set-cookie")
    app.close()
    assert plain.startswith("incumbent-session=")
    assert plain.endswith("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax")
    assert secure.startswith("__Host-incumbent-session=")
    assert secure.endswith("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure")
    assert "omain" not in secure


def test_a_session_that_was_planted_before_the_log_in_is_not_the_one_after(ws, app):
    """Session fixation: whoever gave the victim this cookie does not come to share their session."""
    attacker = Client(app)
    attacker.log_in("dev")
    planted = attacker.headers["cookie"]
    set_password(ws, "val")
    victim = Client(app, {"cookie": planted})
    assert victim.log_in("val").status == 303
    assert victim.headers["cookie"] != planted
    assert Client(app, {"cookie": planted}).get("/api/v1/slots").status == 401
    made_up = Client(app, {"cookie": "incumbent-session=" + "A" * 43})
    made_up.log_in("val")
    assert "A" * 43 not in made_up.headers["cookie"]


@pytest.mark.parametrize("cookies", ["{mine}; {other}", "{other}; {mine}", "{mine};{mine}"])
def test_two_cookies_of_one_name_are_none(app, cookies):
    """A subdomain can toss a second cookie of the same name; which of the two is ours cannot be told."""
    browser = Client(app)
    browser.log_in("dev")
    mine = browser.headers["cookie"]
    tossed = cookies.format(mine=mine, other="incumbent-session=" + "B" * 43)
    assert Client(app, {"cookie": tossed}).get("/api/v1/slots").status == 401
    assert Client(app, {"cookie": f"other=1; {mine}; x=y"}).get("/api/v1/slots").status == 200


def test_behind_https_only_the_host_cookie_counts_which_no_subdomain_can_set():
    value = "C" * 43
    assert read_cookie(SECURE_DOOR, {"cookie": f"incumbent-session={value}"}, SESSION) == ""
    assert read_cookie(SECURE_DOOR, {"cookie": f"incumbent-session={'D' * 43}; __Host-incumbent-session={value}"}, SESSION) == value
    assert read_cookie(PLAIN_DOOR, {"cookie": f"__Host-incumbent-session={value}"}, SESSION) == ""
    assert read_cookie(SECURE_DOOR, {}, SESSION) == ""
    assert set_cookie(SECURE_DOOR, SESSION, "", max_age_s=0)["set-cookie"].startswith("__Host-incumbent-session=; Path=/; Max-Age=0;")


@pytest.mark.parametrize(
    "change", [lambda s: "", lambda s: s[:-1] + "0" if s[-1] != "0" else s[:-1] + "1", lambda s: None, lambda s: "é" * 64]
)
def test_a_change_by_cookie_needs_the_secret_of_the_sessions_own_pages(app, change):
    browser = Client(app)
    browser.log_in("dev")
    secret = change(form_secret_in(browser.page("/")))
    fields = {} if secret is None else {"csrf": secret}
    assert browser.post("/log-out", form=fields).status == 403
    assert browser.get("/api/v1/slots").status == 200


def test_another_sessions_secret_is_none(ws, app):
    set_password(ws, "val")
    one, other = Client(app), Client(app)
    one.log_in("dev")
    other.log_in("val")
    assert one.post("/log-out", form={"csrf": form_secret_in(other.page("/"))}).status == 403


def test_the_secret_may_come_in_a_header_and_json_by_cookie_needs_it_too(app):
    browser = Client(app)
    browser.log_in("dev")
    path, json = "/api/v1/slots/x/predict", {"content-type": "application/json"}
    assert browser.post(path, body=b'{"rows": []}', headers=json).status == 403
    header = {**json, "x-incumbent-form": form_secret(browser.headers["cookie"].partition("=")[2])}
    assert browser.post(path, body=b'{"rows": []}', headers=header).status == 404


def test_every_form_that_a_page_posts_has_the_secret(app):
    browser = Client(app)
    browser.log_in("dev")
    for path in ("/", "/password"):
        page = browser.page(path).text
        assert page.count('method="post"') == page.count('name="csrf"') > 0


def test_logging_out_ends_the_session_and_not_only_the_cookie(app):
    browser = Client(app)
    browser.log_in("dev")
    kept = browser.headers["cookie"]
    answer = browser.post("/log-out", form={"csrf": form_secret_in(browser.page("/"))})
    assert (answer.status, answer.get("location")) == (303, "/log-in")
    assert "Max-Age=0" in answer.get("set-cookie")
    assert Client(app, {"cookie": kept}).get("/api/v1/slots").status == 401


def test_a_session_is_over_when_the_person_is_deactivated_idle_or_has_a_new_password(ws, app, clock):
    for end in (lambda: change_person(ws, person="dev", is_active=False), lambda: clock.move(hours=2), lambda: set_password(ws, "dev")):
        browser = Client(app)
        assert browser.log_in("dev").status == 303
        end()
        assert browser.get("/api/v1/slots").status == 401
        change_person(ws, person="dev", is_active=True)
        clock.move(seconds=1)


def test_guessing_waits_with_a_number_of_seconds_and_a_neighbour_does_not(ws, app):
    for _ in range(5):
        assert Client(app).log_in("dev", "wrong password").status == 401
    answer = Client(app).log_in("dev", "wrong password")
    assert (answer.status, answer.get("retry-after")) == (429, "1")
    set_password(ws, "val")
    assert Client(app).log_in("val").status == 303


def test_wrong_name_and_wrong_password_are_answered_alike(app):
    answers = [Client(app).log_in(name, "wrong password") for name in ("dev", "nobody", "val", "bot")]
    assert len({(answer.status, answer.text, answer.get("set-cookie")) for answer in answers}) == 1


def test_a_password_that_is_too_long_is_told_so_and_costs_no_hash(app):
    answer = Client(app).log_in("dev", "x" * 1025)
    assert answer.status == 400
    assert "at most 1024 bytes" in answer.text


@pytest.mark.parametrize(
    "body", [b"name=%ff&password=x", b"name=\xff", b"&".join(b"a%d=1" % n for n in range(300)), b"name=a%00b&password=%00"]
)
def test_a_form_that_is_none_is_refused_in_words(app, body):
    answer = Client(app).post("/log-in", body=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status in {400, 401}
    assert "Traceback" not in answer.text


def test_the_first_start_makes_an_admin_with_a_link_that_works_once(tmp_path):
    ws = open_empty(tmp_path)
    app = open_app(ws, **HTTPS)
    browser = Client(app, host="inc.example")
    link = make_first_link(ws)
    assert "You become the first, an admin" in browser.page(link.path).text
    fields = {"person": "eve", "printed": "Eve <b>", "password": PASSWORD, "again": PASSWORD}
    assert "not the same" in browser.post(link.path, form={**fields, "again": "x"}).text
    assert browser.post(link.path, form={**fields, "password": "short", "again": "short"}).status == 400
    assert browser.post(link.path, form={**fields, "person": "Not An Id"}).status == 400
    done = browser.post(link.path, form=fields)
    assert (done.status, done.get("location")) == (303, "/log-in")
    assert browser.post(link.path, form={**fields, "person": "mallory"}).status == 404
    assert browser.page(link.path).status == 404
    assert browser.log_in("eve").status == 303
    assert browser.page("/").status == 200
    app.close()
    ws.store.close()


def test_a_link_for_one_person_sets_nobody_elses_password(ws, app):
    link = make_link(ws, person="val")
    browser = Client(app)
    assert "Choose a password" in browser.page(link.path).text
    assert browser.post(link.path, form={"person": "ann", "password": PASSWORD, "again": PASSWORD}).status == 303
    assert browser.log_in("ann").status == 401
    assert browser.log_in("val").status == 303


def test_one_changes_ones_own_password(app):
    browser = Client(app)
    browser.log_in("dev")
    secret = form_secret_in(browser.page("/password"))
    fields = {"csrf": secret, "old": PASSWORD, "password": "another horse 10", "again": "another horse 10"}
    assert "the present password is another" in browser.post("/password", form={**fields, "old": "wrong"}).text
    assert "not the same" in browser.post("/password", form={**fields, "again": "x"}).text
    assert browser.post("/password", form=fields).status == 303
    assert browser.get("/api/v1/slots").status == 401
    assert browser.log_in("dev", "another horse 10").status == 303


def test_guessing_ones_own_password_waits_too(app):
    browser = Client(app)
    browser.log_in("dev")
    fields = {
        "csrf": form_secret_in(browser.page("/password")),
        "old": "wrong",
        "password": "another horse 10",
        "again": "another horse 10",
    }
    statuses = [browser.post("/password", form=fields).status for _ in range(6)]
    assert statuses == [422] * 5 + [429]


def test_secrets_are_compared_in_a_time_that_says_nothing(app, monkeypatch):
    """What comes with a form is compared by `hmac.compare_digest`; of tokens and sessions only digests are looked up."""
    import hmac

    from incumbent.server.auth import guard

    seen = []

    def compare(left, right):
        seen.append((left, right))
        return hmac.compare_digest(left, right)

    browser = Client(app)
    browser.log_in("dev")
    monkeypatch.setattr(guard, "hmac", type("Spy", (), {"compare_digest": staticmethod(compare)}))
    assert browser.post("/log-out", form={"csrf": "0" * 64}).status == 403
    assert seen == [(b"0" * 64, form_secret(browser.headers["cookie"].partition("=")[2]).encode())]


def test_a_page_of_another_site_cannot_log_anybody_in(app):
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert Client(app, headers).log_in("dev").status == 403


def test_a_person_without_a_role_logs_in_and_may_nothing(ws, app):
    set_password(ws, "none")
    browser = Client(app)
    assert browser.log_in("none").status == 303
    answer = browser.get("/api/v1/slots")
    assert answer.status == 403
    assert "none: read is for the role" in answer.text
    assert browser.post("/log-out", form={"csrf": form_secret(browser.headers["cookie"].partition("=")[2])}).status == 303
