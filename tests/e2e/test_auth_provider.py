"""Logging in at a company's provider: a real one in a process of its own, and one that lies."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from asgi import LOCAL, Client, open_app
from incumbent.base.errors import InvalidInput, Refused, Unavailable
from incumbent.execution.oidc_provider import OidcProvider
from incumbent.usecases.people import change_person
from incumbent.usecases.sessions import begin_journey, finish_journey
from logins import MovedClock, open_people

HERE = Path(__file__).parents[1]
CLIENT = "incumbent"


@pytest.fixture(scope="module")
def liar():
    process = subprocess.Popen([sys.executable, str(HERE / "lying_provider.py")], stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    yield address
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.fixture(scope="module")
def provider():
    """oidc-provider-mock, an OpenID provider on Authlib's server side, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
    process.stderr.close()


def lie(address, text):
    urllib.request.urlopen(urllib.request.Request(f"{address}/lie", data=text.encode(), method="PUT"), timeout=5).close()


def go(address, method="GET", form=None):
    """Ask as a browser that shows redirects and does not follow them; return where it leads."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    headers = {"content-type": "application/x-www-form-urlencoded"} if form else {}
    connection.request(method, f"{parts.path}?{parts.query}", urlencode(form) if form else None, headers)
    answer = connection.getresponse()
    answer.read()
    found = answer.getheader("location")
    connection.close()
    assert found is not None, answer.status
    return found


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_people(tmp_path, clock)
    yield ws
    ws.store.close()


def opened(ws, issuer):
    return open_app(ws, provider=OidcProvider(issuer, CLIENT, "s" * 32))


def depart(browser, onward="/api/v1/slots"):
    answer = browser.page(f"/log-in/provider?next={onward}")
    assert answer.status == 303
    browser.headers["cookie"] = answer.cookie
    return answer.get("location")


def back(location):
    parts = urlsplit(location)
    assert (parts.netloc, parts.path) == (LOCAL, "/log-in/callback")
    return f"{parts.path}?{parts.query}"


def journey(ws, issuer):
    """Go the whole way through the lying provider, and return the last page."""
    app = opened(ws, issuer)
    browser = Client(app)
    answer = browser.page(back(go(depart(browser))))
    app.close()
    return answer


# a real provider


def test_a_person_logs_in_at_a_real_provider_and_is_who_the_alias_says(ws, provider):
    change_person(ws, person="dev", aliases=[f"{provider} alice@example.com"])
    app = opened(ws, provider)
    browser = Client(app)
    assert "/log-in/provider?next=" in browser.page("/log-in").text
    address = depart(browser)
    sent = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert sent["response_type"] == "code"
    assert sent["code_challenge_method"] == "S256"
    assert sent["redirect_uri"] == f"http://{LOCAL}/log-in/callback"
    assert len({sent["state"], sent["nonce"], sent["code_challenge"]}) == 3
    answer = browser.page(back(go(address, "POST", {"sub": "alice@example.com"})))
    assert (answer.status, answer.get("refresh")) == (200, "0; url=/api/v1/slots")
    browser.headers["cookie"] = answer.cookie
    assert browser.get("/api/v1/slots").status == 200
    assert ">dev</a>" in browser.page("/").text
    app.close()


def test_whom_the_register_does_not_know_is_told_which_alias_to_ask_for(ws, provider):
    app = opened(ws, provider)
    browser = Client(app)
    answer = browser.page(back(go(depart(browser), "POST", {"sub": "stranger"})))
    assert answer.status == 403
    assert f"{provider} stranger is nobody here" in answer.text
    assert answer.get("set-cookie") is None
    app.close()


def test_a_log_in_that_was_refused_at_the_provider_is_none_here(ws, provider):
    app = opened(ws, provider)
    browser = Client(app)
    answer = browser.page(back(go(depart(browser), "POST", {"sub": "alice@example.com", "action": "deny"})))
    assert answer.status in {400, 403}
    assert answer.get("set-cookie") is None
    app.close()


def test_a_whole_server_logs_in_by_a_provider_that_its_environment_names(tmp_path, provider):
    ws = open_people(tmp_path)
    change_person(ws, person="dev", aliases=[f"{provider} alice@example.com"])
    ws.store.close()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}
    environment = {**clean, "INCUMBENT_OIDC_ISSUER": provider, "INCUMBENT_OIDC_CLIENT_ID": CLIENT, "INCUMBENT_OIDC_CLIENT_SECRET": "s"}
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    own = process.stdout.readline().split()[-1].rstrip("/")
    try:
        connection = http.client.HTTPConnection(urlsplit(own).netloc, timeout=10)
        connection.request("GET", "/log-in/provider")
        first = connection.getresponse()
        first.read()
        answer = go(first.getheader("location"), "POST", {"sub": "alice@example.com"})
        assert answer.startswith(f"{own}/log-in/callback?")
        connection.request("GET", answer.removeprefix(own), headers={"cookie": first.getheader("set-cookie").partition(";")[0]})
        second = connection.getresponse()
        assert (second.status, b"Welcome, dev" in second.read()) == (200, True)
        connection.request("GET", "/api/v1/slots", headers={"cookie": second.getheader("set-cookie").partition(";")[0]})
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()


# a provider that lies


@pytest.fixture
def known(ws, liar):
    change_person(ws, person="dev", aliases=[f"{liar} alice"])
    change_person(ws, person="ann", aliases=["https://evil.example alice", f"{liar} mallory", f"{liar} x alice"])  # lies that would pay
    yield liar
    lie(liar, "")


def test_without_a_lie_it_is_a_provider_like_others(ws, known):
    lie(known, "")
    answer = journey(ws, known)
    assert (answer.status, "Welcome, dev" in answer.text) == (200, True)


LIES = [
    "nonce", "no nonce", "audience", "authorised party", "two audiences", "expired", "no expiry", "expiry is text", "expiry is no number",
    "from the future", "not yet", "issuer", "no issuer", "no subject", "subject is a list", "subject with a space",
    "subject with a newline", "empty subject", "other key", "unknown key", "key in the header", "alg none", "alg None",
    "public key as secret", "client secret as key", "no token", "no jwt", "payload changed", "iss", "redirect",
]  # fmt: skip


@pytest.mark.parametrize("told", LIES)
def test_whatever_it_lies_about_nobody_is_let_in(ws, known, told):
    lie(known, told)
    answer = journey(ws, known)
    assert answer.status == 403, answer.text
    assert answer.get("set-cookie") is None
    assert re.search("begin again|comes from|is nobody here|no subject|no ID token", answer.text)


@pytest.mark.parametrize("told", ["issuer of the document", "token endpoint without https"])
def test_a_document_that_is_another_providers_or_leads_away_from_https_is_not_used(ws, known, told):
    lie(known, told)
    app = opened(ws, known)
    assert Client(app).get("/log-in/provider").status == 503
    app.close()


def test_a_key_that_is_new_since_the_last_log_in_is_fetched(ws, known):
    lie(known, "")
    app = opened(ws, known)
    browser = Client(app)
    assert browser.page(back(go(depart(browser)))).status == 200
    lie(known, "new key")
    provider = app.server.door.provider
    provider._keys_at -= 61  # a minute later: keys are not fetched again more often, whoever asks
    browser = Client(app)
    assert browser.page(back(go(depart(browser)))).status == 200
    app.close()


# the way there and back


def test_an_answer_counts_once(ws, known):
    app = opened(ws, known)
    browser = Client(app)
    path = back(go(depart(browser)))
    kept = dict(browser.headers)
    assert browser.page(path).status == 200
    again = Client(app, kept).page(path)
    assert again.status == 403
    assert "belongs to no log-in that this browser has begun" in again.text
    app.close()


def test_an_answer_that_an_attacker_got_logs_nobody_elses_browser_in(ws, known):
    """Login CSRF: the victim's browser follows the attacker's own answer."""
    app = opened(ws, known)
    attacker, victim = Client(app), Client(app)
    path = back(go(depart(attacker)))
    depart(victim)
    assert victim.page(path).status == 403
    assert Client(app).page(path).status == 403
    app.close()


def test_an_answer_to_a_log_in_of_long_ago_is_none(ws, known, clock):
    app = opened(ws, known)
    browser = Client(app)
    path = back(go(depart(browser)))
    clock.move(minutes=10)
    assert browser.page(path).status == 403
    app.close()


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x&code=y", "?error=access_denied", "?state=%00&code=%00", "?state=" + "a" * 43 + "&code=x"]
)
def test_an_answer_that_is_none_lets_nobody_in(ws, known, query):
    app = opened(ws, known)
    answer = Client(app).page("/log-in/callback" + query)
    assert answer.status == 403
    assert answer.get("set-cookie") is None
    app.close()


def test_the_code_is_worth_nothing_without_the_verifier_of_this_browser(ws, known, clock):
    provider = OidcProvider(known, CLIENT)
    uri = f"http://{LOCAL}/log-in/callback"
    begun = begin_journey(ws, provider=provider, redirect_uri=uri, onward="/", address="")
    code = parse_qs(urlsplit(go(begun.address)).query)["code"][0]
    with pytest.raises(Refused, match="did not take the code"):
        provider.finish(redirect_uri=uri, code=code, nonce="n", verifier="another verifier", now=clock.now())


def test_a_deactivated_person_does_not_come_in_by_the_provider_either(ws, known):
    change_person(ws, person="dev", is_active=False)
    answer = journey(ws, known)
    assert (answer.status, answer.get("set-cookie")) == (403, None)


def test_a_provider_that_is_away_is_unavailable_and_says_so(ws):
    app = opened(ws, "http://127.0.0.1:1")
    answer = Client(app).get("/log-in/provider")
    assert answer.status == 503
    assert "cannot be read" in answer.text
    app.close()
    with pytest.raises(Unavailable):
        finish_needs_a_document(ws)


def test_a_provider_that_hangs_holds_three_threads_at_most_and_is_then_left_alone_for_a_while(ws):
    import threading

    from incumbent.execution.oidc_provider import AT_ONCE

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        silent.settimeout(10)
        app = opened(ws, f"http://127.0.0.1:{silent.getsockname()[1]}")
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(Client(app).get("/log-in/provider").status)) for _ in range(AT_ONCE)]
        threads[0].start()
        waiting, _ = silent.accept()  # the first is waiting for its answer now
        for thread in threads[1:]:
            thread.start()
        deadline = time.monotonic() + 10
        while app.server.door.provider._places._value and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        assert Client(app).get("/log-in/provider").status == 503
        assert Client(app).get("/healthz").status == 200
        assert time.monotonic() - began < 1
        waiting.close()
    for thread in threads:
        thread.join()
    assert statuses == [503] * AT_ONCE
    began = time.monotonic()
    assert Client(app).get("/log-in/provider").status == 503
    assert time.monotonic() - began < 1
    app.close()


def finish_needs_a_document(ws):
    OidcProvider("http://127.0.0.1:1", CLIENT).finish(redirect_uri="", code="c", nonce="n", verifier="v", now=ws.clock.now())


def test_journeys_that_are_begun_and_not_finished_make_their_address_wait_and_finished_ones_do_not(ws, known):
    app = opened(ws, known)
    for _ in range(31):
        browser = Client(app, address="10.0.0.1")
        assert browser.page(back(go(depart(browser)))).status == 200
    statuses = [Client(app, address="10.0.0.2").get("/log-in/provider").status for _ in range(31)]
    assert statuses == [303] * 30 + [429]
    assert Client(app, address="10.0.0.3").get("/log-in/provider").status == 303
    app.close()


@pytest.mark.parametrize("issuer", ["http://company.example", "ftp://x", "company.example", "https://", "https://[", ""])
def test_an_issuer_that_is_not_https_is_not_set(issuer):
    with pytest.raises(InvalidInput, match="has to be an https address"):
        OidcProvider(issuer, CLIENT)


def test_without_a_provider_its_pages_are_not_there(ws):
    app = open_app(ws)
    assert [Client(app).get(path).status for path in ("/log-in/provider", "/log-in/callback")] == [404, 404]
    assert "provider" not in Client(app).page("/log-in").text
    app.close()


def test_finishing_needs_a_state_before_anything_is_asked_of_the_provider(ws):
    with pytest.raises(Refused, match="belongs to no log-in"):
        finish_journey(
            ws, provider=OidcProvider("http://127.0.0.1:1", CLIENT), redirect_uri="", state="s", code="c", browser="b", address=""
        )
