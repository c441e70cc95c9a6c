"""A project with a real blob store, real codecs and a real stat cache; an S3 server and a PostgreSQL server where a test asks."""

import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from incumbent.base.documents import parse_document
from incumbent.execution.codecs.table import CodecTable
from incumbent.execution.sources.capture import DeclaredSources
from incumbent.execution.stat_cache import RACY_NS, StatCache
from incumbent.storage.blobs_local import open_local_blobs


@dataclass
class Project:
    root: Path
    blobs: object
    codecs: object
    cache: StatCache
    environ: dict
    sources: DeclaredSources

    def write(self, name, data=b"x"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def settle(self):
        """Let the newest stamps grow old enough to be believed."""
        time.sleep(2 * RACY_NS / 1e9)

    def capture(self, spec, **how):
        return self.sources.capture(spec, **how)

    def read(self, captured):
        return self.blobs.get(captured.artifact.digest)

    def tree(self, captured):
        """Return name -> (bytes, executable) of a captured tree."""
        assert captured.artifact.codec == "tree"
        entries = parse_document(self.read(captured))["entries"]
        assert [entry["path"] for entry in entries] == sorted(entry["path"] for entry in entries)
        return {entry["path"]: (self.blobs.get(entry["digest"]), entry["executable"]) for entry in entries}

    def table(self, captured):
        import pyarrow as pa

        assert captured.artifact.codec == "arrow"
        return self.codecs.decode(captured.artifact, pa.Table, self.blobs, self.root)

    def again(self):
        """Return the same project as another process sees it."""
        self.cache.close()
        return make_project(self.root, self.environ)


def make_project(root, environ):
    state = root / ".incumbent"
    state.mkdir(exist_ok=True)
    blobs = open_local_blobs(state / "blobs", "blake3")
    codecs = CodecTable()
    cache = StatCache(state / "stat.db")
    return Project(root, blobs, codecs, cache, environ, DeclaredSources(root, blobs, codecs, cache, environ))


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    project = make_project(root, {})
    yield project
    project.cache.close()


@pytest.fixture(scope="session")
def s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path_factory):
    """A fresh bucket; its name. The environment leads to the server as it would to a real one."""
    values = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{time.time_ns()}"
    with urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT")):
        return name


@pytest.fixture
def s3_project(project, bucket):
    """The project, reading the environment that `bucket` set."""
    project.environ.update({name: value for name, value in os.environ.items() if name.startswith("AWS_")})
    return project
