"""Proofs made from stored nodes, against a word-for-word reading of RFC 9162, accepted and refused."""

import hashlib
import itertools
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.ledger.merkle import Tree
from incumbent.ledger.primitives import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from incumbent.ledger.proof import check_proof, parse_proof, prove_consistency, prove_inclusion, tree_root, write_proof
from unit.ledger.exported import LOG, private, proof_of, public, reference_root

SIZE = 64
BODIES = [b"entry %d" % number for number in range(SIZE)]


def stored(bodies):
    tree, nodes = Tree(0, []), {}
    for body in bodies:
        nodes |= {(node.level, node.index): node.hash for node in tree.append(body)}
    return lambda level, index: nodes[level, index]


GET = stored(BODIES)
ROOTS = [reference_root(BODIES[:size]) for size in range(SIZE + 1)]


def largest_power_below(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def reference_path(m, bodies):
    """PATH(m, D_n) of RFC 9162 §2.1.3.1."""
    if len(bodies) == 1:
        return []
    k = largest_power_below(len(bodies))
    if m < k:
        return [*reference_path(m, bodies[:k]), reference_root(bodies[k:])]
    return [*reference_path(m - k, bodies[k:]), reference_root(bodies[:k])]


def reference_subproof(m, bodies, is_whole):
    """SUBPROOF(m, D_n, b) of RFC 9162 §2.1.4.1."""
    if m == len(bodies):
        return [] if is_whole else [reference_root(bodies)]
    k = largest_power_below(len(bodies))
    if m <= k:
        return [*reference_subproof(m, bodies[:k], is_whole), reference_root(bodies[k:])]
    return [*reference_subproof(m - k, bodies[k:], False), reference_root(bodies[:k])]


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_entry_of_every_size_is_proved_as_the_standard_says(size):
    assert tree_root(size, GET) == ROOTS[size]
    for index in range(size):
        proof = prove_inclusion(index, size, GET)
        assert proof == reference_path(index, BODIES[:size])
        assert verify_inclusion(leaf_hash(BODIES[index]), index, size, proof, ROOTS[size])


@pytest.mark.parametrize("later", range(1, SIZE + 1))
def test_every_beginning_of_every_size_is_proved_as_the_standard_says(later):
    for size in range(1, later + 1):
        proof = prove_consistency(size, later, GET)
        assert proof == reference_subproof(size, BODIES[:later], True)
        assert verify_consistency(size, ROOTS[size], later, ROOTS[later], proof)
    assert prove_consistency(0, later, GET) == []
    assert verify_consistency(0, EMPTY_ROOT, later, ROOTS[later], [])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 32, 33, 63, 64])
def test_an_inclusion_proof_shows_nothing_else(size):
    for index in range(size):
        leaf, proof, root = leaf_hash(BODIES[index]), prove_inclusion(index, size, GET), ROOTS[size]
        for other in range(-1, size + 2):
            assert verify_inclusion(leaf, other, size, proof, root) == (other == index)
        assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root)
        assert not verify_inclusion(leaf, index, size, [*proof, bytes(32)], root)
        assert not verify_inclusion(leaf, index, size, proof, bytes(32))
        if proof:
            assert not verify_inclusion(leaf, index, size, proof[:-1], root)
            assert not verify_inclusion(leaf, index, size, [*proof[:-1], proof[-1][:31]], root)


@given(st.data())
@settings(max_examples=300)
def test_one_flipped_bit_anywhere_in_an_inclusion_proof_is_noticed(data):
    size = data.draw(st.integers(2, SIZE))
    index = data.draw(st.integers(0, size - 1))
    parts = [leaf_hash(BODIES[index]), ROOTS[size], *prove_inclusion(index, size, GET)]
    broken = flip(data, parts)
    assert verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    assert not verify_inclusion(broken[0], index, size, broken[2:], broken[1])


@given(st.data())
@settings(max_examples=300)
def test_one_flipped_bit_anywhere_in_a_consistency_proof_is_noticed(data):
    later = data.draw(st.integers(2, SIZE))
    size = data.draw(st.integers(1, later - 1))
    parts = [ROOTS[size], ROOTS[later], *prove_consistency(size, later, GET)]
    broken = flip(data, parts)
    assert verify_consistency(size, parts[0], later, parts[1], parts[2:])
    assert not verify_consistency(size, broken[0], later, broken[1], broken[2:])


def flip(data, parts):
    number, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    broken = [bytearray(part) for part in parts]
    broken[number][bit // 8] ^= 1 << bit % 8
    return [bytes(part) for part in broken]


def test_a_consistency_proof_fits_no_other_pair_of_trees():
    pairs = [(size, later) for later in range(1, 20) for size in range(later + 1)]
    for (size, later), (of_size, of_later) in itertools.product(pairs, pairs):
        accepted = verify_consistency(size, ROOTS[size], later, ROOTS[later], prove_consistency(of_size, of_later, GET))
        expected = (size, later) == (of_size, of_later) or (size in {0, later} and of_size in {0, of_later})
        assert accepted == expected, (size, later, of_size, of_later)


def test_a_forked_ledger_has_no_consistency_proof():
    fork = stored([*BODIES[:9], b"another", *BODIES[10:20]])
    root = tree_root(20, fork)
    assert verify_consistency(9, ROOTS[9], 20, root, prove_consistency(9, 20, fork))
    assert not verify_consistency(10, ROOTS[10], 20, root, prove_consistency(10, 20, fork))
    assert not verify_consistency(10, ROOTS[10], 20, root, prove_consistency(10, 20, GET))
    assert not verify_consistency(20, ROOTS[20], 20, root, [])
    assert not verify_consistency(20, ROOTS[20], 19, ROOTS[19], [])
    assert not verify_consistency(0, bytes(32), 20, root, [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5)])
