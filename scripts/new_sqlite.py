#!/usr/bin/env python3
"""Write src/incumbent/storage/migrations/new_sqlite.sql anew from the migrations: run this after adding one."""

import sqlite3

from incumbent.storage.migrate import migrate_sqlite
from incumbent.storage.new_sqlite import SCRIPT, dump_schema

if __name__ == "__main__":
    raw = sqlite3.connect(":memory:", isolation_level=None)
    migrate_sqlite(raw, "blake3")
    SCRIPT.write_text(dump_schema(raw), "utf-8")
