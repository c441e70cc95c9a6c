"""One pass over a ledger's entries: their form, order, tree, keys, statements and texts. Part of the verifier that travels with exports.

An entry's whole grammar is one regular expression, so a match proves the canonical form: no second spelling of an entry exists, and
nothing has to be written out again to be compared. It is possessive, hence linear in the line's length.

What a person signed has to be what the entry says: act, signer, ledger, tenant, object, from, to, their own words, and for every digest
that was signed the same one in the entry. A ref that the person did not sign is the word of whoever holds the ledger's key, as is the
reason beside a statement of the first form, which left it out.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from incumbent.ledger.primitives import (
    EMPTY_ROOT,
    Malformed,
    check_statement,
    covers_words,
    key_id,
    key_text,
    leaf_hash,
    node_hash,
    open_envelope,
    parse_object,
    parse_public,
    read_statement,
)

HUMAN_ACTS = frozenset({"attest", "validate", "approve", "accept-risk", "break-glass", "close-finding"})
"""Acts that carry a person's will, hence a statement signed with a key of that person."""
ENTRY_BYTES_MAX = 1 << 20
_PLACEMENT = "placement"
"""The one kind of object whose digest is no document's, but the bundle's that is placed."""
Fail = Callable[[int, str], None]
"""Takes the number of a check and what is wrong."""

