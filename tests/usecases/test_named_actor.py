"""Whoever names somebody else as the actor stands beside them in every entry, and answers for what was made under that name."""

import pytest

from incumbent.base.errors import Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import find_account, read_settings
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.people import change_person
from incumbent.usecases.sign_off import sign_off
from office import MODEL, SLOT

WHO = {"model": MODEL, "slot": SLOT, "version": 1}


def test_an_entry_says_whether_the_account_has_the_name_or_gave_it(tmp_path):
    account = find_account()
    settings = {"INCUMBENT_KEYS": str(tmp_path / "keys")}
    own = open_workspace(read_settings(tmp_path, settings))
    assert (own.actor, own.auth, own.account) == (account, "os", "")
    named = open_workspace(read_settings(tmp_path, {**settings, "INCUMBENT_ACTOR": "ann"}))
    assert (named.actor, named.auth, named.account) == ("ann", f"named:{account}", account)
    assert (named.named("bob").auth, named.named(account).auth) == (f"named:{account}", "os")
    for ws in (own, named):
        ws.store.close()


@pytest.fixture
def office(evaluated_office):
    return evaluated_office


def test_whose_account_a_version_was_made_from_signs_for_it_under_no_name(office):
    account = find_account()
    entries = list_entries(office["ada"], act="register")
    assert {entry.draft.actor.auth for entry in entries} == {f"named:{account}"}
    change_person(office["ada"], person="vera", aliases=["vera@example.com", account])
    with pytest.raises(Refused, match=rf"vera let their account of the system be used for .*as {account}"):
        sign_off(office["vera"], **WHO, capacity="validator")


def test_an_account_that_is_nobodys_bars_nobody(office):
    sign_off(office["vera"], **WHO, capacity="validator")
