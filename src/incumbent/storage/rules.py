"""What the database itself holds to: its triggers, indexes and constraints, compared in full with what the migrations make.

A name proves nothing: whoever may drop a trigger may make another one of its name that does nothing. So the texts are compared, as each
database gives them back. For SQLite they are those of a new database; for PostgreSQL those in `migrations/postgres_rules.json`, which
`scripts/postgres_rules.py` writes from a database that was migrated.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from incumbent.storage.new_sqlite import create_sqlite

POSTGRES_FILE = Path(__file__).parent / "migrations" / "postgres_rules.json"

SQLITE_RULES = "SELECT type || ' ' || name, trim(sql, char(10) || ' ') FROM sqlite_master WHERE sql IS NOT NULL"
"""A table's text has its constraints. What SQLite makes for them by itself has no text."""

POSTGRES_RULES = """
SELECT 'trigger ' || tgname, pg_get_triggerdef(t.oid, true) || CASE WHEN tgenabled IN ('O', 'A') THEN '' ELSE ', switched off' END
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
  WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'function ' || proname, concat_ws(' ', lanname, 'SECURITY DEFINER' || nullif(prosecdef, false)::text, proconfig::text, prosrc)
  FROM pg_proc p JOIN pg_language l ON l.oid = prolang
  WHERE prorettype = 'trigger'::regtype AND pronamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index ' || relname, pg_get_indexdef(indexrelid, 0, true) || CASE WHEN indisvalid THEN '' ELSE ', not valid' END
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = current_schema()::regnamespace
UNION ALL
SELECT 'constraint ' || conname, 'on ' || conrelid::regclass::text || ' ' || pg_get_constraintdef(c.oid, true) ||
    CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled NOT IN ('O', 'A')) THEN ', switched off' ELSE '' END
  FROM pg_constraint c WHERE contype IN ('c', 'f', 'p', 'u') AND connamespace = current_schema()::regnamespace
"""
"""Functions by their bodies, which come back as they were given; the rest as the server writes them out anew."""

_END = "the database no longer holds to what Incumbent relies on"


def sqlite_rules() -> Mapping[str, str]:
    """Return what a new SQLite database holds to, by kind and name."""
    new = sqlite3.connect(":memory:", isolation_level=None)
    try:
        create_sqlite(new, "blake3")
        return dict(new.execute(SQLITE_RULES).fetchall())
    finally:
        new.close()


def postgres_rules() -> Mapping[str, str]:
    """Return what a new PostgreSQL database holds to, by kind and name."""
    rules: dict[str, str] = json.loads(POSTGRES_FILE.read_text("utf-8"))
    return rules


def tell_differences(wanted: Mapping[str, str], found: Iterable[tuple[object, ...]]) -> list[str]:
    """Return in words which of our rules a database does not hold to; what it has besides is its operator's affair."""
    texts: dict[str, set[str]] = {}
    for name, text in found:
        texts.setdefault(str(name), set()).add(str(text))
    return [
        f"{name} is {'not what this release makes' if name in texts else 'missing'}: {_END}"
        for name, text in wanted.items()
        if text not in texts.get(name, ())
    ]
