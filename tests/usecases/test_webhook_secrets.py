"""Secrets of webhooks: sealed where they lie, of use to this machine alone, and for the address alone that they were made for."""

import base64
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from incumbent.base.errors import Corrupt, InvalidInput, Refused
from incumbent.execution.secret_box import FILE, SecretBox
from incumbent.usecases.recording import governed, record_act
from incumbent.usecases.webhook_delivery import begin_delivery, deliver, take_due
from incumbent.usecases.webhook_messages import sign_body
from incumbent.usecases.webhook_ports import Sent
from incumbent.usecases.webhook_secrets import unseal_secret
from incumbent.usecases.webhooks import add_webhook, list_deliveries, list_webhooks, probe_webhook, remove_webhook
from logins import open_empty

URL = "https://hooks.example.com/in"
OLD = "whsec_" + base64.b64encode(b"what an earlier version left behind").decode()


class Taking:
    """A carrier to a receiver that takes everything."""

    def __init__(self):
        self.got = []

    def post(self, url, headers, body, **_):
        self.got.append((url, headers, body))
        return Sent(200)


@pytest.fixture
def ws(tmp_path):
    ws = open_empty(tmp_path)
    yield ws
    ws.store.close()


def note(ws):
    with governed(ws) as tx:
        record_act(ws, tx, act="note", kind="version", object_id="m@1", reason="r")


def send(ws):
    carrier = Taking()
    for taken in take_due(ws):
        deliver(ws, carrier=carrier, taken=taken)
    return carrier.got


def put(ws, **cells):
    """Do what another program does that writes into the database."""
    with closing(sqlite3.connect(ws.folder / "incumbent.db")) as raw, raw:
        for name, value in cells.items():
            raw.execute(f"UPDATE webhooks SET {name} = ?", (value,))


def is_signed_by(secret, message):
    _, headers, body = message
    name, seconds = headers["webhook-id"], int(headers["webhook-timestamp"])
    return headers["webhook-signature"] == sign_body(body, secret, name=name, seconds=seconds)


def all_bytes(ws):
    return b"".join(path.read_bytes() for path in ws.folder.rglob("*") if path.is_file())


def test_it_lies_nowhere_in_the_workspace_in_plain_text_and_messages_are_signed_with_it(ws, tmp_path):
    note(ws)
    made = add_webhook(ws, url=URL)
    note(ws)
    assert all(is_signed_by(made.secret, message) for message in send(ws))
    assert probe_webhook(ws, carrier=(probe := Taking()), webhook=made.webhook.webhook_id).status == 200
    assert is_signed_by(made.secret, probe.got[0])
    ws.store.close()
    assert made.webhook.url.encode() in all_bytes(ws)
    plain = made.secret.removeprefix("whsec_")
    for form in (plain.encode(), base64.b64decode(plain)):
        assert form not in all_bytes(ws)
    assert ((ws.folder / "keys" / FILE).stat().st_mode & 0o777) == 0o600


def test_what_an_earlier_version_left_in_plain_text_is_sealed_once_and_still_signs(ws):
    note(ws)
    add_webhook(ws, url=URL)
    put(ws, secret=OLD)
    assert begin_delivery(ws) == 1
    assert begin_delivery(ws) == 0
    note(ws)
    [message] = send(ws)
    assert is_signed_by(OLD, message)
    ws.store.close()
    assert OLD.encode() not in all_bytes(ws)


def test_adding_one_seals_the_old_ones_too(ws):
    first = add_webhook(ws, url=URL).webhook
    put(ws, secret=OLD)
    add_webhook(ws, url=URL)
    sealed = {known.webhook_id: known for known in list_webhooks(ws)}
    assert not any(known.sealed.startswith("whsec_") for known in sealed.values())
    assert unseal_secret(ws, sealed[first.webhook_id]) == OLD


