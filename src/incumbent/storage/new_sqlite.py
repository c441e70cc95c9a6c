"""Making a new SQLite database at this release's schema at once, instead of migrating it there from the first revision.

`migrations/new_sqlite.sql` holds what the migrations leave behind; `scripts/new_sqlite.py` writes it, and a test holds the two together.
"""

import sqlite3
from pathlib import Path

from incumbent.base.digest import Algorithm
from incumbent.storage.versions import FORMAT

SCRIPT = Path(__file__).parent / "migrations" / "new_sqlite.sql"
BREAK = ";\n\n"
"""What stands between two statements; a trigger has semicolons inside."""


def create_sqlite(raw: sqlite3.Connection, algorithm: Algorithm) -> bool:
    """Make the schema in one transaction, and say whether it was made: a database that holds anything is left as it is."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        is_new = raw.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if is_new:
            for statement in filter(None, SCRIPT.read_text("utf-8").split(BREAK)):
                raw.execute(statement)
            raw.execute("INSERT INTO settings (name, value) VALUES ('algorithm', ?), ('format', ?)", (algorithm, FORMAT))
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    return is_new


def dump_schema(raw: sqlite3.Connection) -> str:
    """Return the statements that make a database with this one's schema and revision, and nothing else of it."""
    made = raw.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY rowid")
    statements = [str(sql) for (sql,) in made]
    revision = raw.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    statements.append(f"INSERT INTO alembic_version (version_num) VALUES ('{revision}')")
    return "".join(statement.strip().rstrip(";") + BREAK for statement in statements)
