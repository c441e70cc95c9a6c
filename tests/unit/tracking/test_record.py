import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.tracking.record import (
    STEP_MAX,
    TEXT_CHARACTERS_MAX,
    Attached,
    Began,
    Ended,
    Noted,
    Points,
    Settings,
    check_artifact_name,
    check_name,
    check_text,
    parse_record,
    record_bytes,
    run_document,
    run_from_document,
)
from incumbent.tracking.run import CodeVersion, Note, Run, RunArtifact

moments = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5)
params = st.dictionaries(st.text(min_size=1), values, max_size=3)
tags = st.dictionaries(st.text(min_size=1), st.text(), max_size=3)
digests = st.binary(max_size=4).map(digest_bytes)
points = st.builds(MetricPoint, st.text(max_size=30), st.floats(), st.integers(-STEP_MAX, STEP_MAX), moments)
runs = st.builds(
    Run,
    run_id=st.text(),
    experiment=st.text(),
    name=st.text(),
    pipeline=st.text(),
    parent_id=st.none() | st.text(),
    state=st.sampled_from(["running", "finished", "failed", "killed"]),
    started_at=moments,
    ended_at=st.none() | moments,
    seed=st.none() | st.integers(),
    code=st.builds(CodeVersion, st.text(), st.booleans(), st.text()),
    facts=params,
    params=params,
    tags=tags,
    manifest=st.none() | digests,
)
artifacts = st.builds(
    RunArtifact,
    st.text(),
    st.sampled_from(["input", "output"]),
    st.text(),
    st.builds(Artifact, st.text(), digests, st.integers(0)),
    st.text(),
)
records = st.one_of(
    st.builds(Points, st.lists(points, max_size=5).map(tuple)),
    st.builds(Settings, params, tags),
    st.builds(Began, runs, params),
    st.builds(Attached, artifacts),
    st.builds(Noted, st.builds(Note, st.text(), moments, st.text(), st.text())),
    st.builds(Ended, st.sampled_from(["finished", "failed", "killed"]), moments, st.text()),
)


@given(records)
def test_a_record_survives_its_bytes(record):
    found = parse_record(record_bytes(record))
    if isinstance(record, Points):
        assert repr(found) == repr(record)  # repr: NaN is not equal to itself
    else:
        assert found == record


@given(runs)
def test_a_run_survives_its_document(run):
    assert run_from_document(run_document(run)) == run


@given(
    st.binary(max_size=200)
    | st.binary(max_size=100).map(lambda data: b"M" + data)
    | values.map(repr).map(lambda text: b"J" + text.encode("utf-8", "replace"))
)
def test_random_bytes_are_a_record_or_invalid_input(data):
    try:
        parse_record(data)
    except InvalidInput:
        pass


@given(records, st.data())
def test_a_record_with_a_field_torn_out_is_invalid_input_or_another_record(record, data):
    document = record_bytes(record)
    cut = data.draw(st.integers(0, len(document)))
    try:
        parse_record(document[:cut])
    except InvalidInput:
        pass


def test_a_point_is_eight_bytes_each_of_value_step_and_time_then_its_name():
    at = datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)
    assert record_bytes(Points((MetricPoint("é", 0.5, -3, at),))) == b"M" + struct.pack("<dqqH", 0.5, -3, 1_000_005, 2) + b"\xc3\xa9"


def test_nan_and_the_infinities_are_kept():
    at = datetime(2013, 1, 1, tzinfo=UTC)
    given_points = tuple(MetricPoint("loss", value, 0, at) for value in (math.nan, math.inf, -math.inf))
    found = parse_record(record_bytes(Points(given_points)))
    assert [str(point.value) for point in found.points] == ["nan", "inf", "-inf"]


def test_a_step_beyond_64_bits_is_refused_in_words():
    with pytest.raises(InvalidInput, match="from -2\\^63 to 2\\^63 - 1"):
        record_bytes(Points((MetricPoint("loss", 1.0, STEP_MAX + 1, datetime(2013, 1, 1, tzinfo=UTC)),)))


def test_a_kind_of_a_later_release_is_named():
    with pytest.raises(InvalidInput, match="'checkpointed' that this release does not know"):
        parse_record(b'J{"kind":"checkpointed"}')


@pytest.mark.parametrize("name", ["", "a" * 251, "a\nb", "a\0b", "\ud800", "\u202e"])
def test_names_are_short_and_printable(name):
    with pytest.raises(InvalidInput, match="1 to 250 printable characters"):
        check_name("param", name)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "c:x", "file:x", "a/"])
def test_an_artifact_name_cannot_leave_its_folder(name):
    with pytest.raises(InvalidInput, match="relative path such as"):
        check_artifact_name(name)


def test_text_has_a_limit_and_no_nul():
    assert check_text("tag", "t", "x" * TEXT_CHARACTERS_MAX)
    with pytest.raises(InvalidInput, match="log it as an artifact"):
        check_text("tag", "t", "x" * (TEXT_CHARACTERS_MAX + 1))
    with pytest.raises(InvalidInput, match="NUL"):
        check_text("tag", "t", "a\0")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidInput, match="no time zone"):
        parse_record(b'J{"kind":"ended","state":"failed","at":"2013-01-01T00:00:00","error":""}')
    assert parse_record(b'J{"kind":"ended","state":"failed","at":"2013-01-01T02:00:00+02:00","error":""}').at == datetime(
        2013, 1, 1, tzinfo=UTC
    ) + timedelta(0)
