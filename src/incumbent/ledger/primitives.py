"""What each piece of evidence says by itself: hashes, proofs, keys, signed notes, cosignatures, envelopes. The one implementation.

This file is part of the verifier that travels with every export (`verifier.py` puts it together), so it imports the standard library and
`cryptography` alone, and raises its own `Malformed`, a ValueError, for bytes that are not of the form they should have. Standards:
RFC 9162 (hashes and proofs), RFC 8032 (Ed25519), C2SP signed-note, tlog-checkpoint and tlog-cosignature, DSSE 1.0.
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = hashlib.sha256(b"").digest()
NOTE_BYTES_MAX = 1 << 16
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:incumbent:act:v2"
WORDLESS_TYPE = "urn:incumbent:act:v1"
"""What people signed before 2026-11-26: all of `PREDICATE_TYPE` but the reason and its commitment. It holds as it did."""
AHEAD_MAX = timedelta(minutes=5)
"""How far another machine's clock (a signer's, a witness's) may differ from the ledger's before the two contradict each other."""
WEAK = "is no key that anybody can own: a point of small order, or another spelling of a point"
_ED25519, _COSIGNATURE = 0x01, 0x04
_P = 2**255 - 19
_Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""The y of the points of order 4, 1, 2 and 8; each has two signs of x, or x = 0 in two spellings."""
_WORDLESS = {"act", "meaning", "signer", "name_commitment", "at", "log", "tenant", "object", "from", "to"}
_FIELDS = {PREDICATE_TYPE: _WORDLESS | {"reason", "reason_commitment"}, WORDLESS_TYPE: _WORDLESS}
_COMMITMENT = re.compile("(?:sha256:[0-9a-f]{64})?")


