"""A workspace made with SHA-256 alone (for FIPS rules) has no other digest anywhere, and keeps it."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from command import incumbent, incumbent_json, ran, write


@pytest.fixture
def project(tmp_path):
    incumbent(tmp_path, "init", "--digest", "sha256")
    return tmp_path


def texts(value):
    """Every text in a JSON document, keys too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def stored_bytes(folder: Path):
    """Everything that the workspace holds: each file, and each cell of each table of each database."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    for row in database.execute(f'SELECT * FROM "{table}"'):
                        for cell in row:
                            yield f"{path}:{table}", cell if isinstance(cell, bytes) else str(cell).encode()


def test_no_other_digest_is_stored_or_shown(project):
    first = incumbent_json(project, "run")
    main = project / "pipelines" / "main.py"
    main.write_text(main.read_text().replace('"slope": slope,', '"slope": slope + 0.0,'))
    documents = [
        first,
        incumbent_json(project, "plan"),
        incumbent_json(project, "why", "train"),
        incumbent_json(project, "run"),
        incumbent_json(project, "runs", "ls"),
        incumbent_json(project, "runs", "show", first["run_id"]),
        incumbent_json(project, "trace", first["run_id"]),
        incumbent_json(project, "reproduce", first["run_id"]),
        incumbent_json(project, "artifacts", "ls", first["run_id"]),
        incumbent_json(project, "artifacts", "verify"),
        incumbent_json(project, "register", "--model", "m", "--run", first["run_id"], "--artifact", "train"),
        incumbent_json(project, "models", "show", "m@1"),
        incumbent_json(project, "doctor"),
    ]
    assert [text for document in documents for text in texts(document) if "blake3:" in text] == []
    assert any("sha256:" in text for text in texts(documents[0]))
    assert documents[7]["verdict"] == "bit-exact"
    assert documents[9]["problems"] == []
    assert [where for where, data in stored_bytes(project / ".incumbent") if b"blake3:" in data] == []


def test_the_workspace_keeps_what_it_began_with(project):
    incumbent(project, "run")
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace("sha256", "blake3"))
    done = incumbent_json(project, "run", "--seed", "0")
    assert ran(done) == []
    assert all(text.startswith("sha256:") for text in texts(done) if ":" in text and len(text.partition(":")[2]) == 64)
    assert json.loads((project / ".incumbent" / "workspace.json").read_text()) == {"digest": "sha256"}
    assert incumbent_json(project, "artifacts", "verify")["problems"] == []


def test_two_workspaces_of_different_algorithms_may_share_a_place_for_blobs(tmp_path):
    shared = {"INCUMBENT_BLOBS": str(tmp_path / "shared")}
    for algorithm in ("sha256", "blake3"):
        incumbent(tmp_path, "init", algorithm, "--digest", algorithm, env=shared)
        incumbent(tmp_path / algorithm, "run", env=shared)
    for algorithm in ("sha256", "blake3"):
        checked = incumbent_json(tmp_path / algorithm, "artifacts", "verify", env=shared)
        assert (checked["problems"], checked["blobs"] > 0) == ([], True)


def test_blake3_is_never_called(project, tmp_path):
    """Where only approved algorithms may run, its being installed is harmless: nothing makes a hasher of it."""
    write(
        tmp_path / "stand-in",
        {"blake3.py": "class blake3:\n    AUTO = -1\n\n    def __init__(self, *_, **__):\n        raise SystemError\n"},
    )
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "stand-in"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    (project / "data" / "table.csv").write_text("x,y\n1,2\n" + f"2{' ' * 100_000},4.5\n" * 50)  # large enough to be read ahead by a thread
    first = incumbent_json(project, "run", env=env)
    assert ran(first) == ["ingest", "features", "train", "evaluate"]
    assert incumbent_json(project, "reproduce", first["run_id"], env=env)["verdict"] == "bit-exact"
    assert incumbent_json(project, "artifacts", "verify", env=env)["problems"] == []
