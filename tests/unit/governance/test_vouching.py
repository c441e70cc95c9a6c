"""Who stands behind whom: a tree at any time, whatever is said in whatever order."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.governance.person import Key, Person, index_people
from incumbent.governance.vouching import Word, find_author, find_backing, find_founder, find_own_word, grow, list_vouchers, tell_voucher

AT = datetime(2026, 1, 1, tzinfo=UTC)
PUBLIC = "A" * 43 + "="
NAMES = ["ann", "ben", "cay", "dee", "eve"]


def say(*said):
    """Return who stands behind whom after "voucher person" in this order; the first begins the installation."""
    return grow(Word(seq, person, voucher, "") for seq, (voucher, person) in enumerate(pair.split() for pair in said))


def person(name, *roles):
    return Person(name, "person", frozenset(roles), "", (), "", True, AT)


def key(of, by):
    return Key("ed25519:0a1b2c", of, PUBLIC, AT, bound_by=by)


def bar(vouching, signer, signing_key, *authors):
    people = index_people(person(name) for name in NAMES)
    vouchers = list_vouchers(vouching, signer, signing_key)
    found = find_author(vouchers, authors, people)
    return tell_voucher(found, "m@1") if found else find_founder(vouchers, authors, people)


CHAIN = say("ann ann", "ann ben", "ben cay", "cay dee", "ann eve")


@pytest.mark.parametrize(
    ("binder", "author", "told"),
    [
        ("cay", "cay", "cay made dee known here, or gave them the role, and had a hand in m@1"),
        ("eve", "eve", "eve bound the key ed25519:0a1b2c of dee, and had a hand in m@1"),
        ("eve", "ben", "ben vouches for cay, who made dee known here, or gave them the role, and had a hand in m@1"),
        ("eve", "ann", "ann"),
        ("ann", "ann", "ann bound the key ed25519:0a1b2c of dee, and had a hand in m@1"),
        ("eve", "dee", ""),
    ],
)
def test_every_link_bars_and_the_founder_only_where_they_gave_their_word_themselves(binder, author, told):
    assert bar(CHAIN, "dee", key("dee", binder), author) == told


def test_the_chain_of_who_bound_the_key_is_asked_too():
    assert bar(CHAIN, "eve", key("eve", "dee"), "ben").startswith("ben vouches for cay, who vouches for dee, who bound the key")
    assert find_backing(CHAIN, key("eve", "dee")).words == (
        "vouched for by ann, key bound by dee, on the word of cay, on the word of ben, on the word of ann"
    )


def test_nobody_takes_over_from_those_on_whose_word_they_stand():
    """Ben invented cay and dee; they vouch for him, for each other and for themselves, and ben stays behind both."""
    found = say("ann ann", "ann ben", "ben cay", "ben dee", "dee cay", "cay dee", "cay cay", "cay ben", "dee ann")
    assert found.chain("dee") == ("ben", "ann")
    assert found.chain("cay") == ("dee", "ben", "ann")
    assert found.chain("ann") == ()
    assert say("ann ann", "ann ben", "ben cay", "ann eve", "eve cay").chain("cay") == ("eve", "ann"), "another branch takes over"


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))))
def test_whatever_is_said_every_chain_ends_with_the_founder_and_words_within_a_branch_let_nobody_out(pairs):
    """Everybody but the founder and eve is ben's; whatever these say of each other, none gets rid of ben."""
    begun = ["ann ann", "ann ben", "ann eve", "ben cay", "ben dee"]
    found = say(*begun, *(f"{voucher} {name}" for voucher, name in pairs))
    for name in NAMES[1:]:
        chain = found.chain(name)
        assert chain[-1] == "ann"
        assert len({name, *chain}) == len(chain) + 1
    inside = [f"{voucher} {name}" for voucher, name in pairs if {voucher, name} <= {"ben", "cay", "dee"}]
    kept = say(*begun, *inside)
    assert kept.chain("ben") == ("ann",)
    assert all("ben" in kept.chain(name) for name in ("cay", "dee"))


def test_ones_own_word_for_a_key_or_a_group_is_none_once_one_is_no_admin():
    vouching = grow([Word(0, "ann", "ann", ""), Word(1, "ben", "ann", "ben")])
    own = key("ben", "ben")
    assert find_own_word(vouching, person("ben", "admin"), own, is_grouped=True) == ""
    assert find_own_word(vouching, person("ben", "approver"), own).endswith(
        "another admin binds it with `incumbent keys bind ed25519:0a1b2c`"
    )
    assert find_own_word(vouching, person("ben", "approver"), key("ben", "ann")) == ""
    told = find_own_word(vouching, person("ben", "approver"), key("ben", "ann"), is_grouped=True)
    assert told.startswith("ben set their own reporting group")


def test_who_set_the_group_vouches_where_groups_matter():
    vouching = grow([Word(0, "ann", "ann", ""), Word(1, "ben", "ann", ""), Word(2, "cay", "ann", "ben")])
    asked = [voucher.who for voucher in list_vouchers(vouching, "cay", key("cay", "ann"), is_grouped=True)]
    assert asked == ["ann", "ann", "ben", "ann"]
    assert {voucher.who for voucher in list_vouchers(vouching, "cay", key("cay", "ann"))} == {"ann"}