def test_an_entry_that_is_not_there_has_no_proof(index, size):
    with pytest.raises(InvalidInput, match="there is no entry"):
        prove_inclusion(index, size, GET)


@pytest.mark.parametrize(("size", "later"), [(-1, 5), (6, 5)])
def test_a_longer_ledger_is_no_beginning(size, later):
    with pytest.raises(InvalidInput, match="cannot be the beginning"):
        prove_consistency(size, later, GET)


def test_the_proof_of_one_entry_in_a_million_takes_less_than_a_kilobyte():
    """Every leaf is its own number, so that nodes are made when they are asked for: only those beside the path, and a few of their own."""
    size, index = 1_000_000, 777_777

    @cache
    def get_node(level, place):
        """Equal leaves everywhere except below `index` make equal subtrees: 21 hashes stand for a million."""
        if level == 0:
            return leaf_hash(b"the one" if place == index else b"another")
        left, right = (
            plain(level - 1) if (index >> level - 1) != child else get_node(level - 1, child) for child in (2 * place, 2 * place + 1)
        )
        return hashlib.sha256(b"\x01" + left + right).digest()

    @cache
    def plain(level):
        if level == 0:
            return leaf_hash(b"another")
        return hashlib.sha256(b"\x01" + plain(level - 1) + plain(level - 1)).digest()

    root = tree_root(size, get_node)
    proof = proof_of(index, size, get_node, root)
    assert verify_inclusion(leaf_hash(b"the one"), index, size, proof.hashes, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof.hashes, root)
    assert len(proof.hashes) == 20
    text = write_proof(proof)
    assert len(text.removesuffix(proof.note).encode()) <= 1024
    assert len(text.encode()) <= 1280, "with the signed checkpoint"
    assert check_proof(parse_proof(text), log=LOG, public=public(private(1)), body=b"the one") == size


@pytest.mark.parametrize("extra", [b"", BODIES[5]])
def test_a_written_proof_has_the_lines_of_the_specification_and_is_read_back(extra):
    proof = proof_of(5, 11, GET, ROOTS[11], extra=extra)
    text = write_proof(proof)
    lines = text.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1 + bool(extra)] == "index 5"
    assert text.endswith("\n\n" + proof.note)
    assert parse_proof(text) == proof
    assert check_proof(proof, log=LOG, public=public(private(1)), body=None if extra else BODIES[5]) == 11


def test_a_proof_that_shows_something_else_says_at_which_step():
    proof, key = proof_of(5, 11, GET, ROOTS[11], extra=BODIES[5]), public(private(1))
    for broken, message in [
        (replace(proof, extra=BODIES[6]), "not entry 5"),
        (replace(proof, index=6), "not entry 6"),
        (replace(proof, hashes=proof.hashes[1:]), "not entry 5"),
        (replace(proof, note=proof.note.replace("\n11\n", "\n12\n")), "not signed"),
        (replace(proof, note="x"), "malformed"),
    ]:
        with pytest.raises(Corrupt, match=message):
            check_proof(broken, log=LOG, public=key)
    with pytest.raises(Corrupt, match="not signed"):
        check_proof(proof, log=LOG, public=public(private(2)))
    with pytest.raises(Corrupt, match="not of 'other'"):
        check_proof(proof, log="other", public=key)
    with pytest.raises(InvalidInput, match="without its entry"):
        check_proof(replace(proof, extra=b""), log=LOG, public=key)


@pytest.mark.parametrize(
    ("old", "new"),
    [("@v1", "@v2"), ("index 5", "index 05"), ("index 5", "index -5"), ("index 5", "index \u0665"), ("index 5\n", ""), ("\n\n", "\n"),
     ("extra ", "extra  "), ("index 5\n", "index 5\nAAAA\n"), ("index 5\n", "index 5\n" + ("A" * 43 + "=\n") * 64)],
)  # fmt: skip
def test_a_proof_of_another_form_is_refused(old, new):
    text = write_proof(proof_of(5, 11, GET, ROOTS[11], extra=BODIES[5]))
    assert old in text
    with pytest.raises(InvalidInput):
        parse_proof(text.replace(old, new))


@given(st.text(max_size=400), st.integers(0, 600), st.integers(0, 600))
@example("\ud800", 0, 600)
@example("\n\n", 20, 30)
def test_any_text_is_a_proof_or_invalid(text, start, end):
    whole = write_proof(proof_of(5, 11, GET, ROOTS[11], extra=BODIES[5]))
    for candidate in (text, whole[:start] + text + whole[end:]):
        try:
            parse_proof(candidate)
        except InvalidInput:
            continue
