"""Hashes, notes and cosignatures against published vectors: the eight roots of Certificate Transparency, a tree head of sum.golang.org."""

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incumbent.ledger import entry, merkle, note, primitives
from incumbent.ledger.primitives import (
    Malformed,
    Note,
    check_predicate,
    decode_base64,
    open_envelope,
    parse_note,
    parse_object,
    parse_public,
    parse_time,
    parse_vkey,
    verify_cosignature,
    verify_inclusion,
    verify_note,
)
from unit.ledger.exported import AT, LOG, private, public, reference_root

LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GO_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_NOTE = """go.sum database tree
65209736
5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=

— sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=
"""
GO_KEY = base64.b64decode(GO_VKEY.split("+", 2)[2])[1:]


def test_roots_are_those_that_certificate_transparency_published():
    tree = merkle.Tree(0, [])
    assert tree.root().hex() == primitives.EMPTY_ROOT.hex() == EMPTY
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(leaf)
        assert tree.root().hex() == root
        assert reference_root(LEAVES[: tree.size]).hex() == root  # what the other tests compare with


def test_published_inclusion_proofs_are_accepted():
    paths = {
        (0, 8): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 "
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        (5, 8): "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b "
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 " + ROOTS[3],
        (2, 3): ROOTS[1],
        (1, 5): ROOTS[0] + " 5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    }
    for (index, size), path in paths.items():
        proof = [bytes.fromhex(step) for step in path.split()]
        assert verify_inclusion(primitives.leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size - 1]))


