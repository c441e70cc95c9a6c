"""The metadata store over an SQL database: one transaction at a time, with every table in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from incumbent.base.digest import ALGORITHMS, Algorithm
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.storage.session import Database, Session
from incumbent.storage.sql_accounts import SqlAccounts, SqlAttempts, SqlSessions, SqlTokens
from incumbent.storage.sql_actions import SqlActions, SqlDocuments, find_unsound
from incumbent.storage.sql_ledger import SqlCheckpoints, SqlLedger, SqlLedgerRows, SqlPayloads
from incumbent.storage.sql_lineage import SqlLineage
from incumbent.storage.sql_logged_models import SqlLoggedModels, SqlModelWords, SqlRunLinks
from incumbent.storage.sql_metrics import SqlMetrics
from incumbent.storage.sql_open_artifacts import SqlOpenArtifacts
from incumbent.storage.sql_records import SqlRecords
from incumbent.storage.sql_registry import SqlPredictions, SqlRegistry, SqlRegistryPages
from incumbent.storage.sql_repeats import SqlRepeats
from incumbent.storage.sql_runs import SqlRuns
from incumbent.storage.sql_search import SqlRunIndex
from incumbent.storage.sql_tracked import SqlExperiments, SqlOpenRuns
from incumbent.storage.sql_webhooks import SqlWebhooks
from incumbent.storage.sqlite import SqliteDatabase
from incumbent.usecases.account_ports import Accounts, Attempts, Sessions, Tokens
from incumbent.usecases.governed_ports import Checkpoints, Keys, Ledger, LedgerRows, Payloads, Records
from incumbent.usecases.lineage_ports import Lineage
from incumbent.usecases.ports import Actions, Documents, Metrics, RunIndex, Runs, Store, Transaction
from incumbent.usecases.registry_ports import Predictions, Registry, RegistryPages
from incumbent.usecases.repeat_ports import Repeats
from incumbent.usecases.tracked_ports import Experiments, LoggedModels, ModelWords, OpenArtifacts, OpenRuns, RunLinks
from incumbent.usecases.webhook_ports import Webhooks


class _NoKeys:
    """The `Keys` of a store that is only read, or written without governance."""

    def make(self, name: str) -> bytes:
        raise Refused(f"no key {name!r} can be made here: this store was opened without keys")

    def find(self, _name: str) -> bytes | None:
        return None

    def list_names(self) -> Mapping[str, bytes]:
        return {}

    def sign(self, _public: bytes, _data: bytes) -> bytes:
        raise NotFound("this store was opened without keys, so nothing can be signed")


NO_KEYS: Keys = _NoKeys()


class SqlTransaction:
    """All tables inside one transaction."""

    def __init__(self, session: Session, algorithm: Algorithm, keys: Keys) -> None:
        documents = SqlDocuments(session, algorithm)
        self.documents: Documents = documents
        self.actions: Actions = SqlActions(session, documents)
        self.runs: Runs = SqlRuns(session)
        self.index: RunIndex = SqlRunIndex(session)
        self.metrics: Metrics = SqlMetrics(session)
        self.experiments: Experiments = SqlExperiments(session)
        self.open_runs: OpenRuns = SqlOpenRuns(session)
        self.run_links: RunLinks = SqlRunLinks(session)
        self.open_artifacts: OpenArtifacts = SqlOpenArtifacts(session)
        self.logged_models: LoggedModels = SqlLoggedModels(session)
        self.model_words: ModelWords = SqlModelWords(session)
        self.registry: Registry = SqlRegistry(session)
        self.registry_pages: RegistryPages = SqlRegistryPages(session)
        self.predictions: Predictions = SqlPredictions(session)
        self.log = SqlLedger(session, keys)
        self.ledger: Ledger = self.log
        self.ledger_rows: LedgerRows = SqlLedgerRows(session)
        self.checkpoints: Checkpoints = SqlCheckpoints(session)
        self.payloads: Payloads = SqlPayloads(session)
        self.records: Records = SqlRecords(session)
        self.accounts: Accounts = SqlAccounts(session)
        self.tokens: Tokens = SqlTokens(session)
        self.sessions: Sessions = SqlSessions(session)
        self.attempts: Attempts = SqlAttempts(session)
        self.webhooks: Webhooks = SqlWebhooks(session)
        self.lineage: Lineage = SqlLineage(session)
        self.repeats: Repeats = SqlRepeats(session)


class SqlStore:
    """The metadata store on an open database."""

    def __init__(self, database: Database, algorithm: Algorithm, keys: Keys = NO_KEYS) -> None:
        self._database = database
        self._algorithm = algorithm
        self._keys = keys

    @contextmanager
    def begin(self, *, durable: bool = True, read_only: bool = False) -> Iterator[Transaction]:
        """Open a transaction; it is committed when the block ends well, and undone otherwise.

        Args:
            durable: Wait until the commit is on the disk. Without it a power cut may take the newest commits, whole.
            read_only: Writing is refused, and no writer is kept waiting.
        """
        with self._database.begin(durable=durable, read_only=read_only) as session:
            transaction = SqlTransaction(session, self._algorithm, self._keys)
            yield transaction
            transaction.log.seal()

    def stamp(self) -> int | None:
        """Return what stays while nobody commits, None where that cannot be told at once."""
        return self._database.stamp()

    def identity(self) -> str:
        """Return a text that two stores have in common if they are one."""
        return self._database.identity()

    def check(self) -> Sequence[str]:
        """Return what the database itself finds wrong with its file or schema, in words; empty when sound."""
        found = list(self._database.check())
        if not found:
            with self._database.begin(durable=False, read_only=True) as session:
                found = find_unsound(session)
        return found

    def close(self) -> None:
        """Give up connections."""
        self._database.close()


def open_sql_store(url: str, *, algorithm: Algorithm, keys: Keys = NO_KEYS) -> Store:
    """Open (and make or migrate, if need be) the metadata store at an SQLite or PostgreSQL URL.

    Args:
        url: Its address.
        algorithm: The workspace's digest algorithm.
        keys: What signs the ledger's checkpoints; without, nothing governed can be written.

    Raises:
        InvalidInput: Another kind of URL; a database that a newer version wrote, or made with another digest algorithm.
        Corrupt: The database is damaged; it is left as it is.
        Unavailable: It cannot be reached or written.
    """
    if algorithm not in ALGORITHMS:
        raise InvalidInput(f"digest algorithm {algorithm!r}: expected one of {', '.join(ALGORITHMS)}")
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqlStore(SqliteDatabase(url, algorithm), algorithm, keys)
    if scheme in ("postgresql", "postgres"):
        from incumbent.storage.postgres import PostgresDatabase  # noqa: PLC0415  (psycopg is an extra, and slow to import)

        return SqlStore(PostgresDatabase(url, algorithm), algorithm, keys)
    raise InvalidInput(f"{scheme!r} is no kind of metadata store; write sqlite:///PATH or postgresql://HOST/DATABASE")
