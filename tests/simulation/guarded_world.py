"""The world around the guarded path, for simulating it: the real store in memory, a clock that is set by hand, models that are one number.

The store is made once and put back to its first day for every history. Power can be cut at any statement of any transaction, and
between the last one and the commit; another actor can come in while a bundle is being read.
"""

import copy
import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from blake3 import blake3

from bundles import EXAMPLE, SIGNATURE
from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.errors import Corrupt
from incumbent.registry.bundle import make_bundle_card
from incumbent.storage.blobs_memory import MemoryBlobs
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import CodeVersion, Run, RunArtifact
from incumbent.usecases.holdouts import register_holdout
from incumbent.usecases.people import add_person
from incumbent.usecases.person_keys import bind_key, new_key
from incumbent.usecases.workspace import Workspace
from ledgers import MemoryKeys

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
XS = [place / 10 for place in range(60)]
TABLES = {
    "holdout": {"x": XS, "who": ["ann"] * 60, "y_true": [2 * x for x in XS]},
    "training": {"x": [100.0 + x for x in XS], "who": ["bob"] * 60, "y_true": [200 + 2 * x for x in XS]},
}
PEOPLE = {
    "ada": ["admin"],
    "ann": ["developer", "approver"],
    "dev": ["developer"],
    "rita": ["validator"],
    "vera": ["validator", "approver"],
    "omar": ["approver"],
    "petra": ["approver", "validator"],
    "olga": ["operator"],
    "otto": ["operator", "developer", "admin"],
    "ben": ["auditor"],
}
GROUPS = {"rita": "risk", "vera": "risk", "omar": "credit", "petra": "audit"}
_GOVERNED = (
    "models", "model_versions", "placements", "records", "ledger_entries", "ledger_nodes", "ledger_checkpoints", "ledger_payloads",
)  # fmt: skip


class PowerCut(BaseException):
    """The process is gone: no handler of the product may catch this."""


class Fuse:
    """A driver's cursor that loses power at a statement."""

    def __init__(self, cursor, world):
        self._cursor, self._world = cursor, world

    def __getattr__(self, name):
        return getattr(self._cursor, name)

    def execute(self, *arguments):
        self._world.burn()
        return self._cursor.execute(*arguments)

    def executemany(self, *arguments):
        self._world.burn()
        return self._cursor.executemany(*arguments)


class Wired:
    """The store's database with fuses in it; it notes what is there after each commit."""

    dialect = "sqlite"

    def __init__(self, database):
        self.plain = database
        self.world = None

    def __getattr__(self, name):
        return getattr(self.plain, name)

    @contextmanager
    def begin(self, *, durable, read_only):
        with self.plain.begin(durable=durable, read_only=read_only) as session:
            session.cursor = Fuse(session.cursor, self.world)
            yield session
            self.world.burn()
        if not read_only and self.world.fuse is not None:
            self.world.committed = self.world.photograph()


@dataclass
class World:
    """What is outside of the product, and can go wrong.

    Attributes:
        factors: Digest of a bundle -> what its model multiplies by.
        commits: Commit -> addresses of its authors.
        damaged: Digests of bundles whose bytes are not what they were.
        fuse: How many more statements are done before power is lost; None for as many as are asked.
        meanwhile: What somebody else does as soon as a bundle is being read.
        committed: The photograph after the newest commit.
        developed: (how many rows had been written, the photograph) of the last one.
    """

    database: Wired
    time: datetime = FIRST_DAY
    factors: dict = field(default_factory=dict)
    commits: dict = field(default_factory=dict)
    damaged: set = field(default_factory=set)
    fuse: int | None = None
    meanwhile: object = None
    committed: object = None
    developed: tuple = (None, None)

    def burn(self):
        if self.fuse is not None:
            if self.fuse == 0:
                raise PowerCut
            self.fuse -= 1

    def rows(self, sql, *values):
        """Ask the database itself, past the product."""
        with self.database.plain.begin(durable=False, read_only=True) as session:
            return session.all(sql, values)

    def photograph(self):
        """Return every governed row. The database counts what it wrote, undone or not: where it wrote nothing, the last one still holds."""
        [(written,)] = self.rows("SELECT total_changes()")
        if written != self.developed[0]:
            self.developed = written, [self.rows(f"SELECT * FROM {table}") for table in _GOVERNED]
        return self.developed[1]


