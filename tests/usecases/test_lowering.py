"""Nobody lowers what is asked of their own model: neither by what the tiers ask for, nor by the tier that it is put into."""

import shutil

import pytest

from incumbent.base.errors import Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli.promote import render_basis
from incumbent.config import read_settings
from incumbent.governance.tier import DEFAULT_TIERS
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.people import add_person, change_person
from incumbent.usecases.person_keys import new_key
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.tiers import assess_tier, list_tiers, set_tiers
from office import LAX, MODEL, PEOPLE, SLOT, as_actor, open_office, prepare, register_factor, sign_all

WHO = {"model": MODEL, "slot": SLOT, "version": 1}
NOBODY = LAX.replace("approvers = 1", "approvers = 0").replace("roll_back_approvals = 1", "roll_back_approvals = 0")
LOW = {"exposure": "low", "purpose": "low", "inherent": "low"}
FEWER = DEFAULT_TIERS.replace("validators = 1", "validators = 0")
"""No validators anywhere; all else as it is by itself."""


def opened(folder):
    return open_workspace(read_settings(folder / "project", {"INCUMBENT_KEYS": str(folder / "keys")}))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A version of Ann's in tier 2, with evidence, that nobody has signed."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "project").mkdir()
    (folder / "bundles").mkdir()
    ws = opened(folder)
    people = open_office(ws)
    prepare(people, folder / "bundles")
    host = open_model_host(ws)
    evaluate(people["rita"], host, **WHO)
    host.close()
    ws.store.close()
    return folder


@pytest.fixture
def office(evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path / "copy")
    ws = opened(tmp_path / "copy")
    yield {name: as_actor(ws, name) for name in PEOPLE}
    ws.store.close()


@pytest.fixture
def fresh(tmp_path):
    """An office that has no model yet."""
    (tmp_path / "project").mkdir()
    (tmp_path / "bundles").mkdir()
    ws = opened(tmp_path)
    yield open_office(ws)
    ws.store.close()


def tier_of(office, slot=None):
    with office["ben"].store.begin(read_only=True) as tx:
        return find_tier(tx, MODEL, slot)


def asked(office):
    rule = tier_of(office).rule
    return rule.tier, rule.validators, rule.approvers, rule.self_approval


def test_an_author_who_abolishes_the_quorum_has_their_version_held_to_what_was_asked_before(office):
    set_tiers(office["ann"], text=NOBODY, reason="to be quick")
    assert asked(office) == (2, 1, 1, False)
    with pytest.raises(Refused, match=r"missing: 1 validator[\s\S]*missing: 1 approver"):
        promote(office["olga"], **WHO, reason="nobody has to sign any more")
    with pytest.raises(Refused, match="ann may not approve: ann"):
        sign_off(office["ann"], **WHO, capacity="approver")
    [note] = check_promotion(office["olga"], **WHO).notes
    assert note.startswith("ann asked for less of a tier in ledger entry ")
    assert "it is held to what tier 2 asked for before; an approver who had none may set the tiers anew" in note
    sign_all(office, 1)
    promoted = promote(office["olga"], **WHO, reason="signed after all")
    assert note in render_basis(promoted)
    assert reconcile(office["ben"]).differences == (), "more was asked than the newest tier policy says, and that is no difference"


def test_what_an_author_allowed_themselves_is_not_allowed_and_what_they_raised_holds(office):
    set_tiers(office["ann"], text=LAX.replace("self_approval = false", "self_approval = true"))
    assert asked(office) == (2, 1, 1, False)
    set_tiers(office["ann"], text=DEFAULT_TIERS.replace("approvers = 1", "approvers = 2"))
    assert asked(office) == (2, 1, 2, False)
    set_tiers(office["ann"], text=DEFAULT_TIERS)
    assert asked(office) == (2, 1, 2, False), "taking back what they raised is lowering it"


def test_the_tiers_that_an_author_lowered_hold_once_somebody_else_has_set_them(office):
    set_tiers(office["ann"], text=FEWER)
    assert asked(office) == (2, 1, 1, False)
    set_tiers(office["petra"], text=FEWER, reason="we have agreed on it")
    assert asked(office) == (2, 0, 1, False)
    sign_off(office["omar"], **WHO, capacity="approver")
    promoted = promote(office["olga"], **WHO, reason="as the office has agreed")
    assert "petra lowered what tier 2 asks for, and fills no place of it" in render_basis(promoted)


def test_whoever_lowered_what_a_tier_asks_for_fills_no_place_of_it_until_another_approver_has_taken_it_over(office):
    set_tiers(office["omar"], text=FEWER)
    with pytest.raises(Refused, match="omar may not approve: omar lowered what tier 2 asks for in double@1's lineage"):
        sign_off(office["omar"], **WHO, capacity="approver")
    set_tiers(office["petra"], text=FEWER)
    sign_off(office["omar"], **WHO, capacity="approver")
    with pytest.raises(Refused, match="petra may not approve: petra lowered what tier 2 asks for"):
        sign_off(office["petra"], **WHO, capacity="approver")
    set_tiers(office["omar"], text=FEWER, reason="he takes it over again, after he signed")
    assert "does not count: omar's sign-off: omar lowered what tier 2 asks for" in "\n".join(
        check_promotion(office["olga"], **WHO).problems
    )
    set_tiers(office["omar"], text=DEFAULT_TIERS)
    sign_all(office, 1)
    promote(office["olga"], **WHO, reason="nothing is lowered, so whoever set it may sign")