class Malformed(ValueError):
    """The bytes are not of the form that they should have; the message says what is wrong."""


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows that the leaf hash stands at `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0 or len(step) != 32:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(size: int, root: bytes, later_size: int, later_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the first tree is the beginning of the later one (RFC 9162 §2.1.4.2).

    The empty tree is the beginning of every tree, and a tree of itself; both are shown by an empty proof.
    """
    if not 0 <= size <= later_size or any(len(step) != 32 for step in proof):
        return False
    if size in {0, later_size}:
        expected = root if size else EMPTY_ROOT
        return not proof and root == expected and (size < later_size or root == later_root)
    path = [root, *proof] if size & (size - 1) == 0 else list(proof)
    at, last = size - 1, later_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path:
        return False
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, step)
        at, last = at >> 1, last >> 1
    return last == 0 and old == root and new == later_root


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint as a signed note.

    Attributes:
        body: What is signed.
        signatures: (key name, key hash of 4 bytes, signature) of each line; nothing here is verified yet.
    """

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]


def decode_base64(text: str) -> bytes:
    """Return what standard base64 in its one canonical spelling stands for. Raises Malformed."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed(f"{text[:40]!r} is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise Malformed(f"{text[:40]!r} is not the canonical base64 of anything")
    return data


def parse_public(text: str) -> bytes:
    """Return the 32 bytes of "ed25519:BASE64". Raises Malformed."""
    kind, _, encoded = text.partition(":")
    public = decode_base64(encoded) if kind == "ed25519" else b""
    if len(public) != 32:
        raise Malformed(f"{text[:80]!r} is no public key; expected ed25519: and 32 bytes in base64")
    if is_weak(public):
        raise Malformed(f"{text[:80]!r} {WEAK}")
    return public


def is_weak(public: bytes) -> bool:
    """Tell whether 32 bytes are a public key under which signatures prove nothing.

    Under a point of small order one signature is right for many messages, and nobody needs a private key to make it. A point whose y is not
    below 2^255 - 19 is another spelling of one, so one key would have two names. RFC 8032 §5.1.3 refuses the second; libraries accept both
    (Chalkias, Garillot and Nikolaenko, Taming the many EdDSAs, 2020, §3 and table 5).
    """
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    return y >= _P or y in _SMALL_ORDER


def key_text(public: bytes) -> str:
    """Return a public key as entries spell it, "ed25519:BASE64"."""
    return "ed25519:" + base64.b64encode(public).decode()


def key_id(public: bytes) -> str:
    """Return the short name of a public key, as DSSE signatures carry it."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:16]


def key_hash(name: str, public: bytes, kind: int = _ED25519) -> bytes:
    """Return the four bytes by which a signature line names its key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def parse_vkey(text: str) -> tuple[str, bytes]:
    """Return (name, public key) of a witness's verifier key, NAME+HASH+BASE64(0x04, key) (C2SP signed-note). Raises Malformed."""
    name, _, rest = text.strip().partition("+")
    given, _, encoded = rest.partition("+")
    key = decode_base64(encoded)
    if not name or len(key) != 33 or key[0] != _COSIGNATURE or key_hash(name, key[1:], _COSIGNATURE).hex() != given:
        raise Malformed(f"{text[:80]!r} is no Ed25519 witness key of the form NAME+HASH+BASE64")
    if is_weak(key[1:]):
        raise Malformed(f"{text[:80]!r} {WEAK}")
    return name, key[1:]


@functools.lru_cache(maxsize=1024)
def _load_key(public: bytes) -> Ed25519PublicKey:
    if is_weak(public):
        raise ValueError(WEAK)
    return Ed25519PublicKey.from_public_bytes(public)


def verify_signature(public: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature of `data` is right."""
    try:
        _load_key(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_note(data: bytes | str) -> Note:
    """Return the checkpoint that a signed note spells. Raises Malformed."""
    try:
        text = data.encode("utf-8").decode("utf-8") if isinstance(data, str) else data.decode("utf-8")
    except UnicodeError as error:
        raise Malformed("a note is UTF-8 text") from error
    head, blank, tail = text.rpartition("\n\n")
    if len(text) > NOTE_BYTES_MAX or not blank or not tail.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
        raise Malformed("a note is text, an empty line and signature lines, without control characters")
    origin, *numbers = head.split("\n")
    if len(numbers) < 2 or not origin or "" in numbers or re.fullmatch(r"0|[1-9][0-9]{0,17}", numbers[0], re.ASCII) is None:
        raise Malformed("a checkpoint is an origin, a size and a root, each on a line")
    root = decode_base64(numbers[1])
    if len(root) != 32:
        raise Malformed(f"a root has 32 bytes, not {len(root)}")
    return Note(origin, int(numbers[0]), root, f"{head}\n".encode(), tuple(_parse_signature(line) for line in tail[:-1].split("\n")))


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    found = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)", line)
    blob = decode_base64(found[2]) if found else b""
    if found is None or len(blob) < 5:
        raise Malformed(f"{line[:80]!r} is no signature line")
    return found[1], blob[:4], blob[4:]


def verify_note(note: Note, name: str, public: bytes) -> bool:
    """Tell whether a note carries a signature of this key, and none in its name that is wrong."""
    wanted = (name, key_hash(name, public))
    found = [verify_signature(public, note.body, signature) for key, hashed, signature in note.signatures if (key, hashed) == wanted]
    return bool(found) and all(found)


def verify_cosignature(note: Note, name: str, public: bytes) -> int | None:
    """Return when this witness saw the checkpoint, in seconds since 1970, the newest time; None if it never did, or one is wrong."""
    wanted, times = (name, key_hash(name, public, _COSIGNATURE)), []
    for key, hashed, blob in note.signatures:
        if (key, hashed) == wanted:
            at_s = int.from_bytes(blob[:8], "big")
            if (
                len(blob) != 72
                or at_s >= 1 << 63
                or not verify_signature(public, b"cosignature/v1\ntime %d\n" % at_s + note.body, blob[8:])
            ):
                return None
            times.append(at_s)
    return max(times, default=None)


def commitment(text: bytes, salt: bytes) -> str:
    """Return the salted commitment under which an entry names a text that is kept outside of it. A salt has 32 bytes."""
    return "sha256:" + hashlib.sha256(b"incumbent-payload-v1\0" + salt + text).hexdigest()


def pae(payload: bytes) -> bytes:
    """Return what a signer of a statement signs: DSSE's pre-authentication encoding.

    >>> pae(b"{}")
    b'DSSEv1 28 application/vnd.in-toto+json 2 {}'
    """
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def open_envelope(envelope: Mapping[str, Any]) -> tuple[bytes, str, bytes]:
    """Return (payload, key id, signature) of a DSSE envelope with one signature, which is not verified yet. Raises Malformed."""
    match envelope:
        case {"payload": str(payload), "payloadType": str(kind), "signatures": [{"keyid": str(named), "sig": str(signed)} as signature]}:
            if kind == PAYLOAD_TYPE and len(envelope) == 3 and len(signature) == 2:
                return decode_base64(payload), named, decode_base64(signed)
    raise Malformed(f"a statement is a DSSE envelope of {PAYLOAD_TYPE} with one signature")


def parse_object(data: bytes | str) -> dict[str, Any]:
    """Return the JSON object that these bytes spell, in which no key stands twice. Raises Malformed."""
    try:
        found = json.loads(data, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON that every reader reads alike: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise Malformed(f"a JSON object is expected, not {type(found).__name__}")
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key stands twice in one object")
    return found


def check_statement(entry: Mapping[str, Any], public: bytes) -> None:
    """Pass if the statement of an entry is signed with this key and says what the entry says.

    Act, signer, ledger, tenant, object, from, to and the signer's own words have to agree, and each digest that was signed has to stand
    in the entry: as the ref of that name, or as the digest of its object. Refs that were not signed are not judged, and words are not
    where the statement is of the form that left them out.

    Args:
        entry: The entry's fields, "statement" among them.
        public: The signer's key, 32 bytes.

    Raises:
        Malformed: It is not; the message says what differs.
    """
    payload, named, signature = open_envelope(entry["statement"])
    if named != key_id(public) or not verify_signature(public, pae(payload), signature):
        raise Malformed(f"the statement is not signed with key {key_id(public)}")
    predicate, digests, signed_at = read_statement(payload)
    thing = entry["object"]
    done = {name: entry[name] for name in ("act", "log", "tenant", "from", "to")}
    done |= {"signer": entry["actor"]["id"], "object": f"{thing['kind']} {thing['id']}"}
    if covers_words(predicate):
        kept = entry["payloads"]
        done |= {"reason": entry["reason"], "reason_commitment": kept.get("reason", ""), "name_commitment": kept.get("name", "")}
    for name, value in done.items():
        if predicate[name] != value:
            raise Malformed(f"the person signed {name} {predicate[name]!r:.80}, and the entry says {value!r:.80}")
    if signed_at - parse_time(entry["at"]) > AHEAD_MAX:
        raise Malformed(f"it was signed at {predicate['at']}, after its entry was written, {entry['at']}")
    strange = [name for name, digest in digests.items() if digest not in (entry["refs"].get(name), thing["digest"])]
    if strange:
        raise Malformed(f"the digest that was signed as {strange[0][:80]!r} is not the one in the entry")


def read_statement(payload: bytes) -> tuple[dict[str, Any], dict[str, str], datetime]:
    """Return (fields of the act, name -> digest of what it is about, when it was signed) of a statement. Raises Malformed."""
    statement = parse_object(payload)
    predicate = statement.get("predicate")
    types = statement.get("_type"), statement.get("predicateType")
    if types[0] != STATEMENT_TYPE or types[1] not in _FIELDS or len(statement) != 4 or not isinstance(predicate, dict):
        raise Malformed(f"what is signed is no {PREDICATE_TYPE} in an in-toto statement")
    return predicate, _read_subjects(statement.get("subject")), check_predicate(predicate, types[1])


def covers_words(predicate: Mapping[str, Any]) -> bool:
    """Tell whether what was signed, as `read_statement` gives it, covers the signer's own words."""
    return "reason" in predicate


def check_predicate(predicate: Mapping[str, Any], kind: str = PREDICATE_TYPE) -> datetime:
    """Pass if these are the fields of a signed act, each a text of its form, and return when it was signed. Raises Malformed."""
    if predicate.keys() != _FIELDS[kind] or not all(isinstance(value, str) for value in predicate.values()):
        raise Malformed("a signed act says in texts " + ", ".join(sorted(_FIELDS[kind])))
    if not predicate["meaning"].strip():
        raise Malformed("a signature says what it means")
    if _COMMITMENT.fullmatch(predicate["name_commitment"]) is None:
        raise Malformed("the printed name of the signer stands behind a commitment")
    if _COMMITMENT.fullmatch(predicate.get("reason_commitment", "")) is None:
        raise Malformed("a long reason stands behind a commitment")
    return parse_time(predicate["at"])


def parse_time(text: str) -> datetime:
    """Return a time as entries spell it. Raises Malformed."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Malformed(f"{text[:80]!r} is no time") from error


def _read_subjects(subjects: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for subject in subjects if isinstance(subjects, list) else ():
        match subject:
            case {"name": str(name), "digest": dict(digest)} if len(digest) == 1 and len(subject) == 2 and name not in found:
                algorithm, hexadecimal = next(iter(digest.items()))
                found[name] = f"{algorithm}:{hexadecimal}"
            case _:
                raise Malformed("a subject is a name, once, and one digest")
    if not found:
        raise Malformed("a statement is about at least one digest")
    return found
