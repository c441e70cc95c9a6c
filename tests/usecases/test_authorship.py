"""Whose work a version is: what bytes carry along, from model to model and run to run, and where a lineage ends."""

import polars as pl
import pytest

from bundles import write_bundle
from incumbent.base.errors import Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.governance.independence import Authorship
from incumbent.usecases.authorship import list_all_authorships, list_authorships
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.people import change_person
from incumbent.usecases.promote import promote
from incumbent.usecases.register import register
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier, set_tiers
from office import LAX, MODEL, SLOT, go_live, open_office, prepare, register_factor

WHO = {"model": MODEL, "slot": SLOT}


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "bundles").mkdir()
    opened = open_workspace(read_settings(tmp_path / "project", {"INCUMBENT_KEYS": str(tmp_path / "keys")}))
    yield opened
    opened.store.close()


@pytest.fixture
def host(ws):
    opened = open_model_host(ws)
    yield opened
    opened.close()


@pytest.fixture
def bundles(tmp_path):
    return tmp_path / "bundles"


def log(ws, files=None, tables=None):
    """Log what is given as the outputs of a run, and return its id."""
    with begin_run(ws, experiment="x") as run:
        for name, value in {**(files or {}), **(tables or {})}.items():
            run.log_artifact(value, name)
    return run.id


def authorships(ws, model, version):
    with ws.store.begin(read_only=True) as tx:
        return list_authorships(tx, tx.registry.get_version(model, version))


def names(ws, model, version):
    return {work.who for work in authorships(ws, model, version)}


def test_a_copy_of_somebodys_bundle_in_ones_own_run_and_model_is_still_theirs(ws, bundles):
    office = open_office(ws)
    first = register_factor(office["ann"], bundles, 2.0)
    copied = log(office["otto"], {"model": write_bundle(bundles / "copy", factor=2.0)})
    copy = register(office["otto"], model="stolen", run=copied, artifact="model")
    assert copy.bundle.digest == first.bundle.digest
    works = authorships(ws, "stolen", 1)
    assert Authorship("ann", "registration", "double@1") in works
    assert Authorship("ann", "run", first.run_id) in works
    assert {"ann", "otto"} <= {work.who for work in works}
    with ws.store.begin(read_only=True) as tx:
        assert set(works) == set(list_all_authorships(tx, "stolen")), "who closes a finding is held to the same"


def test_a_bundle_that_somebody_gave_and_never_registered_is_theirs_too(ws, bundles):
    office = open_office(ws)
    made = log(office["ann"], {"model": write_bundle(bundles / "own", factor=3.0)})
    copied = log(office["otto"], {"model": write_bundle(bundles / "copy", factor=3.0)})
    register(office["otto"], model="stolen", run=copied, artifact="model")
    assert Authorship("ann", "run", made) in authorships(ws, "stolen", 1)


def test_whoever_first_gave_the_data_of_a_run_is_an_author_and_who_gave_it_again_is_not(ws, bundles):
    office = open_office(ws)
    rows = pl.DataFrame({"x": [1.0, 2.0]})
    first = log(office["omar"], tables={"rows": rows})
    log(office["vera"], tables={"rows": rows})
    run = log(office["ann"], {"model": write_bundle(bundles / "b", factor=3.0)}, {"training": rows})
    register(office["ann"], model="m", run=run, artifact="model")
    works = authorships(ws, "m", 1)
    assert Authorship("omar", "data", first) in works
    assert "vera" not in {work.who for work in works}


def test_what_was_taken_to_make_the_data_leads_on_to_who_gave_that(ws, bundles):
    office = open_office(ws)
    raw, rows = pl.DataFrame({"x": [1.0]}), pl.DataFrame({"x": [2.0]})
    log(office["omar"], tables={"raw": raw, "by the way": pl.DataFrame({"x": [7.0]})})
    with begin_run(office["petra"], experiment="x") as run:
        run.log_input(raw, "raw")
        run.log_artifact(rows, "rows")
    with begin_run(office["ann"], experiment="x") as run:
        run.log_input(rows, "rows")
        run.log_artifact(write_bundle(bundles / "b", factor=3.0), "model")
    register(office["ann"], model="m", run=run.id, artifact="model")
    assert {(work.who, work.what) for work in authorships(ws, "m", 1)} >= {("omar", "data"), ("petra", "data")}


def test_an_ungoverned_promotion_ends_no_lineage(ws, host, bundles):
    register_factor(ws, bundles, 2.0)
    evaluate(ws, host, **WHO, version=1)
    promote(ws, **WHO, version=1, reason="while nobody was known")
    office = open_office(ws)
    register_factor(office["otto"], bundles, 2.1)
    assert Authorship(ws.actor, "registration", "double@1") in authorships(ws, MODEL, 2)


def test_a_promotion_on_somebody_elses_word_ends_the_lineage(ws, host, bundles):
    office = open_office(ws)
    prepare(office, bundles)
    go_live(office, host, 1)
    register_factor(office["otto"], bundles, 2.0)
    assert Authorship("ann", "registration", "double@1") not in authorships(ws, MODEL, 2)


def test_a_self_approval_ends_no_lineage(ws, host, bundles):
    office = open_office(ws)
    set_tiers(office["omar"], text=LAX)
    register_factor(office["ann"], bundles, 2.0)
    assess_tier(office["omar"], model=MODEL, exposure="medium", purpose="medium", inherent="medium", reason="tier 3")
    evaluate(office["ann"], host, **WHO, version=1)
    assert sign_off(office["ann"], **WHO, version=1, capacity="approver").sign_off.is_self
    promote(office["olga"], **WHO, version=1, reason="mine")
    register_factor(office["otto"], bundles, 2.1)
    assert Authorship("ann", "registration", "double@1") in authorships(ws, MODEL, 2)


def test_a_thief_cannot_have_the_maker_approve_the_copy(ws, host, bundles):
    office = open_office(ws)
    prepare(office, bundles)
    change_person(office["ada"], person="otto", roles=["developer", "operator"])
    copied = log(office["otto"], {"model": write_bundle(bundles / "copy", factor=1.5)})
    register(office["otto"], model="other", run=copied, artifact="model", slot="other/eu")
    evaluate(office["otto"], host, model="other", version=1, slot="other/eu")
    with pytest.raises(Refused, match="ann may not approve: ann"):
        sign_off(office["ann"], model="other", version=1, slot="other/eu", capacity="approver")