def test_published_consistency_proofs_are_accepted():
    paths = {
        (1, 8): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 "
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        (6, 8): "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a "
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 " + ROOTS[3],
        (2, 5): "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    }
    for (size, later), path in paths.items():
        proof = [bytes.fromhex(step) for step in path.split()]
        roots = bytes.fromhex(ROOTS[size - 1]), bytes.fromhex(ROOTS[later - 1])
        assert primitives.verify_consistency(size, roots[0], later, roots[1], proof)


def test_a_tree_head_of_the_go_checksum_database_verifies_under_its_published_key():
    found = parse_note(GO_NOTE)
    assert (found.origin, found.size) == ("go.sum database tree", 65_209_736)
    assert primitives.key_hash("sum.golang.org", GO_KEY).hex() == "033de0ae"
    assert verify_note(found, "sum.golang.org", GO_KEY)
    assert not verify_note(found, "sum.golang.example", GO_KEY)
    assert not verify_note(parse_note(GO_NOTE.replace("65209736", "65209737")), "sum.golang.org", GO_KEY)


def test_the_note_of_the_go_documentation_verifies():
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = base64.b64decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
    key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    assert verify_note(Note("", 0, b"", text, (("PeterNeumann", signature[:4], signature[4:]),)), "PeterNeumann", key)


def test_a_note_with_a_wrong_signature_beside_a_right_one_of_the_same_key_does_not_verify():
    body = note.checkpoint_body(LOG, 1, bytes(32))
    right = note.signature_line(LOG, public(private(1)), private(1).sign(body))
    wrong = note.signature_line(LOG, public(private(1)), private(1).sign(b"other"))
    assert verify_note(parse_note(note.write_note(body, [right])), LOG, public(private(1)))
    assert not verify_note(parse_note(note.write_note(body, [right, wrong])), LOG, public(private(1)))


@given(bit=st.integers(0, 8 * len(GO_NOTE.encode()) - 1))
def test_a_note_with_one_bit_flipped_anywhere_is_refused(bit):
    data = bytearray(GO_NOTE.encode())
    data[bit // 8] ^= 1 << bit % 8
    try:
        found = parse_note(bytes(data))
    except Malformed:
        return
    assert not verify_note(found, "sum.golang.org", GO_KEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("65209736", "065209736"),
        ("65209736", "٦5209736"),
        ("65209736", "-1"),
        ("go.sum database tree", ""),
        ("vRo=\n", "vRo=\n\r\n"),
        ("vRo=", "vRp="),  # the same bytes in another spelling
        ("vRo=\n", "\n"),
        ("— sum", "- sum"),
        ("— sum.golang.org", "— sum golang.org"),
        ("sum.golang.org", "sum+golang.org"),
        ("sum.golang.org", "sum\u2003golang.org"),
        ("\n\n", "\n"),
        ("sQ8=\n", "sQ8="),
    ],
)
def test_a_note_of_another_form_is_refused(old, new):
    assert old in GO_NOTE
    with pytest.raises(Malformed):
        parse_note(GO_NOTE.replace(old, new, 1))


def test_a_cosignature_says_when_the_witness_saw_the_checkpoint():
    body = note.checkpoint_body(LOG, 3, bytes(32))
    key = private(5)
    lines = [note.cosignature_line("w.example", public(key), at_s, key.sign(note.cosigned_bytes(body, at_s))) for at_s in (100, 200, 150)]
    found = parse_note(note.write_note(body, lines))
    assert verify_cosignature(found, "w.example", public(key)) == 200
    assert verify_cosignature(found, "other.example", public(key)) is None
    assert verify_cosignature(found, "w.example", public(private(6))) is None
    assert not verify_note(found, "w.example", public(key)), "a cosignature is no signature of the ledger"
    later = [(name, hashed, (201).to_bytes(8, "big") + blob[8:]) for name, hashed, blob in found.signatures]
    assert verify_cosignature(replace(found, signatures=tuple(later)), "w.example", public(key)) is None


def test_the_signed_bytes_of_a_cosignature_are_those_of_the_specification():
    body = note.checkpoint_body("example.com/behind-the-sofa", 20852163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="))
    assert note.cosigned_bytes(body, 1679315147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_witness_key_carries_its_name_and_is_held_to_its_hash():
    key = public(private(5))
    hashed = hashlib.sha256(b"w.example\n\x04" + key).hexdigest()[:8]
    text = f"w.example+{hashed}+{base64.b64encode(bytes([4]) + key).decode()}"
    assert parse_vkey(text) == ("w.example", key)
    for broken in (GO_VKEY, text.replace("w.", "v."), text[:-4], "", "+", "a++", "a+b"):
        with pytest.raises(Malformed):
            parse_vkey(broken)


def test_two_writings_of_one_hash_agree():
    """Storage hashes with `merkle` and `entry`, which need no cryptography; the verifier hashes for itself."""
    assert primitives.leaf_hash(b"x") == merkle.leaf_hash(b"x")
    assert primitives.node_hash(bytes(32), bytes(32)) == merkle.node_hash(bytes(32), bytes(32))
    assert primitives.commitment(b"Ann", bytes(32)) == entry.commit(b"Ann", bytes(32))
    key = public(private(1))
    assert primitives.key_hash("a", key) == note.key_hash("a", key)
    assert primitives.key_hash("a", key, 4) == note.key_hash("a", key, is_cosigner=True)
    assert (primitives.key_id(key), primitives.key_text(key)) == (note.key_name(key), note.key_text(key))
    assert parse_public(note.key_text(key)) == key
    assert parse_time(entry.format_time(AT)) == AT


def test_what_is_signed_of_a_statement_is_the_encoding_of_dsse():
    """The example of the DSSE protocol, with our type in place of http://example.com/HelloWorld."""
    assert primitives.pae(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@pytest.mark.parametrize("text", ["{", '{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', "[]", "null", "[" * 100_000, b"\xff", '"x"', "1" * 5000])
def test_json_that_two_readers_could_read_differently_is_refused(text):
    with pytest.raises(Malformed):
        parse_object(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.binary(max_size=300), st.text(max_size=300))
@example(b"", "")
@example(b"a\n1\n\n\n", "a\n1\n\ud800\n\n— a AAAAAAA=\n")
def test_decoders_give_a_value_or_say_that_it_is_malformed(data, text):
    for decode in (parse_note, parse_object):
        for given_ in (data, text):
            try:
                decode(given_)
            except Malformed:
                continue
    for decode in (decode_base64, parse_public, parse_vkey, parse_time):
        try:
            decode(text)
        except Malformed:
            continue


@given(JSON)
def test_envelopes_and_acts_are_read_or_malformed(value):
    for decode in (open_envelope, check_predicate):
        if isinstance(value, dict):
            with pytest.raises(Malformed):
                decode(value)
