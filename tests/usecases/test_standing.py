"""What stands behind a sign-off: an admin who is an author cannot be a whole quorum, whichever way the identities come about."""

from dataclasses import replace
from datetime import timedelta

import pytest

from incumbent.base.errors import Conflict, InvalidInput, Refused
from incumbent.cli.live import render_slot
from incumbent.cli.promote import render_basis
from incumbent.governance.person import Key, Person
from incumbent.usecases import sign_off as signing_off
from incumbent.usecases import signing
from incumbent.usecases.archive import archive
from incumbent.usecases.attest import attest
from incumbent.usecases.findings import close_finding, open_finding
from incumbent.usecases.live import get_live
from incumbent.usecases.people import add_person, change_person, list_person_records
from incumbent.usecases.person_keys import bind_key, new_key, revoke_key
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.recording import find_acting, governed, record_act
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.schemas import set_schema
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.standing import read_vouching
from incumbent.usecases.tiers import set_tiers
from office import LAX, MODEL, PEOPLE, SLOT, Forging, as_actor, sign_all

WHO = {"model": MODEL, "slot": SLOT, "version": 1}
AUTHOR_IS_ADMIN = ["admin", "developer", "approver"]


@pytest.fixture
def ws(evaluated_ws):
    return evaluated_ws


@pytest.fixture
def office(ws):
    return {name: as_actor(ws, name) for name in PEOPLE}


@pytest.fixture
def let_in(monkeypatch):
    """What a release that did not ask who vouched would have let in: the judgement has to find it all the same."""
    monkeypatch.setattr(signing_off, "find_dependence", lambda *_, **__: "")


def problems(office):
    return "\n".join(check_promotion(office["olga"], **WHO).problems)


def refused_acts(office):
    with office["ada"].store.begin(read_only=True) as tx:
        return [(entry.draft.after, entry.draft.actor.actor_id) for entry in tx.ledger.find(act="refuse", limit=50)]


def make_ann_admin(office):
    change_person(office["ada"], person="ann", roles=AUTHOR_IS_ADMIN)


def appoint(office, person, *roles, by):
    """Make somebody known, with a key, all on one person's word."""
    add_person(office[by], person=person, name=person, roles=list(roles))
    office[person] = as_actor(office[by], person)
    if new_key(office[person], person=person).bound is None:
        bind_key(office[by], key=person)


def make_ada_author(office):
    """Ada, who began the installation, registers the rows' schema: it is hers from then on what the version is held to."""
    change_person(office["ada"], person="ada", roles=["admin", "developer"])
    set_schema(office["ada"], model=MODEL, text="schema_type: dataframe\nversion: 0.33.0\ncolumns: {y_true: {dtype: Float64}}\n")


def find_key(office, person):
    return [key for record in list_person_records(office["ada"]) if record.person.person_id == person for key in record.keys][-1].key_id


def bind_anew(office, person, by):
    new_key(office[person], person=person, name=f"{person}-2")
    bind_key(office[by], key=person)


def test_a_quorum_by_keys_that_an_author_bound_is_none(office, monkeypatch):
    make_ann_admin(office)
    for person in ("vera", "omar"):
        bind_anew(office, person, by="ann")
    with pytest.raises(Refused, match=r"vera may not validate: ann bound the key ed25519:\S+ of vera, and had a hand in double@1"):
        sign_all(office, 1)
    assert refused_acts(office) == [("validate", "vera")]
    monkeypatch.setattr(signing_off, "find_dependence", lambda *_, **__: "")
    sign_all(office, 1)
    assert problems(office).count("ann bound the key") == 2
    with pytest.raises(Refused, match="missing: 1 validator"):
        promote(office["olga"], **WHO, reason="by keys of others")


