import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput, NotFound, Refused, Unavailable
from incumbent.execution.spool import FRAME, FRAMES_AT, MARK, PAYLOAD_BYTES_MAX, DiskSpools, frame, read_frames

RUN = "run-1"
payloads = st.lists(st.binary(max_size=40) | st.just(MARK * 5), max_size=8)


def numbered(sequence):
    return b"".join(frame(number, payload) for number, payload in enumerate(sequence))


def read_all(spools, run_id=RUN):
    return [(spool.writer, number, payload) for spool in spools.find(run_id) for number, payload in spool.read(0).records]


@given(payloads)
def test_frames_read_back_as_written(given_payloads):
    data = numbered(given_payloads)
    assert read_frames(data) == (list(enumerate(given_payloads)), len(data), [])


@given(st.binary(max_size=300))
def test_random_bytes_never_read_as_more_than_frames(data):
    records, used, damaged = read_frames(data)
    assert 0 <= used <= len(data)
    assert all(frame(number, payload) in data for number, payload in records)
    assert all(0 <= start < end <= len(data) for start, end in damaged)


@given(payloads.filter(bool), st.data())
def test_a_cut_anywhere_keeps_every_whole_record_before_it(given_payloads, data):
    whole = numbered(given_payloads)
    cut = data.draw(st.integers(0, len(whole)))
    records, used, _ = read_frames(whole[:cut])
    ends = [len(numbered(given_payloads[: count + 1])) for count in range(len(given_payloads))]
    assert len(records) == sum(end <= cut for end in ends)
    assert used == max([0, *(end for end in ends if end <= cut)])


@given(payloads.filter(bool), st.data())
def test_a_flipped_bit_costs_one_record_and_no_other(given_payloads, data):
    whole = bytearray(numbered(given_payloads))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    records, _, _ = read_frames(bytes(whole))
    ends = [len(numbered(given_payloads[: count + 1])) for count in range(len(given_payloads))]
    hit = next(place for place, end in enumerate(ends) if at < end)
    assert records == [(number, payload) for number, payload in enumerate(given_payloads) if number != hit]


def test_a_frame_inside_a_payload_is_not_taken_for_a_record_when_its_carrier_is_whole():
    inner = frame(7, b"not a record")
    assert read_frames(numbered([inner, b"next"]))[0] == [(0, inner), (1, b"next")]


def test_what_is_appended_can_be_read_at_once_by_anyone(tmp_path):
    writer = DiskSpools(tmp_path / "spool").open(RUN, is_owner=True)
    for payload in (b"a", b"b"):
        writer.append(payload)
    writer.append(b"three points", 3)
    writer.append(b"d")
    assert read_all(DiskSpools(tmp_path / "spool")) == [
        (writer.writer, 0, b"a"), (writer.writer, 1, b"b"), (writer.writer, 2, b"three points"), (writer.writer, 5, b"d"),
    ]  # fmt: skip
    [spool] = DiskSpools(tmp_path / "spool").find()
    position = spool.read(0).position
    writer.append(b"e")
    assert spool.read(position).records == [(6, b"e")]
    writer.close()


def test_a_spool_is_alive_as_long_as_its_writer_and_owners_come_first(tmp_path):
    spools = DiskSpools(tmp_path)
    joined, owner = spools.open(RUN, is_owner=False), spools.open(RUN, is_owner=True)
    assert [(spool.is_owner, spool.is_alive()) for spool in spools.find(RUN)] == [(True, True), (False, True)]
    owner.close()
    assert [(spool.is_owner, spool.is_alive()) for spool in spools.find(RUN)] == [(True, False), (False, True)]
    joined.close()
    assert spools.find("run-2") == []


