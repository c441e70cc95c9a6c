"""Every stored form: what was written is read again, and anything else is InvalidInput and nothing else."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.governance.acts import ROLES
from incumbent.governance.assessment import LEVELS, assess, assessment_from_json
from incumbent.governance.fields import format_time, parse_time
from incumbent.governance.finding import SEVERITIES, close_finding, finding_from_json, open_finding
from incumbent.governance.independence import WORKS, Authorship, authorship_from_json
from incumbent.governance.person import Key, Person, key_from_json, person_from_json
from incumbent.governance.sign_off import ACT_OF, SignOff, sign_off_from_json
from incumbent.governance.tier import DEFAULT_TIER_POLICY, DEFAULT_TIERS, TierPolicy, parse_tier_policy, tier_policy_from_json

IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
LINES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)).map(  # noqa: DTZ001 - the zone is added here
    lambda at: at.replace(tzinfo=UTC)
)
DIGESTS = st.binary(max_size=4).map(digest_bytes)


LATER = {"vouched_by": "", "grouped_by": "", "bound_by": "", "compromised_since": None}
"""Fields that documents of earlier releases lack, and what that means."""


@st.composite
def people(draw):
    kind = draw(st.sampled_from(["person", "service"]))
    roles, aliases = draw(st.frozensets(st.sampled_from(ROLES))), tuple(draw(st.lists(LINES, unique=True, max_size=3)))
    owner = draw(IDS) if kind == "service" else ""
    group = draw(LINES | st.just(""))
    is_active, at, commitment = draw(st.booleans()), draw(TIMES), draw(st.just("") | DIGESTS)
    return Person(draw(IDS), kind, roles, group, aliases, owner, is_active, at, commitment, draw(st.just("") | LINES))


@st.composite
def keys(draw):
    at = draw(TIMES)
    revoked = draw(st.none() | st.just(at) | st.just(at + timedelta(days=3)))
    public = base64.b64encode(draw(st.binary(min_size=32, max_size=32))).decode()
    since = None if revoked is None else draw(st.none() | st.just(revoked) | st.just(at - timedelta(days=3)))
    return Key(draw(IDS), draw(IDS), public, at, revoked, draw(st.just("") | LINES), since)


@st.composite
def assessments(draw):
    levels = {name: draw(st.sampled_from(LEVELS)) for name in ("exposure", "purpose", "inherent")}
    tier = draw(st.none() | st.integers(1, 4))
    return assess(draw(LINES), **levels, assessed_by=draw(IDS), at=draw(TIMES), reason=draw(LINES), tier=tier)


@st.composite
def sign_offs(draw):
    role, meaning = draw(st.sampled_from(list(ACT_OF)))
    names = {name: draw(DIGESTS) for name in ("bundle", "evidence", "policy", "tier")}
    at, statement = draw(TIMES), draw(st.dictionaries(LINES, LINES, max_size=2))
    version, expires_at = draw(st.integers(1, 2**53)), at + draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=300)))
    return SignOff(
        draw(LINES),
        draw(LINES),
        version,
        draw(LINES),
        draw(IDS),
        role,
        meaning,
        names,
        draw(LINES),
        at,
        expires_at,
        statement,
        draw(st.booleans()),
    )


CLOSER = Person("val", "person", frozenset({"approver"}), "", (), "", is_active=True, added_at=datetime(2026, 1, 1, tzinfo=UTC))


@st.composite
def findings(draw):
    at = draw(TIMES)
    found = open_finding(
        draw(LINES), kind=draw(st.sampled_from(["validation", "audit", "monitoring", "break-glass"])), title=draw(LINES),
        severity=draw(st.sampled_from(SEVERITIES)), subject=draw(LINES), opened_by="ann", opened_at=at, due_at=at + timedelta(days=9),
        blocks_promotion=draw(st.booleans()),
    )  # fmt: skip
    if draw(st.booleans()):
        return found
    return close_finding(found, by="val", at=at, resolution="a\nb", people=[CLOSER], authors=())


POLICIES = st.sampled_from([DEFAULT_TIER_POLICY, TierPolicy(DEFAULT_TIER_POLICY.rules, 4)])
AUTHORSHIPS = st.builds(Authorship, LINES, st.sampled_from(WORKS), LINES)
FORMS = {
    "person": (people(), person_from_json),
    "key": (keys(), key_from_json),
    "tier policy": (POLICIES, tier_policy_from_json),
    "assessment": (assessments(), assessment_from_json),
    "authorship": (AUTHORSHIPS, authorship_from_json),
    "sign-off": (sign_offs(), sign_off_from_json),
    "finding": (findings(), finding_from_json),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def forms(test):
    return pytest.mark.parametrize("name", FORMS)(test)


@forms
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_what_was_written_is_read_again_through_its_bytes(name, data):
    values, read = FORMS[name]
    value = data.draw(values)
    assert read(parse_document(document_bytes(value.to_json()))) == value
    assert document_bytes(read(value.to_json()).to_json()) == document_bytes(value.to_json())


@forms
@given(document=JSON)
@settings(max_examples=80, deadline=None)
def test_other_documents_are_invalid_input(name, document):
    with pytest.raises(InvalidInput):
        FORMS[name][1](document)


@forms
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_document_with_one_field_changed_is_read_to_the_letter_or_invalid_input(name, data):
    values, read = FORMS[name]
    document = data.draw(values).to_json()
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(JSON)
    try:
        value = read(document)
    except InvalidInput:
        return
    assert _in_order(value.to_json()) == _in_order(document)


def _in_order(document):
    """Roles are a set: their order is no part of what was written."""
    return json.dumps(document | ({"roles": sorted(document["roles"])} if "roles" in document else {}), sort_keys=True)


HOSTILE = {
    "huge": 10**5000, "huge below zero": -(10**5000), "nan": float("nan"), "nested": [[]] * 9, "object": {"a": 10**5000},
    "long": "x" * 10**6, "surrogate": "\ud800", "null byte": "a\x00", "turned": "\u202e", "escape": "\x1b[2J",
}  # fmt: skip


@forms
@pytest.mark.parametrize("hostile", HOSTILE)
@given(data=st.data())
@settings(max_examples=2, deadline=None)
def test_no_field_takes_what_could_not_be_shown_or_stored(name, hostile, data):
    values, read = FORMS[name]
    document = data.draw(values).to_json()
    for field in document.keys() - {"statement"}:  # opaque here: whoever signs and stores it reads it
        with pytest.raises(InvalidInput):
            read(document | {field: HOSTILE[hostile]})


@forms
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_field_too_few_or_too_many_is_invalid_input(name, data):
    values, read = FORMS[name]
    document = data.draw(values).to_json()
    gone = data.draw(st.sampled_from(sorted(document.keys() - LATER)))
    for wrong in ({key: value for key, value in document.items() if key != gone}, document | {"more": 1}):
        with pytest.raises(InvalidInput, match="has exactly the fields"):
            read(wrong)


@pytest.mark.parametrize("name", ["person", "key"])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_document_from_before_a_field_reads_as_if_it_were_empty(name, data):
    values, read = FORMS[name]
    document = data.draw(values).to_json()
    old = {key: value for key, value in document.items() if key not in LATER}
    assert read(old).to_json() == document | {field: LATER[field] for field in document.keys() & LATER.keys()}


@given(st.text() | st.sampled_from(["a=", "[tier]", "unassessed=1\n[tier]\n1=2", "a=" + "[" * 5000]) | st.just(DEFAULT_TIERS + "x=1"))
def test_any_other_text_is_no_tier_policy(text):
    with pytest.raises(InvalidInput):
        parse_tier_policy(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-11-25", "2026-11-25T14:00:00Z", "2026-11-25T14:00:00.000000", "2026-11-25T14:00:00.000000+00:00",
        "2026-13-25T14:00:00.000000Z",
        "2026-11-25T14:00:00.000000z", "2026-11-25 14:00:00.000000Z", "202\uff16-11-25T14:00:00.000000Z", "2026-11-25T14:00:00.000000Z\n",
        "0000-01-01T00:00:00.000000Z", "2026-11-25T24:00:00.000000Z",
    ],
)  # fmt: skip
def test_a_time_has_one_spelling(text):
    with pytest.raises(InvalidInput, match="is not a time"):
        parse_time(text)


@given(TIMES, st.integers(-23, 23))
def test_a_time_is_written_in_utc_whatever_its_zone(at, hours):
    assert parse_time(format_time(at.astimezone(timezone(timedelta(hours=hours))))) == at


def test_a_time_out_of_the_calendar_in_utc_is_refused():
    with pytest.raises(InvalidInput, match="out of the calendar"):
        format_time(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