def test_who_lowered_a_tier_may_sign_in_another_one(office):
    set_tiers(office["omar"], text=DEFAULT_TIERS.replace("approvers = 2", "approvers = 1"))
    sign_all(office, 1)
    assert not check_promotion(office["olga"], **WHO).problems, "tier 1 alone asks for less than before"


def test_who_lowered_a_tier_vouches_for_others_as_before(office):
    change_person(office["ada"], person="ada", roles=["admin", "approver"])
    set_tiers(office["ada"], text=DEFAULT_TIERS.replace("valid_days = 180", "valid_days = 200"))
    sign_all(office, 1)
    assert not check_promotion(office["olga"], **WHO).problems, "ada made everybody known here, and made nothing of the version"


def test_a_setter_whom_an_author_made_known_is_no_other(office):
    change_person(office["ada"], person="ann", roles=["admin", "developer", "approver"])
    add_person(office["ann"], person="zack", name="Zack", roles=["approver"])
    for person in ("omar", "petra"):
        change_person(office["ann"], person=person, is_active=False, reason="so that nobody else is there")
    set_tiers(as_actor(office["ada"], "zack"), text=NOBODY)
    assert asked(office) == (2, 1, 1, False)
    set_tiers(office["ann"], text=NOBODY)
    assert asked(office) == (2, 1, 1, False), "others were approvers here, and could have been asked"


def test_a_model_that_nobody_assessed_is_not_in_the_tier_that_its_author_named_for_such(fresh, tmp_path):
    set_tiers(fresh["ann"], text=DEFAULT_TIERS.replace("unassessed = 2", "unassessed = 4"))
    assert asked(fresh)[0] == 4, "she had no hand in it yet"
    register_factor(fresh["ann"], tmp_path / "bundles", 1.5)
    assert asked(fresh)[0] == 2
    assert "ann asked for less of a tier" in " ".join(tier_of(fresh).ignored)
    set_tiers(fresh["petra"], text=DEFAULT_TIERS.replace("unassessed = 2", "unassessed = 3"))
    assert (asked(fresh)[0], tier_of(fresh).lowered_by) == (3, "petra")


def test_an_assessment_of_before_its_assessor_had_a_hand_in_it_lowers_nothing(fresh, tmp_path):
    assess_tier(fresh["ann"], model=MODEL, **LOW, reason="there is no version yet, so I am no author")
    assert tier_of(fresh).words == "4"
    register_factor(fresh["otto"], tmp_path / "bundles", 1.5)
    assert tier_of(fresh).words == "4", "it is Otto's"
    register_factor(fresh["ann"], tmp_path / "bundles", 1.6)
    assert tier_of(fresh).words == tier_of(fresh, SLOT).words == list_tiers(fresh["ben"])[MODEL].words == "2, not assessed"
    [told] = tier_of(fresh).ignored
    assert told.startswith("ann put double into tier 4 in ledger entry ")
    assert told.endswith("it stays in tier 2; an approver who had none may assess it anew")
    assess_tier(fresh["ann"], model=MODEL, exposure="high", purpose="high", inherent="high", reason="it matters more than I thought")
    assert tier_of(fresh).words == "1", "an author may ask for more"
    assess_tier(fresh["omar"], model=MODEL, **LOW, reason="I have looked, and had no hand in it")
    assert (tier_of(fresh).words, tier_of(fresh).ignored) == ("4", ())


def test_with_a_lower_tier_of_its_author_a_version_does_not_go_live_unsigned(fresh, tmp_path):
    assess_tier(fresh["ann"], model=MODEL, **LOW, reason="there is no version yet, so I am no author")
    register_factor(fresh["ann"], tmp_path / "bundles", 2.0)
    host = open_model_host(fresh["ann"])
    evaluate(fresh["rita"], host, **WHO)
    host.close()
    with pytest.raises(Refused, match=r"missing: 1 validator[\s\S]*missing: 1 approver"):
        promote(fresh["olga"], **WHO, reason="tier 4 asks for nobody")
    sign_all(fresh, 1)
    assert promote(fresh["olga"], **WHO, reason="signed").basis.tier == "2, not assessed"
    assert reconcile(fresh["ben"]).differences == ()


def test_tiers_that_are_set_later_make_no_earlier_promotion_a_difference(office):
    sign_all(office, 1)
    promote(office["olga"], **WHO, reason="by the tiers of that day")
    set_tiers(office["petra"], text=DEFAULT_TIERS.replace("validators = 1", "validators = 3").replace("approvers = 1", "approvers = 2"))
    assert asked(office) == (2, 3, 2, False)
    assess_tier(office["omar"], model=MODEL, exposure="high", purpose="high", inherent="high", reason="it matters more now")
    assert asked(office)[0] == 1
    assert reconcile(office["ben"]).differences == ()


def test_where_nobody_else_was_ever_an_approver_one_person_says_what_they_hold_themselves_to(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "bundles").mkdir()
    solo = opened(tmp_path)
    add_person(solo, person="solo", name="Solo", roles=["admin", "developer", "validator", "approver", "operator"])
    new_key(solo, person="solo")
    register_factor(solo, tmp_path / "bundles", 2.0)
    set_tiers(solo, text=LAX)
    assert asked({"ben": solo})[0] == 4
    add_person(solo, person="omar", name="Omar", roles=["approver"])
    assert asked({"ben": solo})[0] == 4, "what was decided when there was nobody to ask stands"
    set_tiers(solo, text=LAX.replace("valid_days = 30", "valid_days = 60"))
    assert tier_of({"ben": solo}).rule.valid_days == 30, "now there is somebody"
    solo.store.close()
