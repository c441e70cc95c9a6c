"""Hostile exports: whatever is in the archive, the answer is a report that says no, never a traceback and never a yes."""

import io
import json
import warnings
import zipfile
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from incumbent.base.errors import Corrupt
from incumbent.ledger.entry import Actor, Draft, ObjectRef, encode_entry, parse_entry
from incumbent.ledger.offline import verify_export
from incumbent.ledger.reading import ENTRY_BYTES_MAX, Reading
from incumbent.ledger.report import PROBLEMS_MAX
from unit.ledger.exported import AT, LOG, TENANT, Export, failed, full_export, pack

FILES = full_export().files()
PACKED = full_export().packed().read()


def problem(data):
    found = verify_export(io.BytesIO(data) if isinstance(data, bytes) else data)
    assert not found.is_sound
    return next(check.detail for check in found.checks if check.outcome == "failed")


STRANGE = ["../evil.py", "/etc/passwd", "checkpoints/../entries.jsonl", "checkpoints/007.note", "checkpoints/", "ENTRIES.jsonl", "c:\\evil"]


@pytest.mark.parametrize("name", [*STRANGE, "checkpoints/\u0667.note", "a" * 300])
def test_a_member_that_has_no_place_in_an_export_is_refused(name):
    assert "has no place in an export" in problem(pack({**FILES, name: b""}))


def test_a_name_that_ends_early_for_some_readers_is_refused():
    data = pack({**FILES, "README.md_evil": b""}).read()
    assert "has no place in an export" in problem(data.replace(b"README.md_evil", b"README.md\0evil"))


def test_a_name_that_stands_twice_is_refused():
    file = io.BytesIO(PACKED)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("entries.jsonl", b"")
    assert "twice" in problem(file)


@pytest.mark.parametrize("name", ["manifest.json", "entries.jsonl", "records.jsonl", "payloads.jsonl"])
def test_a_missing_member_is_named(name):
    assert name in problem(pack({other: data for other, data in FILES.items() if other != name}))


def test_a_bomb_is_refused_before_it_is_unpacked():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in FILES.items():
            if name != "entries.jsonl":
                archive.writestr(name, data)
        with archive.open("entries.jsonl", "w") as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
    assert len(file.getvalue()) < 1 << 20
    assert f"more than {ENTRY_BYTES_MAX} bytes" in problem(file)


def test_an_archive_that_says_it_would_fill_the_disk_is_refused():
    header = b"PK\x01\x02"  # of the central directory, the unpacked size at offset 24: here 4 GiB for each of 12 members
    parts = PACKED.split(header)
    assert len(parts) == 13
    parts[1:] = [part[:20] + (0xFFFFFFFE).to_bytes(4, "little") + part[24:] for part in parts[1:]]
    assert "would unpack to more than" in problem(header.join(parts))


def test_a_million_wrong_lines_are_not_all_read():
    files = {**FILES, "entries.jsonl": b"{}\n" * 1_000_000}
    found = verify_export(pack(files))
    assert "so much is wrong" in found.checks[0].detail
    assert f"and {PROBLEMS_MAX - 3} more" in found.checks[1].detail


@pytest.mark.parametrize("flag", ["encrypted", "bzip2"])
def test_an_encrypted_or_strangely_packed_member_is_refused(flag):
    if flag == "bzip2":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
            for name, data in FILES.items():
                archive.writestr(name, data)
        assert "compressed in a way" in problem(file)
    else:
        data = bytearray(PACKED)
        data[data.index(b"PK\x01\x02") + 8] |= 1
        assert "encrypted" in problem(bytes(data))


