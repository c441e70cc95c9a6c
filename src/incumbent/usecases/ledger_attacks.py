"""What somebody with full access to the database can do to a ledger, as a table. Each attack works on a copy, in plain SQL.

They are done as well as they can be: the database's triggers are taken away and put back, hashes are computed again, the rows that
stand on changed entries are made to follow them, and where the ledger's key counts as stolen every checkpoint is signed again.
"""

# ruff: noqa: S608 (statements are put together from constants of this file, and from names that were checked)

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from incumbent.ledger.entry import format_time, parse_time
from incumbent.ledger.merkle import Tree
from incumbent.ledger.note import checkpoint_body, key_text, signature_line, write_note
from incumbent.usecases.governed_ports import Keys

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STANDING = {"records": "seq", "placements": "ledger_seq", "model_versions": "ledger_seq"}
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an attack happens.

    Attributes:
        db: The copy, without its triggers.
        keys: The ledger's keys, for whoever stole them.
        first: Number of the first entry that was scripted; only these are changed.
        cut: Size at which an old backup was made; a checkpoint is there.
        pin: Size of the checkpoint that somebody remembers: more than `cut`, less than `size`.
        size: How many entries there are.
    """

    db: sqlite3.Connection
    keys: Keys
    first: int
    cut: int
    pin: int
    size: int

    def read(self) -> list[Body]:
        """Return all entries, decoded."""
        return [json.loads(body) for (body,) in self.db.execute("SELECT body FROM ledger_entries ORDER BY seq")]

    def write(self, bodies: Sequence[Body], *, sign_from: int | None = None, public: bytes | None = None) -> None:
        """Replace the entries and compute all hashes again; with `sign_from`, sign the checkpoints from that size on again, too."""
        sizes = {size for (size,) in self.db.execute("SELECT size FROM ledger_checkpoints")}
        for table in ("ledger_entries", "ledger_nodes"):
            self.db.execute(f"DELETE FROM {table}")
        tree = Tree(0, [])
        for seq, body in enumerate(bodies):
            data = encode(body)
            name = f"{body['object']['kind']} {body['object']['id']}"
            row = (seq, micros(body["at"]), body["act"], name, data)
            self.db.execute("INSERT INTO ledger_entries (seq, at, act, object, body) VALUES (?, ?, ?, ?, ?)", row)
            nodes = [(node.level, node.index, node.hash) for node in tree.append(data)]
            self.db.executemany("INSERT INTO ledger_nodes (level, idx, hash) VALUES (?, ?, ?)", nodes)
            if sign_from is not None and tree.size in sizes and tree.size >= sign_from:
                self._sign(bodies[0]["log"], tree, public or self.ruling(), at=micros(body["at"]))
        if sign_from is not None:
            self.db.execute("DELETE FROM ledger_checkpoints WHERE size > ?", (len(bodies),))
            self.db.execute("DELETE FROM ledger_cosignatures WHERE size >= ?", (sign_from,))

    def _sign(self, log: str, tree: Tree, public: bytes, *, at: int) -> None:
        body = checkpoint_body(log, tree.size, tree.root())
        note = write_note(body, [signature_line(log, public, self.keys.sign(public, body))])
        self.db.execute("UPDATE ledger_checkpoints SET at = ?, note = ? WHERE size = ?", (at, note, tree.size))

    def ruling(self) -> bytes:
        """Return the key that rules, which the thief has."""
        names = {key_text(public): public for public in self.keys.list_names().values()}
        [text] = [body["to"] for body in self.read() if body["act"] in {"begin", "rotate-key"}][-1:]
        return names[text]

    def follow(self, bodies: Sequence[Body]) -> None:
        """Make the rows that stand on entries say what these say now."""
        for seq, body in enumerate(bodies):
            at, actor = micros(body["at"]), body["actor"]["id"]
            self.db.execute("UPDATE model_versions SET created_at = ?, actor = ? WHERE ledger_seq = ?", (at, actor, seq))
            reason = body["reason"] or f"in ledger entry {seq}"
            row = (at, actor, reason, seq)
            self.db.execute("UPDATE placements SET since_at = ?, actor = ?, reason = ? WHERE ledger_seq = ?", row)

    def cut_rows(self, size: int) -> None:
        """Take away all rows that stand on entries from `size` on, and let the placements before them be current again."""
        for table, column in _STANDING.items():
            self.db.execute(f"DELETE FROM {table} WHERE {column} >= ?", (size,))
        newest = "SELECT max(placement_no) FROM placements GROUP BY slot, model, version"
        self.db.execute("UPDATE placements SET is_current = 0")
        self.db.execute(f"UPDATE placements SET is_current = 1 WHERE placement_no IN ({newest})")


def encode(body: Body) -> bytes:
    """Return the bytes of a changed entry, in the one form that entries have."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def micros(at: str) -> int:
    """Return a time of an entry as the database has it."""
    return (parse_time(at) - _EPOCH) // timedelta(microseconds=1)


