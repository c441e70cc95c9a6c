"""What a pickle would do is told without loading it: sound models are safe, and every trick that we know of is seen through."""

import bz2
import collections
import datetime as dt
import gzip
import io
import json
import lzma
import os
import pickle
import pickletools
import subprocess
import tarfile
import zipfile

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyArrayWrapper

from incumbent.base.documents import document_bytes
from incumbent.registry import pickle_machine, pickle_scan
from incumbent.registry.pickle_names import classify_name
from incumbent.registry.pickle_scan import scan_files, scan_pickle


class Calls:
    """Pickles as a call of `callee`."""

    def __init__(self, callee, *arguments):
        self.callee, self.arguments = callee, arguments

    def __reduce__(self):
        return self.callee, self.arguments


ATTACK = pickle.dumps(Calls(os.system, "true"), 4)
SYSTEM = os.system.__module__  # posix or nt
PROTOCOLS = range(6)


def names(scan):
    return {f"{each.module}.{each.name}" for each in scan.imports}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_are_safe_in_every_protocol(protocol):
    value = {
        "a": [1, 2.5, None, True, "text", b"bytes"],
        "b": (1, (2, 3)),
        "c": dt.date(2026, 1, 1),
        "d": collections.OrderedDict(x=1),
    }
    assert scan_pickle(pickle.dumps(value, protocol)).verdict == "safe"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "attack",
    [
        Calls(os.system, "true"),
        Calls(eval, "1"),
        Calls(subprocess.check_output, ["true"]),
        Calls(__import__, "os"),
        Calls(getattr, "x", "upper"),
        [1, {"deep": (Calls(exec, "pass"),)}],
    ],
    ids=["system", "eval", "subprocess", "import", "getattr", "deep"],
)
def test_an_attack_is_dangerous_in_every_protocol_and_named(attack, protocol):
    scan = scan_pickle(pickle.dumps(attack, protocol))
    assert scan.verdict == "dangerous"
    assert any(each.risk == "dangerous" and each.is_called for each in scan.imports)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_names_found_are_those_that_python_asks_for_when_it_loads(protocol):
    """The reference is CPython's own unpickler, whose find_class is told every name."""
    asked = set()

    class Listens(pickle.Unpickler):
        def find_class(self, module, name):
            asked.add((module, name))
            return super().find_class(module, name)

    value = [np.arange(3), np.float64(2.0), {1, 2}, collections.Counter("aab"), dt.timedelta(1), np.array(["x", None], dtype=object)]
    data = pickle.dumps(value, protocol)
    Listens(io.BytesIO(data)).load()
    found = {(each.module, each.name) for each in scan_pickle(data).imports}
    assert found == asked


HAND_MADE = {
    "INST": b"(S'true'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'true'\no.",
    "name through the memo": b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R.",
    "module taken twice from the stack": b"\x80\x04\x8c\x02os2\x8c\x06system\x93\x8c\x04true\x85R.",
    "python 2's commands": b"ccommands\ngetoutput\n(S'true'\ntR.",
    "no STOP at the end": b"cos\nsystem\n(S'true'\ntR",
    "garbage after the call": b"cos\nsystem\n(S'true'\ntR\xff\xff",
    "an argument that only C reads": b"I0x1\n0cos\nsystem\n(S'true'\ntR.",
    "second in the file": pickle.dumps([1]) + b"cos\nsystem\n(S'true'\ntR.",
    "behind a text": b"Vnotes\n0cos\nsystem\n(S'true'\ntR.",
    "dotted through a harmless module": b"\x80\x04\x8c\x07logging\x8c\x09os.system\x93\x8c\x04true\x85R.",
    "sets items of sys.modules": b"csys\nmodules\nS'x'\nNs.",
    "changes a class": b"\x80\x02cnumpy\nndarray\n}b.",
    "extension code": b"\x80\x02\x82\x05)R.",
    "calls what it made": b"\x80\x02cfunctools\npartial\ncos\nsystem\n\x85R)R.",
    "a name that it makes by a call": b"\x80\x04cbuiltins\nstr\n\x8c\x02os\x85R\x8c\x06system\x93)R.",
    "empty with a header": b"\x80\x04",
    "unknown opcode": b"\x80\x04\xff",
    "length past the end": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "memo that is not there": b"\x80\x04h\x09.",
    "stack that is empty": b"\x80\x04R.",
    "nothing built": b"\x80\x04.",
}


@pytest.mark.parametrize("data", HAND_MADE.values(), ids=HAND_MADE)
def test_a_stream_made_by_hand_is_dangerous(data):
    assert scan_pickle(data).verdict == "dangerous"