MANIFESTS = [
    b"",
    b"[]",
    b"{}",
    b'{"format":2,"log":"a","tenant":"b","size":1}',
    b'{"format":1,"log":1,"tenant":"b","size":1}',
    b'{"format":1,"format":1,"log":"a","tenant":"b","size":1}',
    b'{"format":1,"log":"\\ud800","tenant":"b","size":8}',
    b"[" * 60_000,
    b" " * 70_000,
]
LINES = [
    b"",
    b"{}",
    b"null",
    b'{"commitment":"x"}',
    b'{"commitment":"x","salt":"","text":"!"}',
    b'{"commitment":"\\ud800","erased_at":""}',
    b"\xff",
    b"[" * 100_000,
]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_of_another_form_is_refused(manifest):
    problem(pack({**FILES, "manifest.json": manifest}))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", ["records.jsonl", "payloads.jsonl"])
def test_a_line_of_another_form_is_refused(name, line):
    problem(pack({**FILES, name: FILES[name] + line + b"\n"}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"act"', b'{ "act"'),
        (b'"v":1}', b'"v":1} '),
        (b'"v":1}', b'"v":1.0}'),
        (b'"v":1}', b'"v":2}'),
        (b'"v":1}', b'"v":1,"w":1}'),
        (b'"seq":5', b'"seq":05'),
        (b'"seq":5', b'"seq":5.0'),
        (b'"seq":5', b'"seq":"5"'),
        (b'"act":"note"', b'"act":"Note"'),
        (b'"act":"note"', b'"act":"n\\u006fte"'),
        (b'"act":"note",', b'"act":"note","act":"note",'),
        (b'"kind":"person"', b'"kind":"robot"'),
        (b'"2026-11-25T', b'"2026-11-31T'),
        (b'"2026-11-25T', b'"2026-13-25T'),
        (b".000000Z", b"Z"),
        (b".000000Z", b".000000+00:00"),
        (b'"from":""', b'"from":null'),
        (b'"from":""', b'"from":"\\u0041"'),
        (b'"from":""', b'"from":"\\/"'),
        (b'"from":""', b'"from":"\\ud800"'),
        (b'"from":""', b'"from":"\xff"'),
        (b'"from":""', b'"from":"\t"'),
        (b'"from":""', b'"from":"\\u001F"'),
        (b'"from":""', b'"from":"\\u000a"'),
        (b'"refs":{}', b'"refs":{"b":"1","a":"2"}'),
        (b'"refs":{}', b'"refs":{"a":"1","a":"2"}'),
        (b'"refs":{}', b'"refs":{"a":1}'),
        (b'"refs":{}', b'"refs":{"A":"1"}'),
        (b'"payloads":{', b'"payloads":{"a":"x",'),
        (b'"reason":""', b'"reason":"' + b"x" * 281 + b'"'),
        (b'"statement":null', b'"statement":{"b":1,"a":1}'),
        (b'"statement":null', b'"statement":{"a":1,"a":1}'),
        (b'"statement":null', b'"statement":{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        (b'"statement":null', b'"statement":{},"tenant":"default"}{'),
        (b'"statement":null', b'"statement":[]'),
    ],
)
def test_an_entry_in_another_spelling_is_refused_though_it_is_signed(old, new):
    made = full_export()
    assert old in made.bodies[5]
    made.bodies[5] = made.bodies[5].replace(old, new, 1)
    made.notes = {size: note for size, note in made.notes.items() if size < 6}
    made.seal()
    assert 2 in failed(made)


def test_a_last_line_without_its_end_is_refused():
    assert 2 in failed({**FILES, "entries.jsonl": FILES["entries.jsonl"][:-1]})


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
WORDS = st.from_regex(r"[a-z][a-z0-9_.-]{0,10}", fullmatch=True)
DRAFTS = st.builds(
    Draft,
    act=WORDS.filter(lambda act: act not in {"begin", "rotate-key", "add-key", "revoke-key"}),
    object=st.builds(ObjectRef, WORDS, TEXTS, st.none() | TEXTS),
    actor=st.builds(Actor, TEXTS, st.sampled_from(["person", "service"]), TEXTS),
    roles=st.lists(TEXTS, max_size=3).map(tuple),
    refs=st.dictionaries(WORDS, TEXTS, max_size=3),
    before=TEXTS,
    after=TEXTS,
    reason=TEXTS,
)


@given(st.lists(DRAFTS, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_storage_can_write_is_sound(drafts):
    made = Export()
    for draft in drafts:
        made.append(draft, seal=False)
    made.seal()
    assert failed(made) == set()


PIECES = [b'"', b"\\", b"{}", b"null", b',"', b"\\u0000", b"\\n", b'":"', b" "]


def read_one(body):
    """Return whether the verifier takes the bytes for the first entry of a ledger."""
    found = []
    reader = Reading(LOG, TENANT, {}, set(), lambda number, message: found.append((number, message)))
    reader.read([body + b"\n"])
    return not [message for number, message in found if number == 2]


@given(st.data())
@settings(max_examples=600, deadline=None)
def test_what_the_verifier_takes_for_an_entry_storage_reads_and_writes_the_same(data):
    """The grammar against the parser: bytes accepted there are the canonical bytes of a parsed entry here."""
    draft = data.draw(DRAFTS)
    body = bytearray(encode_entry(draft, log=LOG, tenant=TENANT, seq=0, at=AT).body)
    assert read_one(bytes(body))
    start = data.draw(st.integers(0, len(body)))
    body[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=6) | st.sampled_from(PIECES))
    if b"\n" in body or not read_one(bytes(body)):
        return
    parsed = parse_entry(bytes(body))
    again = encode_entry(parsed.draft, log=parsed.log, tenant=parsed.tenant, seq=parsed.seq, at=parsed.at).body
    if list(parsed.draft.roles) == sorted(parsed.draft.roles):
        assert again == bytes(body)
    else:
        assert len(again) == len(body), "the same but for the order of roles"


OF_ANOTHER_TYPE = {
    "v": [2, "1", None], "log": [1, None], "tenant": [1], "seq": ["0", -1, 2**53, True, None], "at": [1, None],
    "actor": ["ann", None, {"id": "ann", "kind": "person"}, {"id": "ann", "kind": "robot", "auth": "os"},
              {"id": 1, "kind": "person", "auth": "os"}, {"id": "ann", "kind": "person", "auth": None},
              {"id": "ann", "kind": "person", "auth": "os", "more": 1}],
    "roles": ["auditor", [1], None], "act": [1, "Note", ""],
    "object": ["note", None, {"kind": "note", "id": "1"}, {"kind": 1, "id": "1", "digest": None}, {"kind": "note", "id": 1, "digest": None},
               {"kind": "note", "id": "1", "digest": 1}, {"kind": "note", "id": "1", "digest": None, "more": 1}],
    "refs": [[], {"Run": "1"}, {"run": 1}, None], "from": [1, None], "to": [1, None], "reason": [1, None, "a" * 281],
    "payloads": [[], {"note": 1}, None], "statement": [[], "signed", {"number": 1.5}, {"number": 2**53}],
}  # fmt: skip


def test_a_field_of_another_type_makes_no_entry():
    whole = json.loads(encode_entry(Draft("note", ObjectRef("note", "1"), Actor("ann")), log=LOG, tenant=TENANT, seq=0, at=AT).body)
    assert OF_ANOTHER_TYPE.keys() == whole.keys()
    assert parse_entry(json.dumps(whole).encode()).draft.act == "note"
    taken = []
    for name, values in OF_ANOTHER_TYPE.items():
        for value in values:
            with suppress(Corrupt):
                parse_entry(json.dumps(whole | {name: value}).encode())
                taken.append((name, value))
    assert taken == []


@given(st.binary(max_size=300))
@example(b"")
@example(b'{"act":"a"')
def test_random_bytes_are_no_entry_here_or_there(body):
    if b"\n" in body:
        return
    assert not read_one(body)
    with pytest.raises(Corrupt):
        parse_entry(body)


@given(st.data())
@settings(max_examples=400, deadline=timedelta(seconds=5), suppress_health_check=[HealthCheck.data_too_large])
def test_a_damaged_archive_is_a_report_and_sound_only_if_it_says_the_same(data):
    damaged = bytearray(PACKED)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    whole = verify_export(io.BytesIO(PACKED))
    found = verify_export(io.BytesIO(bytes(damaged)))
    assert not found.is_sound or (found.root, found.log) == (whole.root, whole.log)


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=400, deadline=timedelta(seconds=5))
def test_any_change_of_any_member_is_noticed_unless_it_says_nothing(name, data):
    content = bytearray(FILES[name])
    start = data.draw(st.integers(0, len(content)))
    content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    if bytes(content) == FILES[name]:
        return
    found = verify_export(pack({**FILES, name: bytes(content)}))
    if found.is_sound:  # white space between JSON's parts, a repeated signature line of nobody, an erased text's date
        assert name in {"manifest.json", "payloads.jsonl", "records.jsonl"} or name.endswith(".note")
        assert found.root == verify_export(io.BytesIO(PACKED)).root


@given(st.binary(max_size=200))
def test_random_bytes_are_no_archive(data):
    assert not verify_export(io.BytesIO(data)).is_sound


SOUND = verify_export(io.BytesIO(PACKED))


def says_the_same(found):
    return (found.root, found.log, found.size) == (SOUND.root, SOUND.log, SOUND.size)


@given(st.integers(0, len(PACKED) - 1))
@settings(max_examples=200, deadline=timedelta(seconds=5))
def test_an_archive_that_ends_early_is_not_sound(end):
    assert not verify_export(io.BytesIO(PACKED[:end])).is_sound


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=200, deadline=timedelta(seconds=5))
def test_a_member_that_ends_early_is_not_sound_unless_what_is_gone_says_nothing(name, data):
    end = data.draw(st.integers(0, len(FILES[name]) - 1)) if FILES[name] else 0
    found = verify_export(pack({**FILES, name: FILES[name][:end]}))
    # What may be missing: the last newline of documents and texts, which are JSON without it, too.
    is_all_there = name.endswith("s.jsonl") and name != "entries.jsonl" and end == len(FILES[name]) - 1
    assert found.is_sound == (is_all_there or FILES[name][:end] == FILES[name])
    assert not found.is_sound or says_the_same(found)


@given(st.sampled_from(sorted(name for name, data in FILES.items() if name.endswith(".jsonl") and data)), st.data())
@settings(max_examples=200, deadline=timedelta(seconds=5))
def test_a_line_that_stands_twice_or_elsewhere_is_noticed_where_it_says_something(name, data):
    lines = FILES[name].splitlines(keepends=True)
    line = lines[data.draw(st.integers(0, len(lines) - 1))]
    lines.insert(data.draw(st.integers(0, len(lines))), line)
    found = verify_export(pack({**FILES, name: b"".join(lines)}))
    assert found.is_sound == (name == "payloads.jsonl")  # the same text twice under the same commitment is still that text
    assert not found.is_sound or says_the_same(found)


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=40), st.booleans())
@settings(max_examples=100, deadline=timedelta(seconds=5))
def test_a_member_that_stands_twice_is_refused_whatever_either_says(name, other, other_first):
    file = io.BytesIO()
    twice = [(name, other), (name, FILES[name])] if other_first else [(name, FILES[name]), (name, other)]
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")
        for member, content in [*((known, data) for known, data in FILES.items() if known != name), *twice]:
            archive.writestr(member, content)
    assert "twice" in problem(file)


@given(st.data())
@settings(max_examples=100, deadline=timedelta(seconds=5))
def test_checkpoints_that_change_places_are_noticed(data):
    notes = sorted(name for name in FILES if name.endswith(".note"))
    order = data.draw(st.permutations(notes))
    found = verify_export(pack({**FILES, **{name: FILES[other] for name, other in zip(notes, order, strict=True)}}))
    assert found.is_sound == (order == notes)