@pytest.mark.parametrize("is_old", [False, True])
def test_a_quorum_of_people_whom_an_author_invented_is_none(office, let_in, monkeypatch, is_old):
    """Also where the documents are from before they said who vouched: then it is who wrote their entries."""
    make_ann_admin(office)
    if is_old:
        for kind, field in ((Person, "vouched_by"), (Key, "bound_by")):
            now = kind.to_json
            monkeypatch.setattr(
                kind, "to_json", lambda one, now=now, field=field: {name: value for name, value in now(one).items() if name != field}
            )
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        add_person(office["ann"], person=person, name=person, roles=[role])
        office[person] = as_actor(office["ann"], person)
        bind_anew(office, person, by="ada")
        sign_off(office[person], **WHO, capacity=role)
    assert "zoe's sign-off: ann made zoe known here, or gave them the role, and had a hand in double@1" in problems(office)
    assert "zack's sign-off: ann made zack known here" in problems(office)
    with pytest.raises(Refused, match="missing: 1 approver"):
        promote(office["olga"], **WHO, reason="by people of straw")
    monkeypatch.undo()
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        change_person(office["ada"], person=person, roles=[role], reason="I have met them")
    assert not problems(office), "an admin without a hand in it vouches, and what was signed counts"


@pytest.mark.parametrize("steps", [["yan"], ["yan", "yola"]])
def test_no_number_of_steps_makes_a_quorum_of_an_author(office, let_in, steps):
    """The author appoints an admin, who appoints an admin, who vouches for two who sign."""
    make_ann_admin(office)
    by = "ann"
    for admin in steps:
        appoint(office, admin, "admin", by=by)
        by = admin
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        appoint(office, person, role, by=by)
        sign_off(office[person], **WHO, capacity=role)
    chain = "ann vouches for yan, who " + "".join(f"vouches for {admin}, who " for admin in steps[1:])
    assert f"zoe's sign-off: {chain}made zoe known here, or gave them the role, and had a hand in double@1" in problems(office)
    with pytest.raises(Refused, match=r"missing: 1 validator[\s\S]*missing: 1 approver"):
        promote(office["olga"], **WHO, reason="by people of straw")
    change_person(office[by], person="yan", roles=["admin"], reason="they vouch for each other")
    assert problems(office).count("ann vouches for yan") == 2, "nobody takes over from an author on whose word they stand themselves"
    change_person(office["ada"], person="yan", roles=["admin"], reason="I have met them")
    assert not problems(office), "whose identity an admin without a hand in it has looked at is no straw, and vouches"
    basis = promote(office["olga"], **WHO, reason="first").basis
    told = "vouched for and key bound by " + ", on the word of ".join([*reversed(steps), "ada"])
    assert [one.words for one in basis.approvals] == [told, told]
    assert not basis.founder


def test_an_author_who_appoints_admins_is_refused_as_the_sign_off_is_given(office):
    make_ann_admin(office)
    appoint(office, "yan", "admin", by="ann")
    appoint(office, "zoe", "validator", by="yan")
    with pytest.raises(Refused, match="zoe may not validate: ann vouches for yan, who made zoe known here, or gave them the role"):
        sign_off(office["zoe"], **WHO, capacity="validator")
    bind_key(office["yan"], key=find_key(office, "vera"))
    with pytest.raises(Refused, match=r"vera may not validate: ann vouches for yan, who bound the key ed25519:\S+ of vera"):
        sign_off(office["vera"], **WHO, capacity="validator")


def test_where_the_founder_is_an_author_it_counts_and_is_told_wherever_it_is_shown(office, let_in):
    make_ada_author(office)
    sign_all(office, 1)
    assert problems(office).count("ada made") == 2, "whom they vouched for themselves does not count"
    appoint(office, "yan", "admin", by="ada")
    for person, role in (("zoe", "validator"), ("zack", "approver")):
        appoint(office, person, role, by="yan")
        sign_off(office[person], **WHO, capacity=role)
    found = check_promotion(office["olga"], **WHO)
    told = "all of this rests on ada, who began this installation and is an author"
    assert not found.problems
    assert found.notes == (told,)
    assert found.quorum.to_json()["founder"] == "ada"
    promoted = promote(office["olga"], **WHO, reason="first")
    live = get_live(office["olga"], SLOT)
    assert promoted.basis == live.basis
    assert live.basis.founder == live.to_json()["live"]["basis"]["founder"] == "ada"
    assert f"  note          {told}" in render_slot(live).splitlines()
    assert told in render_basis(promoted)
    assert "zoe (validate, " in "\n".join(render_basis(promoted))
    with office["ada"].store.begin(read_only=True) as tx:
        refs = tx.ledger.get(promoted.placement.seq).draft.refs
    assert {refs["vouched-1"], refs["bound-2"]} == {"yan ada"}
    assert refs["founder"] == "ada"