@contextmanager
def without_triggers(path: str) -> Iterator[sqlite3.Connection]:
    """Open a database file, take its triggers away, and put them back after: what is left looks untouched."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        rules = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        db.execute("BEGIN")
        for name, _ in rules:
            db.execute(f'DROP TRIGGER "{name}"')
        yield db
        for _, sql in rules:
            db.execute(sql)
        db.execute("COMMIT")
    finally:
        db.close()


def edit_reason(scene: Scene) -> None:
    """Another reason for an act, with all hashes computed again."""
    bodies = scene.read()
    bodies[scene.first + 2]["reason"] = "a better one"
    scene.write(bodies)
    scene.follow(bodies)


def edit_actor(scene: Scene) -> None:
    """Somebody else did it."""
    bodies = scene.read()
    bodies[scene.first + 2]["actor"]["id"] = "somebody-else"
    scene.write(bodies)
    scene.follow(bodies)


def _renumber(bodies: Iterable[Body]) -> list[Body]:
    return [{**body, "seq": seq} for seq, body in enumerate(bodies)]


def delete_inside(scene: Scene) -> None:
    """An entry is taken out, and those behind it move up."""
    gone = scene.first + 3
    for table, column in _STANDING.items():
        scene.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (gone,))
        scene.db.execute(f"UPDATE {table} SET {column} = {column} - 1 WHERE {column} > ?", (gone,))
    scene.write(_renumber(body for body in scene.read() if body["seq"] != gone))


def reorder(scene: Scene) -> None:
    """Two neighbours change places, each with the other's number and time."""
    bodies = scene.read()
    one, other = scene.first + 4, scene.first + 5
    bodies[one]["at"], bodies[other]["at"] = bodies[other]["at"], bodies[one]["at"]
    bodies[one], bodies[other] = bodies[other], bodies[one]
    scene.write(_renumber(bodies))


def cut_tail(scene: Scene) -> None:
    """The newest entries go, and what stands on them; the checkpoints over them are forgotten."""
    scene.cut_rows(scene.cut)
    scene.write(scene.read()[: scene.cut])


def cut_tail_and_checkpoints(scene: Scene) -> None:
    """The newest entries go, what stands on them, and every checkpoint over them."""
    _cut_clean(scene, scene.cut)


def cut_unseen(scene: Scene) -> None:
    """The same, but only behind the checkpoint that somebody remembers."""
    _cut_clean(scene, scene.pin)


def _cut_clean(scene: Scene, size: int) -> None:
    cut_bodies = scene.read()
    scene.cut_rows(size)
    for table in ("ledger_cosignatures", "ledger_checkpoints"):
        scene.db.execute(f"DELETE FROM {table} WHERE size > ?", (size,))
    gone = {name for body in cut_bodies[size:] for name in body["payloads"].values()}
    scene.db.executemany("DELETE FROM ledger_payloads WHERE commitment = ?", [(name,) for name in gone])
    scene.write(cut_bodies[:size])


def wipe(scene: Scene) -> None:
    """The ledger is emptied, checkpoints and all; the registry is left."""
    for table in ("ledger_cosignatures", "ledger_checkpoints", "ledger_nodes", "ledger_payloads", "ledger_entries"):
        scene.db.execute(f"DELETE FROM {table}")


def rewrite_without_key(scene: Scene) -> None:
    """Everything is written again and signed with a key of the attacker's, which the first entry names."""
    public = scene.keys.find("ledger-attacker") or scene.keys.make("ledger-attacker")
    bodies = [body for body in scene.read() if body["act"] != "rotate-key"]
    bodies = _renumber(bodies)
    bodies[0]["to"] = key_text(public)
    bodies[-1]["reason"] = "rewritten"
    scene.write(bodies, sign_from=0, public=public)
    scene.follow(bodies)


def append_backdated(scene: Scene) -> None:
    """An approval in another's name, of yesterday, behind the last checkpoint."""
    bodies = scene.read()
    at = format_time(parse_time(bodies[-1]["at"]) - timedelta(days=1))
    approval = {**bodies[-1], "act": "approve", "actor": {"auth": "os", "id": "vera", "kind": "person"}, "at": at, "seq": len(bodies)}
    approval |= {"object": {"digest": None, "id": "attack@1", "kind": "sign-off"}, "from": "", "to": "", "reason": "approved"}
    scene.write([*bodies, approval])


