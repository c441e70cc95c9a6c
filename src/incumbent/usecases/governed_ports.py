"""Ports of what is governed: the ledger, its checkpoints, texts that can be erased, documents that stand on entries, private keys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Document
from incumbent.governance.person import Key
from incumbent.governance.subject import subject_of
from incumbent.ledger.entry import Draft, Entry
from incumbent.registry.signature import Scalar
from incumbent.registry.table_schema import SchemaBreach, TableSchema


@dataclass(frozen=True, slots=True)
class Record:
    """A governed document, as one entry made it. The newest of a kind and id is what holds.

    Attributes:
        kind: "person", "policy", "evidence", "sign-off", …
        seq: Number of the entry whose object it is; the entry names the digest of these bytes.
        digest: Of the bytes of `body`.
    """

    kind: str
    record_id: str
    seq: int
    digest: str
    body: Document

    @property
    def subject(self) -> str:
        """Return what it is about, by which it is found: "flights-late@2", a slot, a person. Raises InvalidInput for an unknown kind."""
        return subject_of(self.kind, self.record_id, self.body)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head.

    Attributes:
        note: The signed note, without cosignatures.
        cosignatures: Lines that witnesses added.
    """

    size: int
    note: str
    at: datetime
    cosignatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """A text that entries name by its commitment alone; None once it was erased."""

    commitment: str
    salt: bytes | None
    text: bytes | None


class Ledger(Protocol):
    """The log. What is appended in a transaction is checkpointed, signed and on disk when the transaction ends, or not there at all."""

    def lock(self) -> None:
        """Become the only writer until the transaction ends: what is read from here on is still so when it is appended to."""

    def append(self, draft: Draft, at: datetime, *, may_lag: Callable[[Entry], bool] = ...) -> Entry:
        """Append an entry. Raises Refused when `at` is before the last entry: a clock that runs backwards records nothing.

        `may_lag` is asked then, with the last entry: if it says so, the new one takes its time, and names `at` as its own clock's.
        """

    def size(self) -> int:
        """Return how many entries there are."""

    def get(self, seq: int) -> Entry:
        """Return one entry. Raises NotFound."""

    def read(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the exact bytes of entries from `first` up to, not including, `end`."""

    def find(
        self, *, object_name: str | None = None, act: str | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Entry]:
        """Return entries about an object ("version m@1") or of an act, with numbers below `before`, newest first."""

    def get_node(self, level: int, index: int) -> bytes:
        """Return a complete node's hash. Raises Corrupt when it is not there."""


class LedgerRows(Protocol):
    """The ledger as it is stored, page by page, for whoever reads all of it. Nothing is parsed, and nothing has been judged."""

    def read_entries(self) -> Iterator[Sequence[tuple[int, str, str, int, bytes]]]:
        """Yield pages of (seq, act, object, exact bytes), in the order of seq."""

    def read_nodes(self, before: int, after: int) -> Mapping[int, Sequence[tuple[int, bytes]]]:
        """Return level -> (index, hash) of the stored nodes that growing from `before` to `after` leaves completes."""

    def count_nodes(self) -> int:
        """Return how many nodes are stored."""

    def read_checkpoints(self) -> Iterator[Sequence[tuple[int, int, str, bool]]]:
        """Yield pages of (size, note without cosignatures, whether it has any), in the order of size."""


class Checkpoints(Protocol):
    """Signed tree heads, and what witnesses said of them."""

    def find(self, size: int | None = None) -> Checkpoint | None:
        """Return the checkpoint of a size, or the newest."""

    def list_all(self) -> Sequence[Checkpoint]:
        """Return all, oldest first."""

    def cosign(self, size: int, line: str) -> None:
        """Keep a witness's cosignature; the same line again is no error."""


class Payloads(Protocol):
    """Texts behind commitments."""

    def keep(self, text: bytes, salt: bytes) -> str:
        """Keep a text and return its commitment."""

    def find(self, commitment: str) -> Payload:
        """Return a text, or what is left of it."""

    def erase(self, commitment: str) -> None:
        """Erase text and salt for ever; only in a transaction that records so."""

    def list_all(self) -> Sequence[Payload]:
        """Return all that are not erased."""


class Records(Protocol):
    """Governed documents. None is changed or removed: a newer one of the same kind and id takes its place."""

    def put(self, record: Record) -> None:
        """Append a document under the entry that names its digest."""

    def find(self, kind: str, record_id: str) -> Record | None:
        """Return the newest of a kind and id. Raises Corrupt if its bytes are not what its digest says."""

    def list_all(self, kind: str, *, subject: str | None = None) -> Sequence[Record]:
        """Return the newest of each id of a kind (about a subject), oldest first."""

    def list_history(self, kind: str | None = None, record_id: str | None = None) -> Sequence[Record]:
        """Return every document of an id, of a kind, or of all, oldest first."""

    def read_all(self) -> tuple[list[Record], list[tuple[str, str]]]:
        """Return every document that is whole, oldest first, and (kind and id, what is wrong) of each that is not."""


class Keys(Protocol):
    """Private keys that this machine holds; only signatures leave. Ed25519 throughout."""

    def make(self, name: str) -> bytes:
        """Make a key pair under a name and return the public key. Raises Conflict if the name is taken."""

    def find(self, name: str) -> bytes | None:
        """Return the public key under a name."""

    def list_names(self) -> Mapping[str, bytes]:
        """Return name -> public key of all."""

    def sign(self, public: bytes, data: bytes) -> bytes:
        """Sign with the private half. Raises NotFound if it is not on this machine."""


class Secrets(Protocol):
    """Sealing what has to be known again in plain text, so that whoever reads the store does not read it."""

    def seal(self, secret: str, about: str) -> str:
        """Return a text from which this machine alone gets the secret again, and for the same purpose alone."""

    def unseal(self, text: str, about: str) -> str:
        """Return the secret. Raises Corrupt if it was not sealed for this purpose, Refused if the key is not on this machine."""


class Signer(Protocol):
    """How a human act comes by its signature where the person's key is not on this machine."""

    def new_id(self, kind: str) -> str:
        """Return the id of the thing that the act makes, as its statement has it."""

    def signed_at(self) -> datetime:
        """Return the time that the statement has."""

    def salt(self) -> bytes:
        """Return the salt behind which the signer's own words are kept where they are long. Raises InvalidInput."""

    def choose(self, keys: Sequence[Key]) -> Key:
        """Return the one of a person's good keys that signs. Raises Refused."""

    def sign(self, payload: bytes, key: Key, /) -> Document:
        """Return the DSSE envelope of a statement, signed with that key. Raises Refused."""


class Tables(Protocol):
    """Reading stored tables as plain columns, and holding columns to schemas. The latter raise Unavailable without pandera."""

    def read_columns(self, artifact: Artifact) -> Mapping[str, list[Scalar]]:
        """Return a stored frame column by column, in plain values. Raises InvalidInput when it is no table, Corrupt, NotFound."""

    def infer_schema(self, columns: Mapping[str, Sequence[Scalar]]) -> TableSchema:
        """Return the schema that rows imply. Raises InvalidInput when there are none, or a column mixes kinds of values."""

    def check_schema(self, schema: TableSchema, columns: Mapping[str, Sequence[Scalar]]) -> Sequence[SchemaBreach]:
        """Return what rows break of a schema, one a column and rule."""

    def parse_schema(self, text: str) -> TableSchema:
        """Return the schema that YAML or JSON spells; nothing in it is executed. Raises InvalidInput."""

    def write_schema(self, schema: TableSchema, form: str) -> str:
        """Return a schema as "yaml" or "json", as pandera reads it."""
