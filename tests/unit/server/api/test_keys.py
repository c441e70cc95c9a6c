"""Keys over HTTP: made by their holder elsewhere, asked for with a proof, bound by somebody else, revoked."""

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from asgi import Client, open_app
from incumbent.usecases.tokens import new_token
from logins import as_person, open_empty, open_people
from unit.server.api.test_governed import Asker


@pytest.fixture(scope="module")
def askers(tmp_path_factory):
    ws = open_people(tmp_path_factory.mktemp("keys"))
    app = open_app(ws)
    yield {name: Asker(app, new_token(as_person(ws, name), name="t", scope=["admin"]).secret) for name in ("ann", "val", "aud")}
    app.close()
    ws.store.close()


def prove(asker, private, person):
    """Return the body of a request, by the words of the reference and nothing of ours."""
    public = "ed25519:" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    said = {"log": asker.get("/me")[1]["log"], "person": person, "public": public, "purpose": "incumbent: bind this key to this person"}
    signature = private.sign(json.dumps(said, separators=(",", ":")).encode())
    return {"public": public, "signature": base64.b64encode(signature).decode()}


def test_a_key_is_asked_for_by_its_holder_bound_by_an_admin_and_revoked(askers):
    private = Ed25519PrivateKey.generate()
    body = prove(askers["val"], private, "val")
    status, asked = askers["val"].post("/key-requests", body)
    assert (status, asked["person_id"], asked["public"]) == (201, "val", body["public"])
    assert [one["key_id"] for one in askers["aud"].get("/key-requests")[1]["items"]] == [asked["key_id"]]
    assert askers["val"].get("/me")[1]["key_ids"] == []
    assert askers["val"].post("/key-requests", body)[0] == 409
    assert askers["val"].post(f"/keys/{asked['key_id']}/bind")[0] == 403
    status, bound = askers["ann"].post(f"/keys/{asked['key_id']}/bind")
    assert (status, bound["person_id"], bound["bound_by"]) == (200, "val", "ann")
    me = askers["val"].get("/me")[1]
    assert (me["person"], me["roles"], me["key_ids"]) == ("val", ["validator"], [asked["key_id"]])
    assert (me["scope"], me["is_single_user"]) == (["admin"], False)
    assert askers["aud"].get("/key-requests")[1]["items"] == []
    assert askers["aud"].get("/keys")[1]["items"] == [bound]
    revoke = {"reason": "lost", "compromised_since": bound["added_at"].replace("Z", "+00:00")}
    status, revoked = askers["ann"].post(f"/keys/{asked['key_id']}/revoke", revoke)
    assert (status, revoked["compromised_since"]) == (200, bound["added_at"])
    assert askers["val"].get("/me")[1]["key_ids"] == []


def test_nobody_asks_for_a_key_that_they_do_not_show_to_hold(askers):
    body = prove(askers["val"], Ed25519PrivateKey.generate(), "val")
    status, problem = askers["aud"].post("/key-requests", body)
    assert (status, "does not show that they hold it" in problem["detail"]) == (422, True)
    other = prove(askers["val"], Ed25519PrivateKey.generate(), "val")
    assert askers["val"].post("/key-requests", {**body, "signature": other["signature"]})[0] == 422
    assert askers["val"].post("/key-requests", {**body, "public": "ed25519:AAAA"})[0] == 400
    assert askers["val"].post("/key-requests", {**body, "signature": "AAAA"})[0] == 400
    assert askers["aud"].get("/ledger/entries?act=refuse")[1]["items"][0]["to"] == "request-key"


def test_an_admin_whose_token_was_stolen_has_no_key_bound_with_it(askers):
    """Another admin binds it, or they themselves where the workspace is; `incumbent keys new` of an admin there still binds at once."""
    assert askers["ann"].post("/key-requests", prove(askers["ann"], Ed25519PrivateKey.generate(), "ann"))[0] == 201
    status, problem = askers["ann"].post("/keys/ann/bind")
    assert (status, "which is not a signature" in problem["detail"]) == (422, True)
    assert askers["ann"].get("/me")[1]["key_ids"] == []


def test_in_single_user_mode_it_is_said_who_the_server_acts_as(tmp_path):
    ws = replace(open_empty(tmp_path), actor="root")
    app = open_app(ws)
    found = json.loads(Client(app).get("/api/v1/me").body)
    assert found == {
        "person": "root", "name": "", "roles": [], "scope": None, "is_single_user": True, "key_ids": [], "log": "", "tenant": "",
    }  # fmt: skip
    app.close()
    ws.store.close()