def test_segments_go_on_in_order_and_only_the_last_is_alive(tmp_path):
    spools = DiskSpools(tmp_path, segment_bytes=200)
    writer = spools.open(RUN, is_owner=True)
    for number in range(50):
        writer.append(b"%02d" % number)
    found = spools.find(RUN)
    assert len(found) > 5
    assert [spool.is_alive() for spool in found] == [False] * (len(found) - 1) + [True]
    assert [number for _, number, _ in read_all(spools)] == list(range(50))
    assert [spool.read(0).is_final for spool in found] == [True] * (len(found) - 1) + [False]
    writer.sync()
    found[0].remove()
    with pytest.raises(NotFound, match="another process has stored"):
        found[0].read(0)
    writer.append(b"50")
    writer.close()
    with pytest.raises(Refused, match="takes no more records"):
        writer.append(b"51")


def test_a_torn_tail_is_waited_for_while_the_writer_lives_and_told_once_it_is_gone(tmp_path):
    spools = DiskSpools(tmp_path)
    writer = spools.open(RUN, is_owner=True)
    writer.append(b"whole")
    [path] = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(frame(1, b"torn")[:-2])
    [spool] = spools.find(RUN)
    look = spool.read(0)
    assert (look.records, look.losses, look.is_final) == ([(0, b"whole")], [], False)
    writer.close()
    look = spool.read(0)
    assert look.records == [(0, b"whole")]
    assert look.losses == [
        f"{path.name}: bytes 39 to 59 are no record: a write that was cut off before it was acknowledged, or damage"
    ]  # header 16, then 18 + 5 and the 22 - 2 of the torn one
    assert spool.read(look.position).losses == []


def test_damage_in_the_middle_is_told_and_the_records_after_it_are_kept(tmp_path):
    spools = DiskSpools(tmp_path)
    writer = spools.open(RUN, is_owner=True)
    for payload in (b"a" * 100, b"b" * 100, b"c" * 100):
        writer.append(payload)
    [path] = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[FRAMES_AT + FRAME.size + 100 + 30] ^= 0x10
    path.write_bytes(data)
    [spool] = spools.find(RUN)
    look = spool.read(0)
    assert look.records == [(0, b"a" * 100), (2, b"c" * 100)]
    assert len(look.losses) == 1
    writer.close()


def test_a_fenced_writer_acknowledges_nothing_more_and_what_it_acknowledged_is_readable(tmp_path):
    spools = DiskSpools(tmp_path)
    writer = spools.open(RUN, is_owner=False)
    writer.append(b"before")
    [spool] = spools.find(RUN)
    spool.fence()
    with pytest.raises(Refused, match="sealed by another process"):
        writer.append(b"after")
    assert spool.read(0).records[0] == (0, b"before")
    writer.close()


def test_no_record_falls_between_fencing_and_reading(tmp_path):
    spools = DiskSpools(tmp_path, segment_bytes=2_000)
    for _ in range(10):
        writer = spools.open(RUN, is_owner=False)
        acknowledged = []

        def log(writer=writer, acknowledged=acknowledged):
            for number in range(100_000):
                try:
                    writer.append(b"%d" % number)
                except Refused:
                    return
                acknowledged.append(number)

        thread = threading.Thread(target=log)
        thread.start()
        while len(acknowledged) < 200:
            pass
        fenced = set()
        while new := [spool for spool in spools.find(RUN) if spool.name not in fenced]:
            for spool in new:
                spool.fence()
                fenced.add(spool.name)
        read = [int(payload) for _, _, payload in read_all(spools)]
        thread.join()
        assert read[: len(acknowledged)] == acknowledged
        writer.close()
        for spool in spools.find(RUN):
            spool.remove()


