import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import ACTS, ROLES, check_right, check_roles, rights_table

# Written by hand from the roles of the governance research, section 4: the code's table has to agree with it.
RIGHTS = {
    "developer": "set-policy set-schema assess-tier register-holdout register propose reject evaluate note tag set-alias open-finding",
    "validator": "set-policy set-schema assess-tier register-holdout reject evaluate attest validate note tag set-alias open-finding \
        close-finding",
    "approver": "set-policy set-schema set-tiers assess-tier reject approve accept-risk note tag set-alias open-finding close-finding",
    "operator": "promote supersede roll-back break-glass archive note tag set-alias open-finding",
    "auditor": "open-finding witness",
    "admin": "add-person change-person add-key revoke-key disown-key add-witness revoke-witness \
        add-webhook remove-webhook erase rotate-key accept-clock",
    "service": "register propose evaluate note tag set-alias open-finding witness",
}
RIGHTS = {role: f"{acts} request-key" for role, acts in RIGHTS.items()}
ACCOUNTS = "make-token revoke-token make-link use-link change-password end-sessions admit adopt-accounts"
ANYBODY = {"refuse", "begin", *ACCOUNTS.split()}
HUMAN = {"attest", "validate", "approve", "accept-risk", "break-glass", "close-finding"}


@pytest.mark.parametrize(("role", "act"), list(itertools.product(ROLES, ACTS)))
def test_a_role_may_do_what_the_table_says_and_a_refusal_names_the_roles_that_may(role, act):
    if act in RIGHTS[role].split() or act in ANYBODY:
        check_right(act, [role])
        return
    with pytest.raises(Refused) as refused:
        check_right(act, [role])
    message = str(refused.value)
    assert act in message
    assert f"holds {role}" in message
    named = message.partition(";")[0].partition("role ")[2].split(" or ")
    assert set(named) == {other for other in ROLES if act in RIGHTS[other].split()}


def test_the_table_has_every_governed_act_and_no_other():
    acts = f"add-person change-person request-key add-key revoke-key disown-key add-witness revoke-witness set-policy set-schema \
        set-tiers assess-tier register-holdout register propose reject evaluate attest validate approve accept-risk promote supersede \
        roll-back break-glass archive note tag set-alias open-finding close-finding add-webhook remove-webhook \
        erase rotate-key accept-clock witness {ACCOUNTS} refuse begin"
    assert list(ACTS) == acts.split()


def test_exactly_the_acts_that_carry_a_persons_will_need_a_signature_and_no_service_may_do_them():
    assert {name for name, act in ACTS.items() if act.is_human} == HUMAN
    assert not any("service" in ACTS[name].roles for name in HUMAN)


@given(st.sets(st.sampled_from(ROLES)), st.sampled_from(list(ACTS)))
def test_a_set_of_roles_may_do_an_act_exactly_if_one_of_them_may(roles, act):
    may = act in ANYBODY or any(act in RIGHTS[role].split() for role in roles)
    try:
        check_right(act, roles)
    except Refused:
        assert not may
    else:
        assert may


def test_somebody_may_approve_and_never_operate():
    check_right("approve", {"approver"})
    for act in ("promote", "roll-back", "break-glass", "archive"):
        with pytest.raises(Refused, match="is for the role operator; the actor holds approver"):
            check_right(act, {"approver"})


def test_an_admin_by_itself_neither_validates_nor_approves_nor_adds_to_the_evidence():
    for act in ("validate", "approve", "accept-risk", "evaluate", "set-policy", "register-holdout", "close-finding", "promote"):
        with pytest.raises(Refused, match="holds admin"):
            check_right(act, {"admin"})


@pytest.mark.parametrize("act", ACTS)
def test_without_any_role_only_what_the_ledger_writes_by_itself_passes(act):
    if act in ANYBODY:
        check_right(act, [])
        return
    with pytest.raises(Refused, match="the actor holds no role"):
        check_right(act, [])


@pytest.mark.parametrize("act", ["", "Approve", "delete", "approve ", "x" * 10_000])
def test_an_unknown_act_is_an_error_and_not_a_refusal(act):
    with pytest.raises(InvalidInput, match="not a governed act; there are: add-person"):
        check_right(act, ROLES)


@pytest.mark.parametrize("roles", [["root"], ["Admin"], ["admin", ""], "admin"])
def test_an_unknown_role_is_an_error_also_beside_one_that_may(roles):
    with pytest.raises(InvalidInput, match="role"):
        check_roles(roles)
    with pytest.raises(InvalidInput, match="role"):
        check_right("add-person", roles)


def test_the_documentations_table_shows_every_right_and_every_signature():
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in rights_table().splitlines()]
    assert head == ["act", *ROLES, "what it says"]
    shown = {(row[0].strip("`"), role): cell for row in rows for role, cell in zip(ROLES, row[1:-1], strict=True)}
    for role, act in itertools.product(ROLES, ACTS):
        may = act in RIGHTS[role].split()
        assert shown[act, role] == ("anybody" if act in ANYBODY else "signed" if may and act in HUMAN else "yes" if may else "")
