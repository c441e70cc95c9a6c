"""A real server process where people are registered: how it starts, who comes in, how it stops."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlencode, urlsplit

import pytest
from command import incumbent, incumbent_json

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from logins import PASSWORD, open_empty, open_people


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("INCUMBENT_")}


class Started:
    """A server and what it printed."""

    def __init__(self, folder, *options, lines=1):
        command = [sys.executable, "-m", "incumbent", "server", "--project", str(folder), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        self.lines = [self.process.stdout.readline().rstrip() for _ in range(lines)]
        self.port = urlsplit(self.lines[0].split()[-1]).port

    def ask(self, method, path, *, form=None, headers=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {**({"content-type": "application/x-www-form-urlencoded"} if form else {}), **(headers or {})}
        if host:
            sent["host"] = host
        connection.request(method, path, urlencode(form) if form else None, sent)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def stop(self):
        self.process.terminate()
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        assert "Traceback" not in errors
        return errors


@pytest.fixture
def folder(tmp_path):
    open_people(tmp_path).store.close()
    return tmp_path


def test_the_first_start_prints_a_link_and_the_next_one_none_once_a_password_is_set(folder):
    server = Started(folder, lines=3)
    assert server.lines[1].startswith("people log in at http://127.0.0.1:")
    assert server.lines[2].startswith("to set a password for ann, once, until ")
    link = urlsplit(server.lines[2].split()[-1]).path
    assert re.fullmatch(r"/set-up/[A-Za-z0-9_-]{43}", link)
    form = {"password": PASSWORD, "again": PASSWORD}
    assert server.ask("GET", link)[0] == 200
    assert server.ask("POST", link, form=form)[0] == 303
    assert server.ask("POST", link, form=form)[0] == 404
    status, headers, _ = server.ask("POST", "/log-in", form={"name": "ann", "password": PASSWORD})
    assert status == 303
    cookie = headers["set-cookie"].partition(";")[0]
    assert server.ask("GET", "/api/v1/slots", headers={"cookie": cookie})[0] == 200
    assert server.ask("GET", "/api/v1/slots")[0] == 401
    secret = link.rpartition("/")[2]
    errors = server.stop()
    assert secret not in errors
    kept = b"".join(path.read_bytes() for path in (folder / ".incumbent").glob("incumbent.db*"))
    assert secret.encode() not in kept
    assert PASSWORD.encode() not in kept
    again = Started(folder, "--stop-after", "1", lines=2)
    rest, _ = again.process.communicate(timeout=30)
    assert (again.process.returncode, rest) == (0, "")


def test_a_session_outlives_a_restart_and_an_old_link_does_not(folder):
    first = Started(folder, lines=3)
    old = urlsplit(first.lines[2].split()[-1]).path
    first.stop()
    second = Started(folder, lines=3)
    new = urlsplit(second.lines[2].split()[-1]).path
    assert [second.ask("GET", path)[0] for path in (old, new)] == [404, 200]
    second.ask("POST", new, form={"password": PASSWORD, "again": PASSWORD})
    cookie = second.ask("POST", "/log-in", form={"name": "ann", "password": PASSWORD})[1]["set-cookie"].partition(";")[0]
    second.stop()
    third = Started(folder, lines=2)
    assert third.ask("GET", "/api/v1/slots", headers={"cookie": cookie})[0] == 200
    third.stop()


def test_a_token_of_the_command_line_comes_in_by_bearer_and_by_basic_until_it_is_revoked(folder):
    dev = {"INCUMBENT_ACTOR": "dev"}
    made = incumbent(folder, "tokens", "new", "laptop", "--scope", "read", env=dev)
    secret = made.stdout.strip()
    assert re.fullmatch(r"inc_[A-Za-z0-9_-]{43}", secret)
    assert "not shown again" in made.stderr
    server = Started(folder, lines=3)
    pair = base64.b64encode(f"mlflow:{secret}".encode()).decode()
    for header in (f"Bearer {secret}", f"Basic {pair}"):
        assert server.ask("GET", "/api/v1/slots", headers={"authorization": header})[0] == 200
    status, _, body = server.ask("POST", "/api/v1/slots/x/predict", headers={"authorization": f"Bearer {secret}"})
    assert (status, "leaves out predict" in body) == (403, True)
    [listed] = incumbent_json(folder, "tokens", "ls", env=dev)["tokens"]
    assert listed["acts_as"] == "dev"
    assert listed["used_at"] is not None
    assert secret not in json.dumps(listed)
    incumbent(folder, "tokens", "revoke", listed["id"], env=dev)
    assert server.ask("GET", "/api/v1/slots", headers={"authorization": f"Bearer {secret}"})[0] == 401
    server.stop()


def test_what_the_command_line_may_not_do_it_says(folder):
    assert (
        "would speak in their name"
        in incumbent(folder, "tokens", "new", "x", "--for", "dev", env={"INCUMBENT_ACTOR": "ann"}, code=1).stderr
    )
    assert "is not registered here" in incumbent(folder, "tokens", "ls", env={"INCUMBENT_ACTOR": "stranger"}, code=1).stderr
    assert "for themselves only" in incumbent(folder, "accounts", "invite", "val", env={"INCUMBENT_ACTOR": "dev"}, code=1).stderr
    invited = incumbent(folder, "accounts", "invite", "val", env={"INCUMBENT_ACTOR": "ann"}).stdout
    assert invited.startswith("/set-up/")
    shown = incumbent_json(folder, "accounts", "ls", env={"INCUMBENT_ACTOR": "ann"})["accounts"]
    assert {account["person"]: account["password_set_at"] for account in shown}["val"] is None
    assert incumbent_json(folder, "accounts", "log-out", "val", env={"INCUMBENT_ACTOR": "ann"})["ended"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "is beyond this machine, where passwords and tokens must not travel in clear"),
        (["--host", "::"], "is beyond this machine"),
        (["--host", "0.0.0.0", "--public-url", "http://inc.example"], "is plain http"),
        (["--host", "0.0.0.0", "--public-url", "https://inc.example", "--single-user"], "that is everybody"),
        (["--host", "inc.example"], "is no address to listen at"),
        (["--public-url", "https://inc.example/path"], "and no path"),
        (["--public-url", "https://user@inc.example"], "expected https://NAME"),
        (["--public-url", "javascript:alert(1)"], "expected https://NAME"),
        (["--allowed-host", "a b"], "expected a name"),
        (["--allowed-host", "inc.example:80"], "expected a name"),
        (["--allowed-host", "http://inc.example"], "expected a name"),
    ],
)
def test_a_server_that_would_let_in_too_many_does_not_start(tmp_path, options, message):
    command = [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path), "--port", "0", "--stop-after", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert message in done.stderr


def test_beyond_loopback_nobody_comes_in_without_a_name_also_while_nobody_is_registered(tmp_path):
    open_empty(tmp_path).store.close()
    server = Started(tmp_path, "--host", "0.0.0.0", "--public-url", "https://inc.example", "--allowed-host", "inc.internal", lines=3)
    assert server.lines[1].startswith("people log in at https://inc.example/log-in")
    assert "to make the first person, an admin, once" in server.lines[2]
    for host, expected in (("inc.example", 401), ("inc.internal", 401), ("127.0.0.1", 401), ("evil.example", 421), ("0.0.0.0", 421)):
        status, headers, _ = server.ask("GET", "/api/v1/slots", host=host)
        assert status == expected, host
        assert "x-incumbent-access" not in headers
    link = urlsplit(server.lines[2].split()[-1]).path
    form = {"person": "eve", "printed": "Eve", "password": PASSWORD, "again": PASSWORD}
    assert server.ask("POST", link, form=form, host="inc.example", headers={"origin": "https://inc.example"})[0] == 303
    status, headers, _ = server.ask("POST", "/log-in", form={"name": "eve", "password": PASSWORD}, host="inc.example")
    assert (status, headers["set-cookie"].startswith("__Host-incumbent-session=")) == (303, True)
    server.stop()


def test_on_loopback_and_with_nobody_registered_it_says_that_it_asks_nobody(tmp_path):
    open_empty(tmp_path).store.close()
    server = Started(tmp_path, lines=2)
    assert server.lines[1].startswith("single-user mode: whoever reaches this port acts as ")
    status, headers, body = server.ask("GET", "/", headers={"accept": "text/html"})
    assert (status, headers["x-incumbent-access"], "Single-user mode" in body) == (200, "single-user", True)
    server.stop()


def test_where_somebody_claims_to_come_from_is_believed_of_the_named_proxy_alone(folder):
    """Else a guesser would have a fresh address for every guess."""
    for options, last in (([], 429), (["--behind-proxy", "127.0.0.1"], 401)):
        server = Started(folder, *options, lines=3)
        statuses = [
            server.ask("POST", "/log-in", form={"name": f"name-{options}-{n}", "password": "wrong"},
                       headers={"x-forwarded-for": f"10.0.{len(options)}.{n}"})[0]
            for n in range(22)
        ]  # fmt: skip
        assert statuses[-1] == last, statuses
        server.stop()


def test_a_request_under_way_is_answered_after_the_signal_to_stop(folder):
    server = Started(folder, lines=3)
    body = urlencode({"name": "ann", "password": "wrong password"}).encode()
    kind = "content-type: application/x-www-form-urlencoded"
    head = f"POST /log-in HTTP/1.1\r\nhost: 127.0.0.1\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(head.encode() + body[:5])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):  # no newcomer
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
        raw.sendall(body[5:])
        assert b" 401 " in raw.recv(4096)
    _, errors = server.process.communicate(timeout=30)
    assert (server.process.returncode, "Traceback" in errors) == (0, False)


def test_settings_come_from_the_environment_and_the_secret_is_not_shown(tmp_path):
    values = {"INCUMBENT_PUBLIC_URL": "https://inc.example", "INCUMBENT_OIDC_ISSUER": "https://id.example", "INCUMBENT_OIDC_CLIENT_ID": "i",
              "INCUMBENT_OIDC_CLIENT_SECRET": "very secret"}  # fmt: skip
    settings = read_settings(tmp_path, values)
    assert (settings.public_url, settings.oidc_issuer, settings.oidc_client_id) == ("https://inc.example", "https://id.example", "i")
    assert settings.oidc_client_secret == "very secret"
    assert "very secret" not in repr(settings)
    open_workspace(settings).store.close()


def test_one_server_has_two_workspaces_and_each_its_own_people_and_stops_in_order(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("fraud")
    both = ["--workspace", f"http://credit.localhost={folder}", "--workspace", f"http://fraud.localhost={empty}"]
    incumbent(folder, "server", "--project", str(folder), *both, code=2)
    command = [sys.executable, "-m", "incumbent", "server", "--port", "0", *both]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=empty)
    server = Started.__new__(Started)
    server.process, server.lines = process, [process.stdout.readline().rstrip() for _ in range(7)]
    server.port = urlsplit(server.lines[0].split()[-1]).port
    assert server.lines[1] == f"http://credit.localhost: {folder}"
    assert server.lines[4] == f"http://fraud.localhost: {empty}"
    assert server.lines[3].startswith("to set a password for ann, once")
    assert server.lines[6].startswith("to make the first person, an admin, once")
    path = urlsplit(server.lines[3].split()[-1]).path
    assert server.ask("GET", path, host="fraud.localhost")[0] == 404, "credit's link is nothing to fraud"
    assert server.ask("GET", path, host="credit.localhost")[0] == 200
    assert server.ask("GET", "/healthz")[0] == 421
    server.stop()
    with pytest.raises(ConnectionError):
        server.ask("GET", "/healthz", host="credit.localhost")


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--workspace", "http://a.localhost=nowhere"], 3, "there is no folder nowhere"),
        (["--workspace", "http://a.example.com=."], 2, "has to be https"),
        (["--workspace", "http://a.localhost=.", "--workspace", "http://b.localhost=."], 2, "each workspace has a folder of its own"),
        (["--workspace", "."], 2, "expected URL=FOLDER"),
        (["--workspace", "http://a.localhost=.", "--single-user"], 2, "leave the options for one workspace out"),
    ],
)
def test_workspaces_that_cannot_be_served_apart_do_not_start(folder, options, code, says):
    assert says in incumbent(folder, "server", *options, code=code).stderr


def test_two_workspaces_never_share_a_store_that_both_name_in_their_own_words(folder, tmp_path):
    options = []
    for name, url in (("a", "sqlite:///{}/one.db"), ("b", "sqlite:///{}/a/../one.db")):
        (tmp_path / name / ".incumbent").mkdir(parents=True)
        (tmp_path / name / ".incumbent" / "settings.toml").write_text(f'url = "{url.format(tmp_path)}"\n')
        options += ["--workspace", f"http://{name}.localhost={tmp_path / name}"]
    told = incumbent(folder, "server", *options, code=2).stderr
    assert "b.localhost and a.localhost have one metadata store" in told


def test_two_workspaces_never_share_the_store_that_the_environment_names(folder):
    told = incumbent(folder, "server", "--workspace", "http://a.localhost=.", env={"INCUMBENT_URL": "sqlite:///x.db"}, code=2).stderr
    assert "which all workspaces would share" in told