def test_threads_share_a_writer_without_losing_or_doubling_a_number(tmp_path):
    spools = DiskSpools(tmp_path, segment_bytes=4_000)
    writer = spools.open(RUN, is_owner=True)
    threads = [
        threading.Thread(target=lambda name=name: [writer.append(b"%d %d" % (name, place)) for place in range(500)]) for name in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = read_all(spools)
    assert [number for _, number, _ in records] == list(range(2_000))
    for name in range(4):  # each thread's own records stay in its order
        assert [payload for _, _, payload in records if payload.startswith(b"%d " % name)] == [
            b"%d %d" % (name, place) for place in range(500)
        ]
    writer.close()


def test_a_forked_child_cannot_write_into_the_parents_sequence_nor_keep_it_alive(tmp_path):
    script = f"""
import os, time
from pathlib import Path
from incumbent.base.errors import Refused
from incumbent.execution.spool import DiskSpools
spools = DiskSpools(Path({str(tmp_path)!r}))
writer = spools.open("run-1", is_owner=True)
writer.append(b"parent")
child = os.fork()
if child == 0:
    try:
        writer.append(b"child")
    except Refused:
        mine = spools.open("run-1", is_owner=False)
        mine.append(b"child")
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(1)
writer.append(b"parent")
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    spools = DiskSpools(tmp_path)
    while len(read_all(spools)) < 3:
        pass
    parent.kill()
    parent.wait()
    owner, joined = spools.find(RUN)
    try:
        assert (owner.is_alive(), joined.is_alive()) == (False, True)
        assert [payload for _, payload in owner.read(0).records] == [b"parent", b"parent"]
        assert [payload for _, payload in joined.read(0).records] == [b"child"]
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def test_a_full_disk_is_told_by_the_call_that_was_not_kept_and_logging_goes_on_when_there_is_room(tmp_path):
    spools = DiskSpools(tmp_path)
    writer = spools.open(RUN, is_owner=True)
    writer.append(b"first")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # the file system stops in the middle of the frame
    try:
        with pytest.raises(Unavailable, match="is full .*free some space"):
            writer.append(b"x" * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.append(b"second")
    writer.close()
    [spool] = spools.find(RUN)
    assert [payload for _, payload in spool.read(0).records] == [b"first", b"second"]
    assert spool.read(0).losses == []


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="must be writable"):
        DiskSpools(tmp_path / "file" / "spool").open(RUN, is_owner=True)


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", "a.b", "x\0"])
def test_a_run_id_cannot_name_another_folder(tmp_path, run_id):
    with pytest.raises(InvalidInput, match="cannot be a run id"):
        DiskSpools(tmp_path).open(run_id, is_owner=True)


def test_an_oversized_record_is_refused_before_it_is_written(tmp_path):
    writer = DiskSpools(tmp_path).open(RUN, is_owner=True)
    with pytest.raises(InvalidInput, match="store it as an artifact"):
        writer.append(b"x" * (PAYLOAD_BYTES_MAX + 1))
    writer.append(b"x" * PAYLOAD_BYTES_MAX)
    assert len(read_all(DiskSpools(tmp_path))) == 1
    writer.close()


def test_a_spool_that_is_set_aside_is_found_no_more(tmp_path):
    spools = DiskSpools(tmp_path)
    writer = spools.open(RUN, is_owner=False)
    writer.append(b"late")
    writer.close()
    [spool] = spools.find(RUN)
    kept = spool.set_aside()
    assert kept.name.endswith(".refused")
    assert read_frames(kept.read_bytes()[FRAMES_AT:])[0] == [(0, b"late")]
    assert spools.find() == []


def test_strangers_in_the_folder_are_left_alone(tmp_path: Path):
    for name in ("notes.txt", "run-1.x.0000.spool", "run-1.o0123456789abcdef.0000.new", "..spool"):
        (tmp_path / name).write_bytes(b"?")
    assert DiskSpools(tmp_path).find() == []


def test_drafts_that_a_kill_left_are_swept_once_they_are_old(tmp_path):
    old, young = tmp_path / "run-1.o0123456789abcdef.0001.new", tmp_path / "run-1.o0123456789abcdef.0002.new"
    for draft in (old, young):
        draft.write_bytes(b"")
    os.utime(old, (0, 0))
    DiskSpools(tmp_path).open(RUN, is_owner=True).close()
    assert not old.exists()
    assert young.exists()
