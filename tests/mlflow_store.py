"""The MLflow store of tests/data as it was made: a database file and its artifact folder, for one test to change."""

import shutil
import sqlite3
import zipfile
from pathlib import Path

from incumbent.bootstrap.mlflow_source import open_mlflow_source
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.import_mlflow import import_mlflow

DATA = Path(__file__).parent / "data" / "mlflow_store"
SWEEP, CHILD_0, CHILD_1 = "eca6d1f484ab48a58a0cae917a815b9a", "5301bca6eb304f83aae958a8136a0161", "0d6a67e76c0c44c38dc7b35af30f4416"
FIT, GONE, GOING = "e3fcdf39dd5f4ddf882f593d9b025ddc", "52594f93219a4a5099f32be1e8e375f2", "e880388f5a6f4f9382d4104d426f3fd3"
BROKE = "f941e53993a64db786d6393e87dd124a"
LOGGED = "m-943a52e2502e4159a675ada353dbc829"


def copy_store(folder: Path) -> Path:
    """Write the store into a new folder and return the folder."""
    folder.mkdir()
    shutil.copytree(DATA / "mlartifacts", folder / "mlartifacts")
    with sqlite3.connect(folder / "mlflow.db") as db:
        db.executescript((DATA / "mlflow.sql").read_text("utf-8"))
    db.close()
    return folder


def unpack_folder(folder: Path) -> Path:
    """Write a store in MLflow's old form into a new folder, and return it."""
    with zipfile.ZipFile(DATA.with_name("mlflow_folder.zip")) as packed:
        packed.extractall(folder)
    return folder


def change(store: Path, *statements: str | tuple[str, tuple]) -> None:
    """Change the store's database."""
    with sqlite3.connect(store / "mlflow.db") as db:
        db.execute("PRAGMA foreign_keys = OFF")
        for one in statements:
            db.execute(*((one,) if isinstance(one, str) else one))
    db.close()


def ask(store: Path, sql: str, *values):
    """Return rows of the store's database."""
    db = sqlite3.connect(store / "mlflow.db")
    try:
        return db.execute(sql, values).fetchall()
    finally:
        db.close()


def open_new(folder: Path):
    """Open a workspace in a folder."""
    folder.mkdir(exist_ok=True)
    return open_workspace(read_settings(folder, {"INCUMBENT_ACTOR": "ann"}))


def bring(ws, address: str | Path, *, artifacts: Path | None = None, environ=None, **options):
    """Import a store folder, or an address."""
    named = f"sqlite:///{address / 'mlflow.db'}" if isinstance(address, Path) else address
    source = open_mlflow_source(named, artifacts=artifacts, environ=environ or {})
    try:
        return import_mlflow(ws, source=source, **options)
    finally:
        source.close()


def numbers(report, kind: str) -> tuple[int, int, int, int]:
    """Return in the source, brought, already there, refused."""
    count = report.counts[kind]
    return count.source, count.brought, count.there, count.refused


def reasons(report) -> str:
    """Return every refusal as one text."""
    return "\n".join(f"{item}: {reason}" for count in report.counts.values() for item, reason in count.reasons)
