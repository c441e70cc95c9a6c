"""Which schema this release reads and writes, and what it says to a database of another one."""

from collections.abc import Mapping

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Corrupt, InvalidInput

REVISIONS = ("0001", "0002", "0003", "0005", "0006", "0007", "0008", "0009", "0010")
"""Every schema revision, oldest first; each is a file in migrations/versions/."""

HEAD = REVISIONS[-1]
FORMAT = "1"
"""Format of the workspace as a whole: what the cells and blobs mean. Raised only when an old release would misread a new one."""

SEALED_TABLES = ("params", "tags", "stage_runs", "stage_artifacts", "run_artifacts", "metric_writers", "metric_series", "metric_points")
"""Tables whose rows belong to a run and stand still once it is sealed."""

APPEND_ONLY_TABLES = ("run_notes", "model_versions", "predictions")
"""Tables whose rows are never changed or removed."""

LEDGER_TABLES = ("ledger_entries", "ledger_nodes", "ledger_checkpoints", "ledger_cosignatures", "records")
"""The ledger's own tables, and the documents that stand on its entries: never changed or removed."""

TRIGGERS = frozenset(
    [f"{table}_{verb}" for table in SEALED_TABLES for verb in ("sealed_insert", "sealed_update", "sealed_delete")]
    + [f"{table}_{verb}" for table in APPEND_ONLY_TABLES for verb in ("kept_update", "kept_delete")]
    + ["runs_sealed_update", "runs_sealed_delete", "placements_kept_update", "placements_kept_delete"]
    + [f"{table}_kept_{verb}" for table in LEDGER_TABLES for verb in ("update", "delete")]
    + ["ledger_payloads_kept_update", "ledger_payloads_erased_with_an_entry", "ledger_entries_in_order", "ledger_checkpoints_in_order"]
    + [f"{table}_on_an_entry" for table in ("records", "placements", "model_versions")]
    + ["placements_moved_with_an_entry"]
)
"""Names of the triggers that hold these rules inside the database, on both dialects."""

TRUNCATE_TRIGGERS = frozenset(
    f"{table}_kept_truncate" for table in (*LEDGER_TABLES, "ledger_payloads", "placements", "model_versions", "run_notes", "predictions")
)
"""On PostgreSQL alone, for SQLite has no TRUNCATE."""


def judge_settings(settings: Mapping[str, str], algorithm: Algorithm, where: str) -> None:
    """Raise unless a database with these settings ({}: a new one) is ours to open, perhaps after a migration.

    Raises:
        InvalidInput: Newer than this release, made with another digest algorithm, or another program's.
        Corrupt: Its version is unreadable.
    """
    if not settings:
        return
    if "foreign" in settings:
        raise InvalidInput(f"{where} is a database of another program (it has the tables {settings['foreign']}); it was not touched")
    revision, form = settings.get("revision", ""), settings.get("format", "")
    if not revision.isdecimal() or not form.isdecimal():
        raise Corrupt(f"{where}: its version is unreadable (revision {revision!r}, format {form!r}); it was not touched")
    if int(revision) > int(HEAD) or int(form) > int(FORMAT):
        raise InvalidInput(
            f"{where} was written by a newer version of Incumbent (schema {revision}, format {form}; this one knows {HEAD} and {FORMAT}); "
            "upgrade Incumbent to open it. It was not touched"
        )
    if settings.get("algorithm") != algorithm:
        raise InvalidInput(
            f"{where} was made with digest algorithm {settings.get('algorithm')!r}, not {algorithm!r}; "
            f'a workspace keeps the one it began with: set [tool.incumbent] digest = "{settings.get("algorithm")}"'
        )


def missing_triggers(present: set[str], wanted: frozenset[str] = TRIGGERS) -> list[str]:
    """Return in words which of our rules are not in the database."""
    return [f"trigger {name} is missing: the database no longer refuses what it forbids" for name in sorted(wanted - present)]