def test_the_key_of_a_former_admin_counts_once_another_has_bound_it(office):
    """An admin's first key is bound by nobody else; while they are one they fill no seat, and afterwards it is still their word alone."""
    change_person(office["ada"], person="ben", roles=["admin"])
    new_key(office["ben"], person="ben", name="ben-2")
    change_person(office["ada"], person="ben", roles=["approver"], reason="is to sign, and to administer no more")
    with pytest.raises(Refused, match=r"ben may not approve: ben bound their own key ed25519:\S+, as an admin, which they are no more"):
        sign_off(office["ben"], **WHO, capacity="approver")
    change_person(office["ada"], person="ben", roles=["approver", "admin"])
    with pytest.raises(Conflict, match="another admin may bind it again"):
        bind_key(office["ben"], key=find_key(office, "ben"))
    change_person(office["ada"], person="ben", roles=["approver"])
    assert bind_key(office["ada"], key=find_key(office, "ben")).bound_by == "ada"
    sign_off(office["ben"], **WHO, capacity="approver")
    sign_off(office["vera"], **WHO, capacity="validator")
    assert not problems(office)


def test_who_set_a_reporting_group_vouches_where_groups_are_to_differ(office, let_in):
    make_ann_admin(office)
    appoint(office, "tess", "approver", by="ada")
    set_tiers(office["tess"], text=LAX.replace("distinct_groups = false", "distinct_groups = true"))
    for person, by in (("omar", "ann"), ("petra", "ada")):
        change_person(office[by], person=person, group=f"of {person}")
        sign_off(office[person], **WHO, capacity="approver")
    assert "omar's sign-off: ann set the reporting group of omar, and had a hand in double@1" in "\n".join(
        barred.reason and f"{barred.sign_off.person_id}'s sign-off: {barred.reason}"
        for barred in check_promotion(office["olga"], **WHO).quorum.barred
    )
    change_person(office["ada"], person="omar", group="of omar", reason="so it is")
    assert not check_promotion(office["olga"], **WHO).quorum.barred


def test_in_documents_of_before_who_made_somebody_an_admin_vouches_and_who_changed_a_group_set_it(office):
    """The release before this one kept who gave a role that signs, and nothing of the role admin or of groups."""
    with governed(office["ann"]) as tx:
        for name, change in (("ben", {"roles": ["admin", "auditor"]}), ("vera", {"group": "risk"})):
            body = {field: value for field, value in tx.records.find("person", name).body.items() if field != "grouped_by"} | change
            record_act(
                office["ann"], tx, act="change-person", kind="person", object_id=name, acting=find_acting(office["ann"], tx), body=body,
            )  # fmt: skip
        vouching = read_vouching(tx)
    assert vouching.chain("ben") == ("ann", "ada")
    assert vouching.chain("vera") == ("ada",)
    assert vouching.grouped_by["vera"] == "ann"


def test_who_gives_a_role_that_signs_vouches_from_then_on(office):
    make_ann_admin(office)
    change_person(office["ann"], person="vera", group="risk")
    sign_off(office["vera"], **WHO, capacity="validator")
    change_person(office["ann"], person="vera", roles=["validator"])
    assert "ann made vera known here, or gave them the role" in problems(office)
    with pytest.raises(Refused, match="vera may not validate: ann made vera known here"):
        sign_off(office["vera"], **WHO, capacity="validator")
    assert sign_off(office["vera"], **WHO, capacity="validator", meaning="rejected", comment="no").sign_off.meaning == "rejected"


def test_an_admin_fills_no_seat(office):
    change_person(office["ada"], person="ada", roles=["admin", "approver"])
    with pytest.raises(Refused, match="ada may not approve: ada is an admin, who hands out the identities"):
        sign_off(office["ada"], **WHO, capacity="approver")
    sign_off(office["vera"], **WHO, capacity="validator")
    sign_off(office["omar"], **WHO, capacity="approver")
    assert not problems(office)
    change_person(office["ada"], person="omar", roles=["approver", "admin"])
    assert "omar is an admin" in problems(office)


