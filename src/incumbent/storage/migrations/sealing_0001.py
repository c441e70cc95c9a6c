"""Revision 0001's triggers: the database itself refuses to change what was sealed. Frozen with the revision.

A run is sealed once `runs.manifest` is set. PostgreSQL judges inserts a statement at a time, over the rows it brought
(transition tables), so that bulk loading stays bulk loading; SQLite knows row triggers only.
"""

_OWNED = ("params", "tags", "stage_runs", "stage_artifacts", "run_artifacts", "metric_writers", "metric_series")
_POINTS = "metric_points"
_KEPT = ("run_notes", "model_versions", "predictions")
_SEALED = "this run is sealed: its record is final; add a note, or make a new run"
_FINAL = "a record of this kind is never changed or removed"
_MOVED = "a placement is history: only which one is current may change"


def _sqlite(name: str, event: str, table: str, condition: str, message: str) -> str:
    when = f"WHEN {condition} " if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {when}BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _sqlite_sealed(table: str, sealed: str) -> list[str]:
    """`sealed` is a condition over one row, called R in it."""
    return [
        _sqlite(f"{table}_sealed_insert", "INSERT", table, sealed.replace("R.", "NEW."), _SEALED),
        _sqlite(f"{table}_sealed_update", "UPDATE", table, f"{sealed.replace('R.', 'OLD.')} OR {sealed.replace('R.', 'NEW.')}", _SEALED),
        _sqlite(f"{table}_sealed_delete", "DELETE", table, sealed.replace("R.", "OLD."), _SEALED),
    ]


_BY_RUN = "(SELECT manifest FROM runs WHERE run_no = R.run_no) IS NOT NULL"
_BY_WRITER = (
    "(SELECT runs.manifest FROM metric_writers JOIN runs ON runs.run_no = metric_writers.run_no "
    "WHERE metric_writers.writer_no = R.writer_no) IS NOT NULL"
)
_MOVING = " OR ".join(f"OLD.{c} <> NEW.{c}" for c in ("placement_no", "slot", "model", "version", "status", "since_at", "actor", "reason"))

SQLITE = (
    _sqlite("runs_sealed_update", "UPDATE", "runs", "OLD.manifest IS NOT NULL", _SEALED),
    _sqlite("runs_sealed_delete", "DELETE", "runs", "OLD.manifest IS NOT NULL", _SEALED),
    *[statement for table in _OWNED for statement in _sqlite_sealed(table, _BY_RUN)],
    *_sqlite_sealed(_POINTS, _BY_WRITER),
    *[_sqlite(f"{table}_kept_{event.lower()}", event, table, "", _FINAL) for table in _KEPT for event in ("UPDATE", "DELETE")],
    _sqlite("placements_kept_update", "UPDATE", "placements", _MOVING, _MOVED),
    _sqlite("placements_kept_delete", "DELETE", "placements", "", _FINAL),
)


def _function(name: str, condition: str, message: str, result: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'P0001'; END IF; RETURN {result}; END $$"
    )


def _postgres_sealed(table: str, joined: str) -> list[str]:
    """`joined` brings the table `runs` to the rows of a statement, as they were (`old_rows`) and as they become (`new_rows`)."""
    statements = []
    for event, seen in (("insert", ("new",)), ("update", ("old", "new")), ("delete", ("old",))):
        name = f"{table}_sealed_{event}"
        found = " OR ".join(f"EXISTS (SELECT 1 FROM {age}_rows {joined} WHERE runs.manifest IS NOT NULL)" for age in seen)
        tables = " ".join(f"{age.upper()} TABLE AS {age}_rows" for age in seen)
        statements.append(_function(name, found, _SEALED, "NULL"))
        statements.append(
            f"CREATE TRIGGER {name} AFTER {event.upper()} ON {table} REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return statements


def _postgres_row(name: str, event: str, table: str, condition: str, message: str) -> list[str]:
    return [
        _function(name, condition, message, "NEW" if event == "UPDATE" else "OLD"),
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


POSTGRES = (
    *_postgres_row("runs_sealed_update", "UPDATE", "runs", "OLD.manifest IS NOT NULL", _SEALED),
    *_postgres_row("runs_sealed_delete", "DELETE", "runs", "OLD.manifest IS NOT NULL", _SEALED),
    *[statement for table in _OWNED for statement in _postgres_sealed(table, "JOIN runs USING (run_no)")],
    *_postgres_sealed(_POINTS, "JOIN metric_writers USING (writer_no) JOIN runs ON runs.run_no = metric_writers.run_no"),
    *[
        statement
        for table in _KEPT
        for event in ("UPDATE", "DELETE")
        for statement in _postgres_row(f"{table}_kept_{event.lower()}", event, table, "TRUE", _FINAL)
    ],
    *_postgres_row("placements_kept_update", "UPDATE", "placements", _MOVING, _MOVED),
    *_postgres_row("placements_kept_delete", "DELETE", "placements", "TRUE", _FINAL),
)
