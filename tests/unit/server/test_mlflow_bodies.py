"""A body that is read the short way says what the long way says, and a key that is there twice is found by both."""

import json
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.server.messages import Request
from incumbent.server.mlflow import runs
from incumbent.server.mlflow.wire import Asked, convert, parse_json, read_body

NAMES = st.sampled_from(["run_id", "run_uuid", "key", "value", "timestamp", "step", "other"])
VALUES = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "1.5", "1.0", "1e999", "null", "true", '""', '"a"', '"0"', '"NaN"', "NaN", '"\\u0061"', '"ü"', '"k\\""']
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text("a:,{}[]\x01", max_size=3).map(lambda text: f'"{text}"'),
)
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=7).map(
    lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
)
POINT = '"value":1,"timestamp":2,"step":0'


def asked(text, kind):
    return read_body(Request("POST", {}, "", {"content-type": "application/json"}, text.encode()), kind)


def outcome(work):
    try:
        return repr(work())
    except InvalidInput as error:
        return str(error)


@given(OBJECTS)
def test_an_object_is_understood_or_refused_as_the_long_way_does(text):
    assert outcome(lambda: asked(text, runs._LogMetric)) == outcome(lambda: convert(parse_json(text.encode()), runs._LogMetric))


@given(st.lists(OBJECTS, max_size=3), st.lists(NAMES, max_size=2))
def test_a_batch_is_understood_or_refused_as_the_long_way_does(metrics, more):
    text = '{"run_id":"r","metrics":[' + ",".join(metrics) + "]" + "".join(f',"{name}":1' for name in more) + "}"
    assert outcome(lambda: asked(text, runs._Batch)) == outcome(lambda: convert(parse_json(text.encode()), runs._Batch))


@pytest.mark.parametrize(
    "text",
    [
        '{"run_id":"r","run_id":"r"}',
        '{"run_id":"r","run_uuid":"","run_uuid":""}',
        '{"run_id":"r","tags":[],"tags":[]}',
        '{"run_id":"r","metrics":[{"key":"k",' + POINT + ',"step":0}]}',
        '{"run_id":"r","metrics":[{"key":"k","key":"k","value":1,"timestamp":2}]}',
        '{"run_id":"r","params":[{"key":"k","value":"","value":""}]}',
        '{"run_id":"r","else":{"a":1,"a":1}}',
        '{"run_id":"\\u0072","run_id":"r"}',
    ],
)
def test_a_key_that_is_there_twice_is_refused_wherever_it_stands(text):
    with pytest.raises(InvalidInput, match="twice in one object"):
        asked(text, runs._Batch)


def test_what_is_written_as_text_or_left_out_is_understood(monkeypatch):
    body = '{"run_id":"r","metrics":[{"key":"a",' + POINT + '},{"key":"b","value":"NaN","timestamp":"3"}]}'
    read = asked(body, runs._Batch)
    assert [(one.key, one.value, one.timestamp, one.step) for one in read.metrics] == [("a", 1.0, 2, 0), ("b", "NaN", 3, None)]
    monkeypatch.setattr(json, "loads", None)  # the common form does not take the long way
    assert asked('{"run_id":"r","metrics":[{"key":"a",' + POINT + "}]}", runs._Batch).metrics == read.metrics[:1]


def kinds(kind):
    return [kind, *(below for one in kind.__subclasses__() for below in kinds(one))]


def structures_in(hint):
    found = [hint] if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else []
    return found + [one for part in typing.get_args(hint) for one in structures_in(part)]


@pytest.mark.parametrize("kind", kinds(Asked))
def test_what_is_read_the_short_way_leaves_out_defaults_all_the_way_down(kind):
    assert kind.__struct_config__.omit_defaults
    assert all(issubclass(one, Asked) for hint in typing.get_type_hints(kind).values() for one in structures_in(hint))
