"""Revision 0003's triggers: a governed row without a ledger entry of its own is refused by the database. Frozen with the revision.

Every transaction that appends entries ends with a checkpoint that covers them, and writers take turns. So an entry beyond the
newest checkpoint was made by the transaction that is asking now: such an entry, and one about this very row, is what a new
version, placement or record needs. Nobody can hang a row on somebody else's entry afterwards.
"""

_FINAL = "the ledger and what stands on it are never changed or removed"
_KEPT = ("ledger_entries", "ledger_nodes", "ledger_checkpoints", "ledger_cosignatures", "records")
_TRUNCATED = (*_KEPT, "ledger_payloads", "placements", "model_versions", "run_notes", "predictions")
_NO_ENTRY = "a governed row is refused without a ledger entry about it in the same transaction"
_NEWEST = "COALESCE((SELECT max(size) FROM ledger_checkpoints), 0)"
_HAS_NEW_ENTRY = f"COALESCE((SELECT max(seq) FROM ledger_entries), -1) >= {_NEWEST}"
_OBJECTS = {
    "records": ("seq", "NEW.kind || ' ' || NEW.record_id"),
    "placements": ("ledger_seq", "'placement ' || NEW.slot || ' ' || NEW.model || '@' || NEW.version"),
    "model_versions": ("ledger_seq", "'version ' || NEW.model || '@' || NEW.version"),
}
"""Table -> the column with the entry's number, and what the entry's object must be called."""


def _stands_on_nothing(column: str, name: str) -> str:
    return (
        f"COALESCE(NEW.{column}, -1) < {_NEWEST} OR NOT EXISTS (SELECT 1 FROM ledger_entries WHERE seq = NEW.{column} AND object = {name})"
    )


_RULES = (
    *[(f"{table}_kept_{event.lower()}", event, table, "", _FINAL) for table in _KEPT for event in ("UPDATE", "DELETE")],
    ("ledger_payloads_kept_update", "UPDATE", "ledger_payloads", "", _FINAL),
    (
        "ledger_payloads_erased_with_an_entry", "DELETE", "ledger_payloads", f"NOT ({_HAS_NEW_ENTRY})",
        "a text is erased only in a transaction that records so",
    ),
    (
        "ledger_entries_in_order", "INSERT", "ledger_entries", "NEW.seq <> COALESCE((SELECT max(seq) FROM ledger_entries), -1) + 1",
        "the next entry of the ledger has the next number",
    ),
    (
        "ledger_checkpoints_in_order", "INSERT", "ledger_checkpoints",
        f"NEW.size <> COALESCE((SELECT max(seq) FROM ledger_entries), -1) + 1 OR NEW.size <= {_NEWEST}",
        "a checkpoint covers all entries, and more than the one before it",
    ),
    *[(f"{table}_on_an_entry", "INSERT", table, _stands_on_nothing(*found), _NO_ENTRY) for table, found in _OBJECTS.items()],
    ("placements_moved_with_an_entry", "UPDATE", "placements", f"NOT ({_HAS_NEW_ENTRY})", _NO_ENTRY),
)  # fmt: skip
"""(trigger, event, table, when it refuses; "" is always, what it says)."""


def _sqlite(name: str, event: str, table: str, condition: str, message: str) -> str:
    when = f"WHEN {condition} " if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {when}BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _postgres(name: str, event: str, table: str, condition: str, message: str) -> tuple[str, str]:
    result = "OLD" if event == "DELETE" else "NEW"
    each = "STATEMENT" if event == "TRUNCATE" else "ROW"
    function = (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition or 'TRUE'} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'P0001'; END IF; "
        f"RETURN {'NULL' if each == 'STATEMENT' else result}; END $$"
    )
    return function, f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()"


SQLITE = tuple(_sqlite(*rule) for rule in _RULES)
POSTGRES = tuple(
    statement
    for rule in (*_RULES, *[(f"{table}_kept_truncate", "TRUNCATE", table, "", _FINAL) for table in _TRUNCATED])
    for statement in _postgres(*rule)
)