@pytest.mark.parametrize(
    "cells",
    [
        {"url": "https://attacker.example/in"},
        {"secret": OLD},
        {"secret": "sealed-1 0123456789abcdef AAAA"},
        {"secret": ""},
        {"secret": "x y z"}, {"secret": "sealed-1  AAAA"},
    ],
    ids=str,
)  # fmt: skip
def test_a_secret_or_an_address_that_was_put_into_the_database_gets_no_message(ws, cells):
    note(ws)
    made = add_webhook(ws, url=URL).webhook
    put(ws, **cells)
    note(ws)
    assert send(ws) == []
    [tried] = list_deliveries(ws, made.webhook_id)
    assert (tried.status, tried.detail[:16]) == (0, "nothing was sent")
    assert tried.detail.count("secret of webhook") == 1
    with pytest.raises((Corrupt, Refused)):
        probe_webhook(ws, carrier=Taking(), webhook=made.webhook_id)
    remove_webhook(ws, webhook=made.webhook_id)
    add_webhook(ws, url=URL)


def test_two_secrets_cannot_be_exchanged_and_a_changed_byte_opens_nothing(ws):
    one, two = (add_webhook(ws, url=URL).webhook for _ in range(2))
    with pytest.raises(Corrupt, match="was not sealed for it"):
        unseal_secret(ws, replace(one, sealed=two.sealed))
    form, key, text = one.sealed.split(" ")
    data = bytearray(base64.b64decode(text))
    for place in range(len(data)):
        data[place] ^= 1
        with pytest.raises(Corrupt):
            unseal_secret(ws, replace(one, sealed=f"{form} {key} {base64.b64encode(data).decode()}"))
        data[place] ^= 1
    for end in (0, 11, 12, len(data) - 1):
        with pytest.raises(Corrupt):
            unseal_secret(ws, replace(one, sealed=f"{form} {key} {base64.b64encode(data[:end]).decode()}"))


def test_a_machine_without_the_key_neither_sends_nor_adds_with_a_key_of_its_own(ws, tmp_path):
    add_webhook(ws, url=URL)
    key = (ws.folder / "keys" / FILE).rename(tmp_path / "elsewhere")
    other = replace(ws, secrets=SecretBox(ws.folder / "keys"))
    with pytest.raises(Refused, match=f"is sealed by key .* another one or none is in .*{FILE}"):
        add_webhook(other, url=URL)
    assert not (ws.folder / "keys" / FILE).exists()
    SecretBox(ws.folder / "keys").seal("x", "y")
    with pytest.raises(Refused, match="is sealed by key"):
        add_webhook(replace(ws, secrets=SecretBox(ws.folder / "keys")), url=URL)
    key.replace(ws.folder / "keys" / FILE)
    add_webhook(replace(ws, secrets=SecretBox(ws.folder / "keys")), url=URL)
    assert len(list_webhooks(ws)) == 2


def test_a_passphrase_protects_the_key_as_it_does_the_ledgers(tmp_path, monkeypatch):
    monkeypatch.setenv("INCUMBENT_KEY_PASSPHRASE", "correct horse")
    sealed = SecretBox(tmp_path).seal("secret", "use")
    assert b"ENCRYPTED" in (tmp_path / FILE).read_bytes()
    assert SecretBox(tmp_path).unseal(sealed, "use") == "secret"
    monkeypatch.setenv("INCUMBENT_KEY_PASSPHRASE", "another")
    with pytest.raises(Corrupt, match="its passphrase is another"):
        SecretBox(tmp_path).unseal(sealed, "use")
    monkeypatch.delenv("INCUMBENT_KEY_PASSPHRASE")
    with pytest.raises(InvalidInput, match="put its passphrase into"):
        SecretBox(tmp_path).unseal(sealed, "use")


def test_the_same_secret_is_sealed_to_another_text_each_time(tmp_path):
    box = SecretBox(tmp_path)
    texts = {box.seal("secret", "use") for _ in range(100)}
    assert len(texts) == 100
    assert len({base64.b64decode(text.split(" ")[2])[:12] for text in texts}) == 100
    assert {box.unseal(text, "use") for text in texts} == {"secret"}