def test_a_key_that_was_in_other_hands_takes_its_signatures_along_and_a_lost_one_does_not(office):
    signed = sign_off(office["vera"], **WHO, capacity="validator").sign_off
    sign_off(office["omar"], **WHO, capacity="approver")
    revoke_key(office["ada"], key=signed.key_id, reason="laptop lost")
    assert not problems(office), "what it signed before stands"
    with pytest.raises(InvalidInput, match="compromised since a time up to its revocation"):
        revoke_key(office["ada"], key=signed.key_id, reason="?", compromised_since=signed.at + timedelta(days=1))
    revoke_key(office["ada"], key=signed.key_id, reason="found in a shop", compromised_since=signed.at + timedelta(microseconds=1))
    assert not problems(office), "the signature is older than that"
    revoke_key(office["ada"], key=signed.key_id, reason="sold before", compromised_since=signed.at)
    assert f"vera's sign-off: its key {signed.key_id} may have been in other hands since" in problems(office)
    with pytest.raises(Refused, match="revoked already"):
        revoke_key(office["ada"], key=signed.key_id, reason="no, later", compromised_since=signed.at + timedelta(microseconds=1))


def test_a_statement_that_the_bound_key_did_not_sign_is_not_stored_and_does_not_count_where_it_is(office, monkeypatch):
    forging = replace(office["vera"], keys=Forging(office["vera"].keys))
    with pytest.raises(Refused, match="validate by vera is not signed as it has to be"):
        sign_off(forging, **WHO, capacity="validator")
    monkeypatch.setattr(signing, "check_signed", lambda *_, **__: None)  # whoever writes to the database makes no such check
    sign_off(forging, **WHO, capacity="validator")
    sign_off(office["omar"], **WHO, capacity="approver")
    assert "vera's sign-off: its signature does not hold" in problems(office)
    with pytest.raises(Refused, match="missing: 1 validator"):
        promote(office["olga"], **WHO, reason="forged")


def test_live_tells_who_vouched_and_who_bound(office):
    change_person(office["ada"], person="ben", roles=["auditor", "admin"])
    bind_anew(office, "omar", by="ben")
    sign_all(office, 1)
    promote(office["olga"], **WHO, reason="first")
    told = {one.person: one.words for one in get_live(office["olga"], SLOT).basis.approvals}
    assert told == {"vera": "vouched for and key bound by ada", "omar": "vouched for by ada, key bound by ben, on the word of ada"}


def test_no_slot_goes_back_on_a_signature_of_a_key_that_was_in_other_hands(office):
    signed = sign_all(office, 1).sign_off
    promote(office["olga"], **WHO, reason="first")
    archive(office["olga"], **WHO, reason="looked at anew")
    revoke_key(office["ada"], key=signed.key_id, reason="sold", compromised_since=signed.at)
    bind_anew(office, "omar", by="ada")
    with pytest.raises(Refused, match=r"approval does not count any more \(omar's sign-off: its key .* other hands since"):
        roll_back(office["olga"], slot=SLOT, to=(MODEL, 1), reason="back", break_glass=True)
    sign_off(office["omar"], **WHO, capacity="approver")
    assert roll_back(office["olga"], slot=SLOT, to=(MODEL, 1), reason="approved anew").version.version == 1


def test_the_word_of_an_author_is_good_for_no_attestation_and_no_finding(office):
    make_ann_admin(office)
    change_person(office["ann"], person="vera", roles=["validator"])
    with pytest.raises(Refused, match="vera may not attest: ann made vera known here"):
        attest(office["vera"], model=MODEL, version=1, point="data-6", reason="done")
    opened = open_finding(office["ben"], subject=MODEL, title="it drifts").finding.finding_id
    with pytest.raises(Refused, match="vera may not close-finding: ann made vera known here"):
        close_finding(office["vera"], finding=opened, resolution="no matter")
    change_person(office["ada"], person="vera", roles=["validator"])
    assert close_finding(office["vera"], finding=opened, resolution="mended").finding.closed_by == "vera"


def test_who_broke_the_glass_vouches_for_nobody_who_sweeps_up(office):
    change_person(office["ada"], person="olga", roles=["operator", "admin"])
    opened = open_finding(office["olga"], subject=SLOT, title="it was night", kind="break-glass").finding.finding_id
    change_person(office["olga"], person="omar", roles=["approver"])
    with pytest.raises(Refused, match="omar may not close-finding: olga made omar known here"):
        close_finding(office["omar"], finding=opened, resolution="fine")
    assert close_finding(office["petra"], finding=opened, resolution="looked at").finding.state == "closed"