def test_what_is_on_no_list_is_unknown_and_named():
    scan = scan_pickle(b"\x80\x02cchurn.model\nScorer\n)\x81.")
    assert scan.verdict == "unknown"
    assert [each.is_called for each in scan.imports] == [True]
    assert scan.describe() == ": unknown (imports churn.model.Scorer)"


@pytest.mark.parametrize("cut", range(2, len(ATTACK)))
def test_a_truncated_attack_is_never_safe(cut):
    assert scan_pickle(ATTACK[:cut]).verdict == "dangerous"


def in_zip(data, name="archive/data.pkl"):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, data)
    return sink.getvalue()


def in_tar(data):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        member = tarfile.TarInfo("pickle")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def in_npy(data):
    return (
        b"\x93NUMPY\x01\x00"
        + len(header := b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n").to_bytes(2, "little")
        + header
        + data
    )


PACKED = {
    "zip as torch's": in_zip,
    "zip behind a prefix": lambda data: b"prefix" + in_zip(data),
    "zip in a zip": lambda data: in_zip(in_zip(data)),
    "tar": in_tar,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "npy": in_npy,
    "npz": lambda data: in_zip(in_npy(data), "a.npy"),
    "bytes in a pickle": lambda data: pickle.dumps({"weights": data}),
    "bytes in an old pickle": lambda data: pickle.dumps([data], 2),
    "gzip in bytes in a zip": lambda data: in_zip(pickle.dumps([gzip.compress(data)])),
}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_an_attack_is_found_wherever_it_is_packed(pack):
    scan = scan_pickle(pack(ATTACK), "notes.txt")
    assert scan.verdict == "dangerous"
    assert f"{SYSTEM}.system" in names(scan)


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_a_joblib_file_is_followed_past_its_arrays(compress):
    value = {
        "plain": np.arange(12.0).reshape(3, 4),
        "text": np.array(["ä", "bb"]),
        "objects": np.array(["x", None], dtype=object),
        "record": np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]),
        "time": np.array("2026-01-01", dtype="M8[s]"),
        "last": "said",
    }
    sink = io.BytesIO()
    joblib.dump(value, sink, compress=compress)
    assert scan_pickle(sink.getvalue()).verdict == "safe"
    sink = io.BytesIO()
    joblib.dump([value, Calls(os.system, "true")], sink, compress=compress)
    scan = scan_pickle(sink.getvalue())
    assert scan.verdict == "dangerous"
    assert f"{SYSTEM}.system" in names(scan)


def test_opcodes_in_the_place_of_joblibs_array_bytes_are_read_as_plain_pickle_would():
    wrapper = NumpyArrayWrapper(np.ndarray, (40,), "C", np.dtype("u1"), numpy_array_alignment_bytes=None)
    head = pickle.dumps(wrapper, 3)[:-1]
    hidden = b"cos\nsystem\n(S'true'\ntR."
    assert joblib.load(io.BytesIO(head + bytes(40) + b".")).tolist() == [0] * 40
    assert scan_pickle(head + bytes(40) + b".").verdict == "safe"
    assert scan_pickle(head + hidden.ljust(40, b"\0") + b".").verdict == "dangerous"


def test_a_compression_that_we_cannot_open_is_never_safe():
    assert scan_pickle(b"\x04\x22\x4d\x18rest").verdict == "dangerous"


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:20] + b"\xff" * 20 + data[40:]])
@pytest.mark.parametrize("pack", [in_zip, gzip.compress, bz2.compress, lzma.compress], ids=["zip", "gzip", "bz2", "xz"])
def test_a_damaged_archive_is_dangerous(pack, damage):
    assert scan_pickle(damage(pack(ATTACK))).verdict == "dangerous"