_TEXT = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\bfnrt]|u00(?:0[0-7be-f]|1[0-9a-f]))[^"\\\x00-\x1f]*+)*+'
_WORD = r"[a-z][a-z0-9_.-]{0,63}"
_MAP = rf'\{{(?:"{_WORD}":"{_TEXT}"(?:,"{_WORD}":"{_TEXT}")*+)?+\}}'
_TIME = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
_ENTRY = re.compile(
    rf'\{{"act":"({_WORD})","actor":\{{"auth":"{_TEXT}","id":"{_TEXT}","kind":"(?:person|service)"\}},"at":"({_TIME})","from":"{_TEXT}",'
    rf'"log":"({_TEXT})","object":\{{"digest":(null|"{_TEXT}"),"id":"({_TEXT})","kind":"({_WORD})"\}},"payloads":({_MAP}),'
    rf'"reason":"({_TEXT})","refs":({_MAP}),"roles":\[(?:"{_TEXT}"(?:,"{_TEXT}")*+)?+\],"seq":(0|[1-9][0-9]{{0,15}}),'
    rf'"statement":(null|\{{.*\}}),"tenant":"({_TEXT})","to":"{_TEXT}","v":1\}}'
)
_NAME = re.compile(rf'"({_WORD})":"')
"""The names in a map that `_MAP` matched: no value holds a quote without a backslash before it, so none can look like one."""
_PAIR = re.compile(rf'"({_WORD})":"({_TEXT})"')
_REASON_CHARACTERS_MAX = 280
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A governed document of an export, whose bytes have the digest.

    Attributes:
        body: Kept for keys only.
    """

    kind: str
    record_id: str
    digest: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A key that signs for a person from one entry on, until another entry revokes it."""

    person: str
    public: bytes


class Reading:
    """What one pass leaves for the checks that follow it.

    Args:
        log: The ledger's name.
        tenant: Its tenant.
        kept: The documents, by the number of the entry that names them.
        wanted: Sizes at which the root is asked for.
        fail: Told what is wrong.

    Attributes:
        size: How many entries there were.
        roots: Size -> root, for the wanted sizes and the last.
        times: Size -> time of the entry before it, for the wanted sizes.
        rulers: (number of the entry, public key) of each key that signs checkpoints, in order.
        committed: Commitments that entries name as payloads.
        erased: Commitments that "erase" entries name.
        signed: How many acts carry a statement that holds.
        wordless: How many of them give a reason that the statement leaves out.
        unsigned: How many human acts stand before the first key of a person.
        named: How many entries name a document by its digest.
        missing: (number of the entry, what it is about) of those whose document is not there.
    """

    def __init__(self, log: str, tenant: str, kept: Mapping[int, Kept], wanted: Collection[int], fail: Fail) -> None:
        self._log, self._tenant, self._kept, self._wanted, self._fail = log, tenant, kept, wanted, fail
        self.size = self.signed = self.wordless = self.unsigned = 0
        self.roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self.times: dict[int, str] = {}
        self.rulers: list[tuple[int, bytes]] = []
        self.committed: set[str] = set()
        self.erased: set[str] = set()
        self.named = 0
        self.missing: list[tuple[int, str]] = []
        self._keys: dict[str, PersonKey] = {}
        self._revocable: dict[str, str] = {}
        self._has_keys = False
        self._used: set[bytes] = set()
        self._frontier: list[bytes] = []

    def read(self, lines: Iterable[bytes]) -> None:
        """Take in the entries' lines, in order, each with its newline."""
        log, tenant = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (self._log, self._tenant))
        last_at = ""
        wanted, kept, match = self._wanted, self._kept, _ENTRY.fullmatch
        for seq, line in enumerate(lines):
            body = line[:-1]
            self._grow(body)
            found = match(_decode(body)) if line.endswith(b"\n") else None
            if found is None:
                self._fail(2, f"entry {seq} ({len(line)} bytes) has another form")
                continue
            act, at, of_log, digest, object_id, kind, payloads, reason, refs, number, statement, of_tenant = found.groups()
            if number != str(seq):
                self._fail(3, f"where entry {seq} should be stands entry {number}")
            if of_log != log or of_tenant != tenant:
                self._fail(4, f"entry {seq} is of ledger {of_log[:80]}, tenant {of_tenant[:80]}")
            if at < last_at or at[:10] != last_at[:10]:
                self._check_time(seq, at, last_at)
            last_at = at
            if self.size in wanted:
                self.times[self.size] = at
            if payloads != "{}" or refs != "{}" or len(reason) > _REASON_CHARACTERS_MAX:
                self._read_maps(seq, payloads, refs, reason)
            if seq in kept or digest != "null":
                self._hold_against(seq, kind, object_id, digest)
            if act in _HANDLERS or act in HUMAN_ACTS or statement != "null" or seq == 0:
                self._read_special(seq, body, statement)
        self.roots[self.size] = self._root()

    def _check_time(self, seq: int, at: str, last_at: str) -> None:
        if at < last_at:
            self._fail(5, f"entry {seq} is of {at}, before the entry before it, {last_at}")
        if not _is_date(at[:10]):
            self._fail(2, f"entry {seq} is of {at[:10]}, a day that never was")

    def _grow(self, body: bytes) -> None:
        frontier = self._frontier
        frontier.append(leaf_hash(body))
        self.size += 1
        completed = self.size
        while not completed & 1:
            right = frontier.pop()
            frontier[-1] = node_hash(frontier[-1], right)
            completed >>= 1
        if self.size in self._wanted:
            self.roots[self.size] = self._root()

    def _root(self) -> bytes:
        if not self._frontier:
            return EMPTY_ROOT
        *rest, found = self._frontier
        for left in reversed(rest):
            found = node_hash(left, found)
        return found

    def _read_maps(self, seq: int, payloads: str, refs: str, reason: str) -> None:
        for text in (payloads, refs):
            names = _NAME.findall(text)
            if len(names) > 1 and names != sorted(set(names)):
                self._fail(2, f"entry {seq} has names out of order or twice: {names[:8]}")
        if len(reason) > _REASON_CHARACTERS_MAX and len(json.loads(f'"{reason}"')) > _REASON_CHARACTERS_MAX:
            self._fail(2, f"entry {seq} has a reason of more than {_REASON_CHARACTERS_MAX} characters")
        for _, value in _PAIR.findall(payloads) if payloads != "{}" else ():
            if _SHA256.fullmatch(value) is None:
                self._fail(2, f"entry {seq} has a payload that is no commitment: {value[:80]}")
            self.committed.add(value)

    def _hold_against(self, seq: int, kind: str, object_id: str, digest: str) -> None:
        document = self._kept.get(seq)
        if digest.startswith('"sha256:') and kind != _PLACEMENT:
            self.named += 1
            if document is None:
                self.missing.append((seq, f"{kind} {object_id[:80]}"))
        if document is None:
            return
        named = (kind, json.loads(f'"{object_id}"'), json.loads(digest))
        if named != (document.kind, document.record_id, document.digest):
            self._fail(11, f"the document {document.kind} {document.record_id[:80]} is not what entry {seq} names")

    def _read_special(self, seq: int, body: bytes, statement: str) -> None:
        try:
            entry = parse_object(body)
            plain = json.dumps(entry["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        except (Malformed, RecursionError) as error:
            self._fail(2, f"entry {seq}: {error}")
            return
        if plain != statement:
            self._fail(2, f"entry {seq} has a statement in another spelling than the canonical one")
        if seq == 0 and entry["act"] != "begin":
            self._fail(6, f"the first entry is {entry['act']!r}, not 'begin'")
        handle = _HANDLERS.get(entry["act"])
        if handle is not None:
            handle(self, seq, entry)
        if entry["statement"] is not None:
            self._check_statement(seq, entry)
        elif entry["act"] in HUMAN_ACTS:
            if self._has_keys:
                self._fail(10, f"entry {seq} ({entry['act']} by {entry['actor']['id'][:80]}) is not signed by anybody")
            self.unsigned += 1

    def _check_statement(self, seq: int, entry: Mapping[str, Any]) -> None:
        try:
            payload, named, _ = open_envelope(entry["statement"])
            key = self._keys.get(named)
            if key is None or key.person != entry["actor"]["id"]:
                raise Malformed(f"{named[:80]} is no key of {entry['actor']['id'][:80]} at that point of the ledger")
            check_statement(entry, key.public)
        except Malformed as error:
            self._fail(10, f"entry {seq} ({entry['act']}): {error}")
            return
        if payload in self._used:
            self._fail(10, f"entry {seq} ({entry['act']}) carries a statement that an earlier entry carried already")
        self._used.add(payload)
        self.signed += 1
        if (entry["reason"] or "reason" in entry["payloads"]) and not covers_words(read_statement(payload)[0]):
            self.wordless += 1

    def _begin(self, seq: int, entry: Mapping[str, Any]) -> None:
        thing = entry["object"]
        if seq or (thing["kind"], thing["id"]) != ("ledger", self._log):
            self._fail(6, f"entry {seq} begins {thing['kind']} {thing['id'][:80]}; entry 0, and no other, begins the ledger")
        self._crown(seq, entry)

    def _rotate(self, seq: int, entry: Mapping[str, Any]) -> None:
        if not self.rulers or entry["from"] != key_text(self.rulers[-1][1]):
            self._fail(6, f"entry {seq} rotates from {entry['from'][:80]}, which is not the key that ruled")
        self._crown(seq, entry)

    def _crown(self, seq: int, entry: Mapping[str, Any]) -> None:
        try:
            public = parse_public(entry["to"])
        except Malformed as error:
            self._fail(6, f"entry {seq}: {error}")
            return
        if any(public == earlier for _, earlier in self.rulers):
            self._fail(6, f"entry {seq} makes {entry['to']} rule, which ruled before")
        self.rulers.append((seq, public))

    def _add_key(self, seq: int, entry: Mapping[str, Any]) -> None:
        self._has_keys = True
        document = self._kept.get(seq)
        try:
            if document is None or document.body is None or document.digest != entry["object"]["digest"]:
                raise Malformed("the key's document is missing")
            match parse_object(document.body):
                case {"person_id": str(person), "public": str(encoded)}:
                    public = parse_public(f"ed25519:{encoded}")
                case _:
                    raise Malformed("the key's document names no person and public key")
        except Malformed as error:
            self._fail(10, f"entry {seq} (add-key): {error}")
            return
        if self._keys.get(key_id(public), PersonKey(person, public)).person != person:
            self._fail(10, f"entry {seq} gives {person[:80]} a key that another person signs with")
        self._keys[key_id(public)] = PersonKey(person, public)
        self._revocable[entry["object"]["id"]] = key_id(public)

    def _revoke_key(self, seq: int, entry: Mapping[str, Any]) -> None:
        if self._keys.pop(self._revocable.get(entry["object"]["id"], ""), None) is None:
            self._fail(10, f"entry {seq} revokes {entry['object']['id'][:80]}, which is no key at that point of the ledger")

    def _erase(self, _: int, entry: Mapping[str, Any]) -> None:
        self.erased.update(_SHA256.findall(json.dumps(entry)))


_HANDLERS: Mapping[str, Callable[[Reading, int, Mapping[str, Any]], None]] = {
    "begin": Reading._begin,
    "rotate-key": Reading._rotate,
    "add-key": Reading._add_key,
    "revoke-key": Reading._revoke_key,
    "erase": Reading._erase,
}


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
