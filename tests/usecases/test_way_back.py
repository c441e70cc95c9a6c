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
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.propose import propose
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import set_tiers
from office import LAX, MODEL, POLICY, SLOT, as_actor, go_live, open_office, prepare, register_factor, sign_all

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
    people = open_office(ws)
    add_person(people["ada"], person="tess", name="Tess", roles=["approver"])  # who sets the tiers, and signs for nothing
    return people | {"tess": as_actor(ws, "tess")}


@pytest.fixture
def bundles(tmp_path):
    (tmp_path / "bundles").mkdir()
    return tmp_path / "bundles"


def test_breaking_the_glass_needs_no_approval_and_blocks_the_slot_until_somebody_else_has_looked(ws, office, host, bundles):
    set_tiers(office["tess"], text=LAX)
    prepare(office, bundles)
    change_person(office["ada"], person="olga", roles=["operator", "approver"])
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
    set_tiers(office["tess"], text=LAX)
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
    with pytest.raises(Refused, match="approval expired on"):
        roll_back(replace(office["olga"], clock=Later()), slot=SLOT, reason="x")


class Later:
    """A clock in 200 days, when the approvals of tier 2 have expired."""

    def now(self):
        return datetime.now(UTC) + timedelta(days=200)


def read_refs(ws, entry):
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.get(entry).draft.refs


def test_an_approval_given_anew_after_the_first_expired_opens_the_way_back_and_is_what_it_rests_on(ws, office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    later = {name: replace(one, clock=Later()) for name, one in office.items()}
    with pytest.raises(Refused, match=r"approval expired on .*\(1 asked, 0 there\)"):
        roll_back(later["olga"], slot=SLOT, reason="x")
    with pytest.raises(Refused, match="approval expired on"):
        roll_back(later["olga"], slot=SLOT, reason="x", break_glass=True)
    anew = sign_off(later["petra"], **WHO, version=1, capacity="approver", comment="still good")
    done = roll_back(later["olga"], slot=SLOT, reason="error rate")
    refs = read_refs(ws, done.placement.seq)
    assert [seq for name, seq in refs.items() if name.startswith("sign-off")] == [str(anew.entry)]
    assert anew.entry in [approval.seq for approval in get_live(ws, SLOT).basis.approvals]


def test_a_roll_back_names_the_sign_offs_of_the_promotion_and_those_given_for_it(ws, office, host, bundles):
    set_tiers(office["tess"], text=LAX)
    prepare(office, bundles)
    first = go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    anew = sign_off(office["petra"], **WHO, version=1, capacity="approver", comment="go back")
    refs = read_refs(ws, roll_back(office["olga"], slot=SLOT, reason="x").placement.seq)
    [promoted] = [seq for seq, _ in first.readiness.sign_offs]
    assert refs["promotion"] == str(first.placement.seq)
    assert [seq for name, seq in refs.items() if name.startswith("sign-off")] == [str(promoted), str(anew.entry)]
    assert [approval.person for approval in get_live(ws, SLOT).basis.approvals] == ["omar", "petra"]


def test_an_approval_of_a_roll_back_is_void_when_what_it_names_changes(office, host, bundles):
    set_tiers(office["tess"], text=LAX)
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    sign_off(office["petra"], **WHO, version=1, capacity="approver", comment="go back")
    set_policy(office["rita"], target=MODEL, text=POLICY.replace("0.05", "0.06"))
    with pytest.raises(Refused, match=r"(?s)and 0 are there.*void: petra's sign-off of double@1: policy was sha256:"):
        roll_back(office["olga"], slot=SLOT, reason="x")


def test_an_approval_of_a_roll_back_by_somebody_whose_work_it_turns_out_to_be_does_not_count(office, host, bundles):
    set_tiers(office["tess"], text=LAX.replace("approvers = 1", "approvers = 0"))  # so that a name nobody goes by is let past
    prepare(office, bundles)
    register_factor(office["ann"], bundles, 1.7, run_by=replace(office["ann"], actor="laptop"))
    register_factor(office["ann"], bundles, 2.0)
    for version in (2, 3):
        evaluate(office["rita"], host, **WHO, version=version)
        promote(office["olga"], **WHO, version=version, reason="x")
    sign_off(office["petra"], **WHO, version=2, capacity="approver", comment="go back")
    with pytest.raises(Refused, match="nobody here goes by 'laptop'"):
        roll_back(office["olga"], slot=SLOT, reason="x")
    change_person(office["ada"], person="petra", aliases=["laptop"])
    with pytest.raises(Refused, match="and 0 are there.*\n.*\n.*does not count: petra's sign-off: .*started run"):
        roll_back(office["olga"], slot=SLOT, reason="x")
    sign_off(office["omar"], **WHO, version=2, capacity="approver", comment="go back")
    assert roll_back(office["olga"], slot=SLOT, reason="x").version.version == 2


def test_a_rejection_of_what_is_gone_back_to_stands_in_the_way_of_all_but_a_broken_glass(office, host, bundles):
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["ann"], bundles, 2.0)
    go_live(office, host, 2)
    sign_off(office["petra"], **WHO, version=1, capacity="approver", meaning="rejected", comment="it leaks")
    with pytest.raises(Refused, match="unless at once with --break-glass, which opens a finding:\n  - petra rejected this bundle"):
        roll_back(office["olga"], slot=SLOT, reason="x")
    assert roll_back(office["olga"], slot=SLOT, reason="worse than a leak", break_glass=True).finding


def test_while_the_glass_is_broken_nothing_that_was_retired_comes_back(office, host, bundles):
    prepare(office, bundles)
    for version, factor in ((1, None), (2, 1.7), (3, 1.8), (4, 2.0)):
        if factor:
            register_factor(office["ann"], bundles, factor)
        go_live(office, host, version)
        if version == 2:
            archive(office["olga"], **WHO, version=2, reason="retired for good")
    broken = roll_back(office["olga"], slot=SLOT, reason="error rate", break_glass=True)
    for break_glass in (True, False):
        with pytest.raises(Refused, match=f"{broken.finding} is open.*: to double@1, and not to double@2"):
            roll_back(office["olga"], slot=SLOT, reason="x", to=(MODEL, 2), break_glass=break_glass)
    with pytest.raises(Refused, match="and not to double@4"):
        roll_back(office["olga"], slot=SLOT, reason="forward again", to=(MODEL, 4))
    assert roll_back(office["olga"], slot=SLOT, reason="still bad").version.version == 1
    close_finding(office["omar"], finding=broken.finding, resolution="seen")
    assert roll_back(office["olga"], slot=SLOT, reason="free again", to=(MODEL, 2)).version.version == 2


def test_a_withdrawn_approval_of_a_roll_back_does_not_count(ws, office, host, bundles):
    set_tiers(office["tess"], text=LAX)
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
    change_person(office["ada"], person="ann", aliases=["ann-laptop"])
    promote(office["olga"], **WHO, version=version.version, reason="x")