def backdate_all(scene: Scene) -> None:
    """With the key: all that was scripted is dated back, to the entry before it or by a day, and every checkpoint is signed again."""
    bodies = scene.read()
    for body in bodies[scene.first :]:
        earlier = parse_time(body["at"]) - timedelta(days=1)
        body["at"] = bodies[scene.first - 1]["at"] if scene.first else format_time(earlier)
    scene.write(bodies, sign_from=scene.first + 1)
    scene.follow(bodies)


def fork(scene: Scene) -> None:
    """With the key: from the old backup on another story is told, and signed."""
    _retell(scene, scene.cut)


def rewrite_unseen(scene: Scene) -> None:
    """With the key: only what nobody elsewhere has seen is told anew, and signed."""
    _retell(scene, scene.pin)


def _retell(scene: Scene, size: int) -> None:
    bodies = scene.read()
    for body in bodies[size:]:
        body["reason"] = "another story"
    scene.write(bodies, sign_from=size + 1)
    scene.follow(bodies)


def move_tenant(scene: Scene) -> None:
    """Entries are moved to another tenant."""
    bodies = scene.read()
    for body in bodies[scene.first + 2 : scene.first + 5]:
        body["tenant"] = "another"
    scene.write(bodies)


def take_off_the_air(scene: Scene) -> None:
    """Not the ledger is touched, but the registry: what is live is so no more."""
    scene.db.execute("UPDATE placements SET is_current = 0 WHERE ledger_seq >= ? AND status = 'Production'", (scene.first,))


def invent_placement(scene: Scene) -> None:
    """A version is put on the air by a row alone, which borrows another placement's entry."""
    columns = "slot, model, version, status, since_at, actor, reason, is_current, ledger_seq"
    values = "'attack/borrowed', model, version, status, since_at, actor, reason, is_current, ledger_seq"
    of = "ledger_seq = (SELECT max(ledger_seq) FROM placements WHERE status = 'Production')"
    scene.db.execute(f"INSERT INTO placements ({columns}) SELECT {values} FROM placements WHERE {of}")


def change_document(scene: Scene) -> None:
    """A governed document says something else, under a digest of its own."""
    row = scene.db.execute("SELECT kind, record_id, seq, body FROM records WHERE seq >= ? ORDER BY seq", (scene.first + 1,)).fetchone()
    body = encode({**json.loads(row[3]), "changed": True})
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    scene.db.execute("UPDATE records SET body = ?, digest = ? WHERE kind = ? AND record_id = ? AND seq = ?", (body, digest, *row[:3]))


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the table.

    Attributes:
        alone: Whether it is to be caught without any memory.
        with_pin: Whether it is to be caught with one checkpoint that was kept elsewhere.
    """

    name: str
    do: Callable[[Scene], None]
    alone: bool
    with_pin: bool


ATTACKS = (
    Attack("edit an entry", edit_reason, alone=True, with_pin=True),
    Attack("edit who did it", edit_actor, alone=True, with_pin=True),
    Attack("delete an entry inside", delete_inside, alone=True, with_pin=True),
    Attack("reorder entries", reorder, alone=True, with_pin=True),
    Attack("cut the tail, checkpoints left", cut_tail, alone=True, with_pin=True),
    Attack("cut the tail and its checkpoints", cut_tail_and_checkpoints, alone=False, with_pin=True),
    Attack("cut only what nobody elsewhere saw", cut_unseen, alone=False, with_pin=False),
    Attack("wipe the ledger", wipe, alone=True, with_pin=True),
    Attack("rewrite all, with another key", rewrite_without_key, alone=True, with_pin=True),
    Attack("append a back-dated approval in another's name", append_backdated, alone=True, with_pin=True),
    Attack("back-date, key stolen", backdate_all, alone=False, with_pin=True),
    Attack("fork, key stolen", fork, alone=False, with_pin=True),
    Attack("rewrite only what nobody elsewhere saw, key stolen", rewrite_unseen, alone=False, with_pin=False),
    Attack("move entries to another tenant", move_tenant, alone=True, with_pin=True),
    Attack("take a version off the air behind the ledger", take_off_the_air, alone=True, with_pin=True),
    Attack("put a version on the air behind the ledger", invent_placement, alone=True, with_pin=True),
    Attack("change a governed document", change_document, alone=True, with_pin=True),
)
"""What is to be caught and what is not. "Restore an old backup" and the writers at once are done with whole files, in `ledger_attack`."""