NO_PICKLES = {
    "nothing": b"",
    "csv": b"city,price\nOslo,3\n",
    "words that begin with c": b"colour=red\nsize=4\n",
    "lightgbm": b"tree\nversion=v4\nnum_class=1\n",
    "xgboost": b"{L\0\0\0\0",
    "json": json.dumps({"a": 1}).encode(),
    "python": b"import os\n\nos.system('true')\n",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "npy": b"".join([b"\x93NUMPY\x01\x00\x3a\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)]),
    "zip of text": in_zip(b"hello", "a.txt"),
    "safetensors whose header is as long as a pickle's magic": (0x0480).to_bytes(8, "little") + b"{}".ljust(0x0480) + bytes(8),
}


@pytest.mark.parametrize("data", NO_PICKLES.values(), ids=NO_PICKLES)
def test_what_is_no_pickle_is_none(data):
    assert scan_pickle(data).verdict == "none"


def test_text_that_begins_like_an_import_is_at_most_in_doubt():
    scan = scan_pickle(b"cat\ndog\nhorse\n")
    assert scan.verdict == "unknown"
    assert scan.problems == ("it begins like a pickle and may be none: it breaks off at byte 8",)


def test_files_are_told_by_content_in_the_order_of_their_paths():
    told = scan_files([("z.txt", ATTACK), ("model.pkl", b"no pickle"), ("a.bin", pickle.dumps([1]))])
    assert [(each["path"], each["verdict"]) for each in told] == [("a.bin", "safe"), ("z.txt", "dangerous")]
    document_bytes({"pickles": told})


def test_names_that_no_document_can_hold_are_written_as_escapes():
    data = b"\x80\x04\x8c\x05a\xed\xb2\x80b\x8c\x01x\x93."
    document_bytes({"pickles": scan_files([("p\udc80", data)])})
    assert scan_pickle(data).verdict == "unknown"


def test_a_bomb_of_opcodes_is_stopped_and_dangerous(monkeypatch):
    monkeypatch.setattr(pickle_machine, "OPCODES_MAX", 1000)
    assert scan_pickle(b"\x80\x04" + b"N0" * 2000 + b"N.").problems == ("it has more than 1,000 opcodes, and no more are followed",)
    assert scan_pickle(b"\x80\x04" + b"N0" * 400 + b"N.").verdict == "safe"


def test_an_archive_that_unpacks_to_too_much_is_stopped_and_dangerous(monkeypatch):
    monkeypatch.setattr(pickle_scan, "EXPANDED_BYTES_MAX", 1 << 20)
    assert scan_pickle(gzip.compress(bytes(5 << 20))).verdict == "dangerous"
    assert scan_pickle(gzip.compress(bytes(1 << 19))).verdict == "none"


def test_archives_packed_into_each_other_without_end_are_dangerous():
    data = ATTACK
    for _ in range(12):
        data = gzip.compress(data)
    assert "more than 8 deep" in scan_pickle(data).problems[0]


def test_a_tuple_that_doubles_itself_takes_no_time():
    data = b"\x80\x04N" + b"2\x86" * 5000 + b"."
    assert pickletools.genops(data)
    assert scan_pickle(data).verdict == "safe"


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x80\x04", b"\x80\x02c", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x93NUMPY\x01\x00", b"]\0\0"]),
)
def test_any_bytes_have_a_verdict_that_a_document_can_hold(data, start):
    document_bytes(scan_pickle(start + data).to_json())


@given(st.binary(max_size=60))
def test_bytes_put_before_an_attack_with_a_header_never_make_it_safe(junk):
    """Whoever finds the attack's own start (a loader that seeks) is not our case: a stream that reaches it from the front is."""
    data = b"\x80\x04" + b"C" + bytes([len(junk)]) + junk + b"0" + ATTACK[2:]
    assert scan_pickle(data).verdict == "dangerous"


@pytest.mark.parametrize(
    ("module", "name", "risk"),
    [
        ("os", "system", "dangerous"),
        ("os.path", "join", "dangerous"),
        ("builtins", "eval", "dangerous"),
        ("builtins", "print", "dangerous"),
        ("builtins", "ValueError", "unknown"),
        ("numpy", "load", "dangerous"),
        ("numpy.testing._private.utils", "runstring", "dangerous"),
        ("torch.hub", "load", "dangerous"),
        ("torch.storage", "_load_from_bytes", "dangerous"),
        ("operator", "attrgetter", "dangerous"),
        ("operator", "itemgetter", "unknown"),
        ("cloudpickle.cloudpickle", "_make_function", "dangerous"),
        ("sklearn.linear_model._base", "LinearRegression", "safe"),
        ("sklearn.utils.parallel", "Parallel", "unknown"),
        ("sklearn.ensemble._base", "Parallel", "unknown"),
        ("sklearn.datasets._openml", "fetch_openml", "unknown"),
        ("sklearn.svm._classes", "SVC", "safe"),
        ("sklearnx.linear_model", "LinearRegression", "unknown"),
        ("mine", "popen", "dangerous"),
        ("mine", "Scorer.__globals__", "dangerous"),
        ("mine", "Outer.Inner", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_a_name_has_the_risk_that_its_table_gives(module, name, risk):
    assert classify_name(module, name) == risk


def test_an_odd_escape_is_no_warning_and_does_not_end_the_scan():
    """pytest has warnings be errors here, as some programs do."""
    assert scan_pickle(b"S'\\q'\n0cposix\nsystem\n(S'x'\ntR.").verdict == "dangerous"
