"""The way back: one command, to what was approved here before; with a broken glass where there is no time to ask."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from incumbent.base.errors import NotFound, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.archive import archive
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.findings import close_finding, list_findings, open_finding
from incumbent.usecases.live import get_live
from incumbent.usecases.people import change_person
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import set_tiers
from office import LAX, MODEL, POLICY, SLOT, go_live, open_office, prepare, register_factor, sign_all

WHO = {"model": MODEL, "slot": SLOT}


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


@pytest.fixture
def office(ws):
    return open_office(ws)


@pytest.fixture
def bundles(tmp_path):
    (tmp_path / "bundles").mkdir()
    return tmp_path / "bundles"


def test_breaking_the_glass_needs_no_approval_and_blocks_the_slot_until_somebody_else_has_looked(ws, office, host, bundles):
    set_tiers(office["omar"], text=LAX)
    prepare(office, bundles)
    change_person(office["ann"], person="olga", roles=["operator", "approver"])
    for version in (1, 2):
        if version == 2:
            register_factor(office["ann"], bundles, 2.0)
        go_live(office, host, version)
    with pytest.raises(Refused, match=r"asks for 1 approval\(s\) of a roll-back, and 0 are there"):
        roll_back(office["olga"], slot=SLOT, reason="error rate")
    done = roll_back(office["olga"], slot=SLOT, reason="error rate, nobody answers the phone", break_glass=True)
    assert (done.version.version, get_live(ws, SLOT).basis.act) == (1, "break-glass")
    [finding] = [record.finding for record in list_findings(ws, subject=SLOT, is_open=True)]
    assert (finding.finding_id, finding.blocks_promotion, finding.opened_by) == (done.finding, True, "olga")
    with ws.store.begin(read_only=True) as tx:
        assert tx.ledger.get(done.placement.seq).draft.statement is not None
    register_factor(office["ann"], bundles, 2.001)
    evaluate(office["rita"], host, **WHO, version=3)
    sign_all(office, 3)
    with pytest.raises(Refused, match=f"{done.finding} blocks {SLOT} until it is closed"):
        promote(office["olga"], **WHO, version=3, reason="x")
    with pytest.raises(Refused, match="who broke the glass"):
        close_finding(office["olga"], finding=done.finding, resolution="all fine")
    close_finding(office["omar"], finding=done.finding, resolution="right thing to do")
    assert promote(office["olga"], **WHO, version=3, reason="back to normal").placement.version == 3


def test_an_approved_roll_back_of_a_strict_tier_needs_no_broken_glass(ws, office, host, bundles):
    set_tiers(office["omar"], text=LAX)
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    sign_off(office["petra"], **WHO, version=1, capacity="approver", comment="go back")
    assert roll_back(office["olga"], slot=SLOT, reason="error rate").version.version == 1
    assert list_findings(ws) == []


def test_a_finding_on_the_model_blocks_too(ws, office, host, bundles):
    prepare(office, bundles)
    made = open_finding(office["vera"], subject=MODEL, title="no subgroup report", blocks=True)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    with pytest.raises(Refused, match="no subgroup report"):
        promote(office["olga"], **WHO, version=1, reason="x")
    with pytest.raises(Refused, match="ann.*had a hand in double"):
        close_finding(office["ann"], finding=made.finding.finding_id, resolution="it is fine")
    close_finding(office["omar"], finding=made.finding.finding_id, resolution="report is in run 7")
    promote(office["olga"], **WHO, version=1, reason="x")


def test_nothing_to_roll_back_to_and_strangers_to_the_slot_are_refused(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    with pytest.raises(NotFound, match="has nothing to roll back to"):
        roll_back(office["olga"], slot=SLOT, reason="x")
    with pytest.raises(NotFound, match="there is no slot 'other'; there are: double/eu"):
        roll_back(office["olga"], slot="other", reason="x")
    register_factor(office["ann"], bundles, 2.0)
    archive(office["vera"], **WHO, version=2, reason="not today")
    with pytest.raises(Refused, match="double@2 was never in Production here"):
        roll_back(office["olga"], slot=SLOT, reason="x", to=(MODEL, 2))
    with pytest.raises(Refused, match="Archived -> Staging is no legal transition"):
        propose(office["ann"], **WHO, version=2)
    with pytest.raises(Refused, match="is live in slot double/eu already"):
        roll_back(office["olga"], slot=SLOT, reason="x", to=(MODEL, 1))


def test_an_expired_approval_is_nothing_to_go_back_to(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)

    class Later:
        def now(self):
            return datetime.now(UTC) + timedelta(days=200)

    with pytest.raises(Refused, match="approval expired on"):
        roll_back(replace(office["olga"], clock=Later()), slot=SLOT, reason="x")


def test_a_withdrawn_approval_of_a_roll_back_does_not_count(ws, office, host, bundles):
    set_tiers(office["omar"], text=LAX)
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    sign_off(office["petra"], **WHO, version=1, capacity="approver", comment="go back")
    sign_off(office["petra"], **WHO, version=1, capacity="approver", meaning="rejected", comment="it leaks")
    with pytest.raises(Refused, match=r"asks for 1 approval\(s\) of a roll-back, and 0 are there"):
        roll_back(office["olga"], slot=SLOT, reason="x")


def test_a_rejection_outlives_evidence_that_is_gathered_anew(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_off(office["petra"], **WHO, version=1, capacity="approver", meaning="rejected", comment="no report")
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    with pytest.raises(Refused, match="petra rejected this bundle"):
        promote(office["olga"], **WHO, version=1, reason="x")


def test_a_policy_set_again_after_the_result_voids_the_evidence(ws, office, host, bundles):
    prepare(office, bundles)
    evaluate(office["rita"], host, **WHO, version=1)
    sign_all(office, 1)
    set_policy(office["rita"], target=MODEL, text=POLICY)
    with pytest.raises(Refused, match="is not the one that double@1 was judged by"):
        promote(office["olga"], **WHO, version=1, reason="x")


def test_a_name_in_the_lineage_that_nobody_goes_by_stops_the_promotion(ws, office, host, bundles):
    prepare(office, bundles)
    make_unknown = replace(office["ann"], actor="ann-laptop")
    version = register_factor(office["ann"], bundles, 2.0, run_by=make_unknown)
    evaluate(office["rita"], host, **WHO, version=version.version)
    sign_all(office, version.version)
    with pytest.raises(Refused, match="nobody here goes by 'ann-laptop'"):
        promote(office["olga"], **WHO, version=version.version, reason="x")
    change_person(office["ann"], person="ann", aliases=["ann-laptop"])
    promote(office["olga"], **WHO, version=version.version, reason="x")
