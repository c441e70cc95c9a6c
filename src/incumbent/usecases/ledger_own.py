"""The verb `ledger own`: SQL that gives the ledger on PostgreSQL to a role that nobody logs in as.

The owner of a table may drop its triggers, and a program that owns its tables can be made to. After this the role that Incumbent
connects as may read and append, and nothing else: not update, delete, truncate, alter, drop, or switch a trigger off. It is run
once by an administrator, and again after an upgrade that changed the schema; while it holds, only the administrator can migrate.
"""

# ruff: noqa: S608 (statements are put together from constants of this file, and from names that were checked)

import re

from incumbent.base.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}", re.ASCII)
RIGHTS = {
    "ledger_entries": "SELECT, INSERT",
    "ledger_nodes": "SELECT, INSERT",
    "ledger_checkpoints": "SELECT, INSERT",
    "ledger_cosignatures": "SELECT, INSERT",
    "ledger_payloads": "SELECT, INSERT, DELETE",
    "records": "SELECT, INSERT",
    "model_versions": "SELECT, INSERT",
    "placements": "SELECT, INSERT, UPDATE (is_current)",
}
"""Table -> what the program may do. Texts are erased (a trigger asks for an entry), and a placement stops being current."""


def ownership_sql(*, owner: str, app: str, schema: str = "public") -> str:
    """Return the statements, to be run by an administrator: `incumbent ledger own … | psql`.

    Args:
        owner: Who owns the ledger from now on; made, without a login, if there is none.
        app: The role that Incumbent connects as.
        schema: Where the tables are.

    Raises:
        InvalidInput: A name is none that PostgreSQL could have from us, or owner and program are one.
    """
    for name in (owner, app, schema):
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(f"{name[:80]!r} cannot name a role or schema here: letters, digits, _, $ and -, at most 63")
    if owner == app:
        raise InvalidInput(
            f"the owner and the program cannot both be {owner!r}: the owner may do everything, which is what this takes away"
        )
    tables = "\n".join(_table(table, rights, owner, app, schema) for table, rights in RIGHTS.items())
    return f"""\
BEGIN;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') THEN CREATE ROLE "{owner}" NOLOGIN; END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}' AND (rolcanlogin OR rolsuper)) THEN
    RAISE EXCEPTION '{owner} can log in or is a superuser: name a role that nobody is';
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{app}' AND (rolsuper OR rolcreaterole)) THEN
    RAISE EXCEPTION '{app} is a superuser or makes roles: it could take everything back';
  END IF;
  IF pg_has_role('{app}', '{owner}', 'MEMBER') THEN
    RAISE EXCEPTION '{app} is a member of {owner}: it could become the owner';
  END IF;
  IF EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND datdba = '{app}'::regrole) THEN
    EXECUTE format('ALTER DATABASE %I OWNER TO "{owner}"', current_database());
  END IF;
END $$;
-- The owner of a schema may drop what is in it.
ALTER SCHEMA "{schema}" OWNER TO "{owner}";
REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC, "{app}";
GRANT USAGE ON SCHEMA "{schema}" TO "{app}";
{tables}
-- Whoever owns a trigger's function may write another body for it.
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT DISTINCT p.oid::regprocedure AS function FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_proc p ON p.oid = t.tgfoid
      WHERE NOT t.tgisinternal AND p.pronamespace = '"{schema}"'::regnamespace AND c.relname IN ({_list(RIGHTS)}) LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO "{owner}"', found.function);
  END LOOP;
END $$;
COMMIT;
"""


def _table(table: str, rights: str, owner: str, app: str, schema: str) -> str:
    name = f'"{schema}"."{table}"'
    return f'ALTER TABLE {name} OWNER TO "{owner}"; REVOKE ALL ON {name} FROM PUBLIC, "{app}"; GRANT {rights} ON {name} TO "{app}";' + (
        f""" GRANT USAGE ON SEQUENCE "{schema}"."placements_placement_no_seq" TO "{app}";""" if table == "placements" else ""
    )


def _list(names: dict[str, str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
