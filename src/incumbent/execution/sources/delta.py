"""A Delta table at one version, as Arrow.

A version of a table never changes (its log entry is written once), so one that was read before is known by the table's id and the
version number alone. Rows come in the order of the data files' names, which is the same for everyone who reads that version.
"""

import os
from typing import TYPE_CHECKING, Any

from incumbent.base.errors import InvalidInput, NotFound, Unavailable
from incumbent.execution.sources.files import dump_captured, load_captured
from incumbent.execution.sources.intake import Intake, one_line, show
from incumbent.execution.sources.listing import Place, list_files, locate
from incumbent.execution.stat_cache import FileStat
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceSpec

if TYPE_CHECKING:
    import pyarrow as pa


def capture_delta(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture a table at its newest or a fixed version: an artifact "arrow", with version, rows and columns as facts.

    Raises:
        InvalidInput: The version is no number, or the table needs a reader feature that is not there.
        NotFound: There is no table, or no such version.
        Unavailable: The storage cannot be reached.
    """
    try:
        import deltalake
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise InvalidInput("a Delta source needs deltalake and pyarrow; install incumbent[delta]") from error
    address = spec.location if is_remote(spec.location) else locate(intake.root, spec.location).path
    try:
        table = deltalake.DeltaTable(address, version=_parse_version(spec.detail))
        version = table.version()
        key, stamp = f"delta {address} {version}", str(table.metadata().id)
        noted = None if intake.is_anew else load_captured(intake.cache.find_notes({key: stamp}).get(key))
        if noted is not None and intake.blobs.size(noted.artifact.digest) is not None:
            return noted
        rows = _read(table)
    except deltalake.exceptions.TableNotFoundError as error:
        raise NotFound(f"{show(spec.location)} is not a Delta table: it has no _delta_log; check the address") from error
    except (deltalake.exceptions.DeltaError, pa.ArrowException, OSError, ValueError) as error:
        raise _explain(spec, error) from error
    words = f"version {version}, {rows.num_rows:,} row{'s' * (rows.num_rows != 1)}"
    facts = {"version": version, "rows": rows.num_rows, "columns": {field.name: str(field.type) for field in rows.schema}}
    captured = Captured(intake.codecs.encode(rows, "pyarrow.Table", intake.blobs), words, facts)
    intake.cache.record_notes([(key, stamp, dump_captured(captured))])
    return captured


def sign_delta(intake: Intake, spec: SourceSpec) -> list[FileStat] | None:
    """Return the stamps of a local table's log, to which every new version adds a file; None for one in object storage."""
    if is_remote(spec.location):
        return None
    place = locate(intake.root, os.path.join(spec.location, "_delta_log"))
    listing = list_files(Place(place.path, place.bound, ""), "*")
    return [*listing.folders, *(stamp for _, stamp in listing.files)]


def is_remote(location: str) -> bool:
    """Return whether a table's address is a URL."""
    return "://" in location


def _parse_version(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(f"{text!r} is not a version of a Delta table: give a whole number >= 0, or leave it out for the newest")
    return int(text)


def _read(table: Any) -> "pa.Table":
    from pyarrow.dataset import FileSystemDataset

    found = table.to_pyarrow_dataset()
    fragments = sorted(found.get_fragments(), key=lambda fragment: fragment.path)
    return FileSystemDataset(fragments, found.schema, found.format, found.filesystem).to_table()


def _explain(spec: SourceSpec, error: Exception) -> InvalidInput | NotFound | Unavailable:
    reason = one_line(error)
    name = show(spec.location)
    if spec.detail and "version" in reason.lower():
        return NotFound(f"{name} has no version {spec.detail} that can be read ({reason}); see which are left, or take the newest")
    if isinstance(error, OSError):
        return Unavailable(f"{name} cannot be read: {reason}; nothing was taken in")
    return InvalidInput(f"{name} cannot be read as a Delta table: {reason}")
