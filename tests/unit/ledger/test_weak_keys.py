"""Public keys under which a signature proves nothing are refused, wherever a key comes in, and in the verifier that travels alone.

The eight points of small order are computed here from the curve's equation. Vectors: ed25519-speccheck, of Chalkias, Garillot and
Nikolaenko, "Taming the many EdDSAs" (2020); the two spellings of -1 with a sign are its cases 10 and 11.
"""

import base64
import json
import subprocess
import sys
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.errors import InvalidInput
from incumbent.ledger import note, primitives
from incumbent.ledger.primitives import Malformed, is_weak, key_hash, parse_public, parse_vkey, verify_signature
from incumbent.ledger.verifier import verifier_source

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ZERO = (0, 1)
FORGED = {
    "key": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "message": "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
    "signature": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a" + "00" * 32,
}
"""Case 0: S = 0, R and A of small order, and the equation of RFC 8032 holds."""
MIXED = {
    "key": "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
    "message": "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
    "signature": "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
    "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
}
"""Case 3: the key has a part of small order beside a large one, and every verifier accepts it: its owner alone can sign."""


def add(one, other):
    """Add two points of -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 §5.1.4)."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def multiply(times, point):
    found = ZERO
    for bit in f"{times:b}":
        found = add(found, found)
        if bit == "1":
            found = add(found, point)
    return found


def point_of(y):
    """Return a point with this y, None where there is none (RFC 8032 §5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    for candidate in (x, x * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square:
            return candidate, y
    return None


def spell(x_is_odd, y):
    return (y | (x_is_odd << 255)).to_bytes(32, "little")


def small_order():
    """What times the large prime is left of points anywhere is of small order; a few points give all eight."""
    found = set()
    for y in range(2, 60):
        point = point_of(y)
        if point is not None:
            left = multiply(L, point)
            assert multiply(8, left) == ZERO
            found |= {left, (-left[0] % P, left[1])}
    return sorted(found)


SMALL = small_order()
WEAK = [spell(x & 1, y) for x, y in SMALL] + [spell(sign, y) for y in (1, P - 1) for sign in (0, 1)]
WEAK += [spell(sign, y) for y in range(P, 2**255) for sign in (0, 1)]


def vkey(public, name="w"):
    return f"{name}+{key_hash(name, public, 4).hex()}+{base64.b64encode(bytes([4]) + public).decode()}"


def test_there_are_eight_points_of_small_order():
    assert len(SMALL) == 8
    assert bytes.fromhex(FORGED["key"]) in WEAK


@pytest.mark.parametrize("public", sorted(set(WEAK)), ids=bytes.hex)
def test_a_key_that_nobody_can_own_is_refused_wherever_one_is_read(public):
    assert is_weak(public)
    for read, text in ((parse_public, note.key_text(public)), (parse_vkey, vkey(public))):
        with pytest.raises(Malformed, match="no key that anybody can own"):
            read(text)
    with pytest.raises(InvalidInput, match="no key that anybody can own"):
        note.parse_key(note.key_text(public))


def test_a_signature_that_nobody_made_is_right_for_the_library_and_wrong_here():
    public, message, signature = (bytes.fromhex(FORGED[name]) for name in ("key", "message", "signature"))
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)  # raises if the library should begin to refuse it
    assert not verify_signature(public, message, signature)


def test_a_key_with_a_part_of_small_order_is_somebodys_and_counts():
    public, message, signature = (bytes.fromhex(MIXED[name]) for name in ("key", "message", "signature"))
    assert verify_signature(public, message, signature)
    assert parse_public(note.key_text(public)) == public


@given(st.binary(min_size=32, max_size=32))
def test_keys_that_people_make_are_never_taken_for_weak(seed):
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert not is_weak(public)
    assert parse_public(note.key_text(public)) == public


def test_the_verifier_that_travels_alone_refuses_them_too(tmp_path):
    (tmp_path / "verify.py").write_text(verifier_source())
    with zipfile.ZipFile(tmp_path / "x.zip", "w"):
        pass
    for given_key in (["--key", note.key_text(WEAK[0])], ["--witness", vkey(WEAK[0])]):
        done = subprocess.run(
            [sys.executable, "-I", tmp_path / "verify.py", tmp_path / "x.zip", *given_key], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert primitives.WEAK in done.stderr.replace("\n", " ")
    code = (
        "import json, runpy, sys; m = runpy.run_path(sys.argv[1]); "
        "print(m['verify_signature'](*map(bytes.fromhex, json.loads(sys.argv[2]))))"
    )
    forged = json.dumps([FORGED["key"], FORGED["message"], FORGED["signature"]])
    done = subprocess.run([sys.executable, "-I", "-c", code, tmp_path / "verify.py", forged], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
