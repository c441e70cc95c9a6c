"""What people signed counts for as long as its signature does: attestations and closed findings, as sign-offs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from incumbent.base.errors import Refused
from incumbent.usecases import signing
from incumbent.usecases.attest import attest, list_attestations
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.findings import close_finding, list_findings, open_finding
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.promote import check_promotion
from incumbent.usecases.recording import find_acting, governed, record_act
from office import MODEL, SLOT, Forging

WHO = {"model": MODEL, "version": 1}


@pytest.fixture
def office(prepared_office):
    return prepared_office


@pytest.fixture
def forged(office, monkeypatch):
    """Vera's workspace for somebody who has the database and the ledger's key, and not hers."""
    monkeypatch.setattr(signing, "check_signed", lambda *_, **__: None)
    return replace(office["vera"], keys=Forging(office["vera"].keys))


def attestations(office):
    with office["ben"].store.begin(read_only=True) as tx:
        return [*list_attestations(tx, f"{MODEL}@1")]


def earned(office, point="data-6"):
    return next(one for one in get_test_score(office["ben"], **WHO).points if one.point == point).score


def blocking(office):
    return [told for told in check_promotion(office["olga"], **WHO, slot=SLOT).problems if "blocks" in told]


def key_of(office, person):
    with office["ben"].store.begin(read_only=True) as tx:
        return [record.record_id for record in tx.records.list_all("key") if record.body["person_id"] == person][-1]


def test_an_attestation_that_its_validator_did_not_sign_earns_nothing(office, forged):
    attest(office["vera"], **WHO, point="data-6", reason="looked at the features")
    attest(forged, **WHO, point="model-1", reason="never seen by her")
    good, bad = attestations(office)
    assert good.fault == ""
    assert bad.fault.startswith("its signature does not hold: attest by vera is not signed as it has to be")
    assert (earned(office), earned(office, "model-1")) == (0.5, 0)


def test_one_whose_key_was_in_other_hands_earns_nothing_and_a_failed_one_stands(office):
    first = attest(office["vera"], **WHO, point="data-6", reason="done")
    attest(office["vera"], **WHO, point="model-1", reason="it does not", result="failed")
    key = key_of(office, "vera")
    revoke_key(office["ada"], key=key, reason="lost")
    assert earned(office) == 0.5, "what it signed before stands"
    revoke_key(office["ada"], key=key, reason="sold", compromised_since=first.at - timedelta(microseconds=1))
    assert (earned(office), earned(office, "model-1")) == (0, 0)
    assert all("may have been in other hands since" in one.fault for one in attestations(office))
    assert next(one for one in get_test_score(office["ben"], **WHO).points if one.point == "model-1").reason.startswith(
        "attested by vera failed"
    )


def test_a_finding_that_nobody_with_the_right_key_closed_blocks_as_before(office, forged):
    opened = open_finding(office["ben"], subject=MODEL, title="it drifts", blocks=True).finding.finding_id
    assert len(blocking(office)) == 1
    close_finding(forged, finding=opened, resolution="mended, says who has the database")
    [told] = blocking(office)
    assert "it drifts (that vera closed it does not count: its signature does not hold: close-finding by vera is not signed" in told
    [record] = list_findings(office["ben"], is_open=True)
    assert (record.finding.state, record.finding.closed_by, record.finding.finding_id) == ("open", "", opened)


def test_a_finding_closed_with_a_key_in_other_hands_is_open_and_is_closed_anew(office):
    opened = open_finding(office["ben"], subject=SLOT, title="it drifts", blocks=True).finding.finding_id
    closed = close_finding(office["vera"], finding=opened, resolution="mended").finding
    assert not blocking(office)
    revoke_key(office["ada"], key=key_of(office, "vera"), reason="sold", compromised_since=closed.closed_at)
    assert len(blocking(office)) == 1
    new_key(office["vera"], person="vera", name="vera-2")
    bind_key(office["ada"], key="vera")
    assert close_finding(office["vera"], finding=opened, resolution="mended indeed").finding.title == "it drifts"
    assert not blocking(office)
    with pytest.raises(Refused, match="is closed already, by vera"):
        close_finding(office["omar"], finding=opened, resolution="again")


@pytest.mark.parametrize("act", ["validate", "approve", "accept-risk", "attest", "close-finding", "break-glass"])
def test_no_act_of_a_person_is_recorded_without_their_statement(office, act):
    with pytest.raises(Refused, match=f"{act} needs a statement signed"), governed(office["vera"]) as tx:
        record_act(office["vera"], tx, act=act, kind="note", object_id="x", acting=find_acting(office["vera"], tx))
