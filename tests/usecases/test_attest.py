"""An attestation by hand: signed by a validator without a hand in the version, worth half a point, and shown as whose it is."""

import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.ledger.primitives import open_envelope
from incumbent.usecases.attest import REASON_MAX, attest
from incumbent.usecases.authorship import list_authorships
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.schemas import set_schema
from office import MODEL


@pytest.fixture
def office(prepared_office):
    return prepared_office


def score(ws, point):
    return next(line for line in get_test_score(ws, model=MODEL, version=1).points if line.point == point)


def test_a_signed_attestation_earns_half_a_point_and_names_its_signer(office):
    done = attest(office["vera"], model=MODEL, version=1, point="data-6", reason="a feature took two days; issue 812")
    earned = score(office["vera"], "data-6")
    assert (earned.score, earned.entries) == (0.5, (done.seq,))
    assert "by hand, attested by vera" in earned.reason
    with office["vera"].store.begin(read_only=True) as tx:
        entry = tx.ledger.get(done.seq)
    assert (entry.draft.act, entry.draft.after, entry.draft.refs["bundle"]) == ("attest", "passed", done.bundle)
    payload, _, _ = open_envelope(entry.draft.statement)
    assert entry.draft.object.digest.partition(":")[2] in payload.decode()


def test_one_that_failed_earns_nothing_until_its_signer_says_otherwise(office):
    attest(office["vera"], model=MODEL, version=1, point="data-6", reason="passed in March")
    attest(office["vera"], model=MODEL, version=1, point="data-6", reason="took six weeks", result="failed")
    assert score(office["vera"], "data-6").score == 0
    attest(office["vera"], model=MODEL, version=1, point="data-6", reason="mended")
    assert score(office["vera"], "data-6").score == 0.5


def test_what_is_not_attested_says_how_it_could_be(office):
    assert f"incumbent testscore attest {MODEL}@1 monitoring-4" in score(office["vera"], "monitoring-4").reason


@pytest.mark.parametrize("who", ["omar", "olga", "ben"])
def test_only_validators_attest_and_an_attempt_is_on_record(office, who):
    with pytest.raises(Refused, match="attest is for the role validator"):
        attest(office[who], model=MODEL, version=1, point="data-6", reason="done")
    with office[who].store.begin(read_only=True) as tx:
        assert tx.ledger.find(act="refuse")[0].draft.actor.actor_id == who


def test_who_set_the_thresholds_may_not_attest_and_a_schema_counts_as_such(office):
    with pytest.raises(Refused, match="rita may not attest: rita set policy"):
        attest(office["rita"], model=MODEL, version=1, point="data-6", reason="done")
    set_schema(office["vera"], model=MODEL, text="columns: {x: {dtype: Float64}}")
    with pytest.raises(Refused, match="vera may not attest: vera set policy schema of double"):
        attest(office["vera"], model=MODEL, version=1, point="data-6", reason="done")


def test_setting_the_same_schema_again_takes_nobodys_part_in_it_away(office):
    text = "columns: {x: {dtype: Float64}}"
    for who, given in [("vera", text), ("omar", text), ("ann", text + "\nstrict: true"), ("omar", text), ("rita", "# again\n" + text)]:
        set_schema(office[who], model=MODEL, text=given)
    with office["vera"].store.begin(read_only=True) as tx:
        works = list_authorships(tx, tx.registry.get_version(MODEL, 1))
    assert {work.who for work in works if work.ref == f"schema of {MODEL}"} == {"vera", "omar", "rita"}


def test_without_people_nobody_attests(tmp_path):
    from exams import make_subject

    (tmp_path / "alone").mkdir()
    ws = open_workspace(read_settings(tmp_path / "alone", {}))
    make_subject(ws, tmp_path)
    with pytest.raises(Refused, match="nobody is registered"):
        attest(ws, model="square", version=1, point="data-6", reason="done")
    ws.store.close()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"point": "data-8"}, InvalidInput, "none of the 28"),
        ({"reason": " "}, InvalidInput, "documentation"),
        ({"reason": "x" * (REASON_MAX + 1)}, InvalidInput, "1,000"),
        ({"result": "undecided"}, InvalidInput, "passed or failed"),
        ({"version": 9}, NotFound, "double"),
    ],
)
def test_what_is_no_attestation_is_refused_in_words(office, changes, error, words):
    with pytest.raises(error, match=words):
        attest(office["vera"], **{"model": MODEL, "version": 1, "point": "data-6", "reason": "done", **changes})


def test_the_ledger_holds_after_attestations_and_schemas(office):
    attest(office["vera"], model=MODEL, version=1, point="data-6", reason="done")
    set_schema(office["ann"], model=MODEL, text="columns: {x: {dtype: Float64}}")
    report = verify_ledger(office["ben"])
    assert report.is_sound, report