@dataclass
class Codecs:
    world: World

    def decode(self, artifact, _kind, _blobs, folder):
        happening, self.world.meanwhile = self.world.meanwhile, None
        if happening is not None:
            happening()
        if artifact.digest in self.world.damaged:
            raise Corrupt(f"{artifact.digest} is not what was stored")
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        (unpacked / "bundle.json").write_bytes(make_bundle_card("model.serve:load", SIGNATURE, EXAMPLE, {}).to_bytes())
        (unpacked / "factor.txt").write_text(str(self.world.factors[artifact.digest]))
        return unpacked


class Tables:
    def read_columns(self, artifact):
        return TABLES[artifact.name.partition("-")[0]]


@dataclass
class Host:
    """The `ModelHost`: y = factor * x."""

    world: World

    def answer(self, bundle, columns):
        y = [self.world.factors[bundle.digest] * x for x in columns["x"]]
        return {"y": y, "is_big": [value > 10 for value in y]}


@dataclass
class Git:
    world: World

    def list_authors(self, commit, since=""):
        return [(commit, address) for address in self.world.commits[commit]]


@dataclass
class Clock:
    world: World

    def now(self):
        return self.world.time


@dataclass
class Counting:
    numbers: itertools.count

    def new(self, prefix):
        return f"{prefix}-{next(self.numbers):020d}"

    def salt(self):
        return next(self.numbers).to_bytes(32, "big")


def digest(text):
    return Digest("blake3:" + blake3(text.encode()).hexdigest())


def add_run(ws, world, name, *, factor, actor, addresses):
    """Seal a run that gave a model, beside the rows that it was trained and is judged on."""
    model = Artifact("tree", digest(f"bundle {name} {factor}"), 10, "model")
    world.factors[model.digest] = factor
    world.commits[name] = list(addresses)
    run = Run(name, "sim", name, "sim", None, "running", FIRST_DAY, None, 1, CodeVersion(name), {"actor": actor})
    outputs = {"model": model} | {table: Artifact("arrow", digest(table), 60, f"{table}-{name}") for table in TABLES}
    with ws.store.begin() as tx:
        tx.runs.create(run)
        tx.runs.record_artifacts([RunArtifact(name, "output", key, artifact, "x") for key, artifact in outputs.items()])
        tx.runs.update(replace(run, state="finished", ended_at=FIRST_DAY, manifest=digest(f"manifest {name}")))
    return name


@lru_cache(maxsize=1)
def _first_day(folder):
    """Make the store once, with people, their keys and a holdout; return it with the bytes that every history begins with."""
    keys = MemoryKeys()
    store = open_sql_store("sqlite://", algorithm="blake3", keys=keys)
    database = store._database = Wired(store._database)
    world = database.world = World(database)
    ws = _workspace(folder, store, world, keys, itertools.count())
    for name, roles in PEOPLE.items():
        admin = replace(ws, actor="ada")
        add_person(admin, person=name, name=name.title(), roles=roles, aliases=[f"{name}@example.com"], group=GROUPS.get(name, ""))
        if new_key(replace(ws, actor=name), person=name).bound is None:
            bind_key(admin, key=name)
    add_person(admin, person="bot", name="Bot", roles=["service", "developer"], kind="service", owner="omar")
    run = add_run(ws, world, "run-first", factor=2.0, actor="dev", addresses=[])
    register_holdout(replace(ws, actor="rita"), name="frozen", run=run, artifact="holdout")
    [link] = database.plain._idle
    return store, keys, link.raw.serialize(), world.time


def open_world(folder):
    """Return a world on its first day, and the workspace in it."""
    store, keys, data, time = _first_day(folder)
    [link] = store._database.plain._idle
    link.raw.deserialize(data)
    world = World(store._database, time + timedelta(seconds=1))
    store._database.world = world
    own = copy.copy(keys)
    own._private = dict(keys._private)
    store._keys = own
    return world, _workspace(folder, store, world, own, itertools.count(1_000))


def close_world(folder):
    """Give up the store of all histories in a folder."""
    _first_day(folder)[0].close()
    _first_day.cache_clear()


def _workspace(folder, store, world, keys, numbers):
    return Workspace(
        root=folder, folder=folder, store=store, blobs=MemoryBlobs("blake3"), codecs=Codecs(world), code=Git(world), environment=None,
        sources=None, spools=None, clock=Clock(world), ids=Counting(numbers), keys=keys, secrets=None, tables=Tables(),
        processes=None, open_runner=None, beside=Path, open_predictions=None, actor="ann",
    )  # fmt: skip
