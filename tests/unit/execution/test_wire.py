"""Frames, tasks and outcomes: what goes in comes out, and random bytes give only errors of our own."""

import json
import math
import os
import socket
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, IncumbentError
from incumbent.base.metric import MetricPoint
from incumbent.execution.frames import FRAME_BYTES_MAX, Channel, FrameReader, encode_frame
from incumbent.execution.job import Job
from incumbent.execution.wire import outcome_from_json, outcome_to_json, task_from_json, task_to_json
from incumbent.pipeline.action import Resources, StageFailure, StageOutcome, StageTask, Undeclared

ONE = Artifact("value", digest_bytes(b"one"), 3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.binary())
def test_random_bytes_are_frames_or_corrupt(data: bytes) -> None:
    try:
        for document in FrameReader().feed(data):
            assert isinstance(document, dict)
    except Corrupt:
        pass


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4), st.integers(1, 7))
def test_frames_cut_anywhere_come_out_whole_and_in_order(documents: list[dict[str, Json]], size: int) -> None:
    data = b"".join(encode_frame(document) for document in documents)
    reader = FrameReader()
    read = [document for place in range(0, len(data), size) for document in reader.feed(data[place : place + size])]
    assert read == documents


def test_a_length_over_the_limit_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(Corrupt, match="the limit is"):
        list(FrameReader().feed(struct.pack(">I", FRAME_BYTES_MAX + 1)))


def test_two_channels_with_full_buffers_do_not_wait_for_each_other() -> None:
    near, far = (Channel(end) for end in socket.socketpair())
    large: dict[str, Json] = {"x": "y" * 3_000_000}
    near.send(large)
    far.send(large)
    read: list[dict[str, Json]] = []
    while len(read) < 2:
        for channel in (near, far):
            channel.flush()
            read += channel.receive()
    assert read == [large, large]
    near.close()
    assert far.receive() == []
    assert not far.is_open
    far.close()


def test_a_task_comes_out_as_it_went_in() -> None:
    task = StageTask(
        "a[3]", "a", "p/a.py", "a", "a", {"x": ONE}, {"lr": 0.1, "deep": [1, None, {"k": True}]}, ("seed",), {"b": "int", "a": ""},
        2**63 - 1, ("HOME",), "warn", 2, 1.5, 10,
    )  # fmt: skip
    read = task_from_json(json.loads(json.dumps(task_to_json(task))))
    assert read == task
    assert list(read.produces) == ["b", "a"]


def test_an_outcome_comes_out_as_it_went_in_nan_and_odd_names_too() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    outcome = StageOutcome(
        "a", "failed", {"x": ONE}, (MetricPoint("m", math.inf, 2, at),), (Undeclared("file", os.fsdecode(b"\xff"), "", "p:1"),),
        digest_bytes(b"log"), Resources(1.0, 0.5, 7), StageFailure("why", "tb", digest_bytes(b"d"), True), ("careful",),
    )  # fmt: skip
    (frame,) = FrameReader().feed(encode_frame(outcome_to_json(outcome)))
    assert outcome_from_json(frame) == outcome
    nan = StageOutcome("a", "done", metrics=(MetricPoint("m", math.nan, 0, at),))
    assert math.isnan(outcome_from_json(outcome_to_json(nan)).metrics[0].value)


def damage(document: dict[str, Json], key: str, value: Json) -> dict[str, Json]:
    return {**document, key: value}


@given(st.data())
def test_a_damaged_outcome_or_task_is_refused_with_an_error_of_our_own(data: st.DataObject) -> None:
    task = StageTask("a", "a", "p", "a", "a", {"x": ONE}, {}, (), {"a": ""}, 1)
    for good, read in ((task_to_json(task), task_from_json), (outcome_to_json(StageOutcome("a", "done", {"x": ONE})), outcome_from_json)):
        key = data.draw(st.sampled_from(sorted(good)))
        try:
            read(damage(good, key, data.draw(JSON)))  # type: ignore[operator]
        except IncumbentError:
            pass


@given(JSON)
def test_any_json_is_refused_with_an_error_of_our_own(value: Json) -> None:
    for read in (task_from_json, outcome_from_json, Job.from_json):
        with pytest.raises(IncumbentError):
            read(value)
