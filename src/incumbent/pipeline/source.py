"""Data sources: declared inputs from outside the pipeline, each captured with a version (EQ V7.1's data_v).

A source is only a description here. Capturing one (reading, hashing, storing) is done behind the `Sources` port.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from incumbent.base.errors import InvalidInput

SourceKind = Literal["file", "folder", "parquet", "sql", "objects", "delta", "package_file"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One declared source.

    Attributes:
        kind: What it is; the functions of this module make one each.
        location: Path (relative to the project's root), URL, or table address.
        detail: By kind: glob pattern (folder, parquet), the query (sql), version (delta), path in the package (package_file).
        link: Link a large file into the store instead of copying it; the file is made read-only.
    """

    kind: SourceKind
    location: str
    detail: str = ""
    link: bool = False


def file(path: str, *, link: bool = False) -> SourceSpec:
    """Declare one file; the stage gets a `Path`. Version: the digest of its bytes."""
    return SourceSpec("file", _need(path, "a path"), link=link)


def folder(path: str, *, pattern: str = "**/*", link: bool = False) -> SourceSpec:
    """Declare the files of a folder that match `pattern`; the stage gets the folder's `Path`. Version: digest of names and bytes."""
    return SourceSpec("folder", _need(path, "a path"), _need(pattern, "a glob pattern"), link)


def parquet(path: str, *, pattern: str = "**/*.parquet", link: bool = False) -> SourceSpec:
    """Declare a Parquet dataset (one file, or a folder of them, hive partitions included); the stage gets a `Path`."""
    return SourceSpec("parquet", _need(path, "a path"), _need(pattern, "a glob pattern"), link)


def sql(url: str, query: str) -> SourceSpec:
    """Declare the result of a query on an SQLAlchemy URL (`$NAME` in it is read from the environment); the stage gets a frame.

    Version: the digest of the result, so order the rows: without ORDER BY a database may return them in any order.
    """
    return SourceSpec("sql", _need(url, "a database URL"), _need(query, "a query"))


def objects(url: str) -> SourceSpec:
    """Declare all objects under an `s3://` or `gs://` prefix; the stage gets a folder's `Path`. Version: names and bytes."""
    return SourceSpec("objects", _need(url, "an s3:// or gs:// prefix"))


def delta(location: str, *, version: int | None = None) -> SourceSpec:
    """Declare a Delta table, at its newest version when captured or at a fixed one; the stage gets a frame."""
    return SourceSpec("delta", _need(location, "a table address"), "" if version is None else str(version))


def package_file(package: str, path: str) -> SourceSpec:
    """Declare a data file inside an installed package; the stage gets a `Path`. The package is not imported."""
    return SourceSpec("package_file", _need(package, "a package name"), _need(path, "a path inside the package"))


FACTORIES: dict[str, Callable[..., SourceSpec]] = {
    "file": file, "folder": folder, "parquet": parquet, "sql": sql, "objects": objects, "delta": delta, "package_file": package_file,
}  # fmt: skip
"""The functions that declare a source, by name: the reader of pipeline files calls them with literal arguments."""


def _need(text: str, what: str) -> str:
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidInput(f"a source needs {what}, not {text!r}")
    return text
