"""Data on local disk: one file, a folder, a Parquet dataset.

What is new is read once, into the blob store; what is unchanged costs one `stat`. A capture is a state that the disk was in: the
stamps are taken before and after the reading, and if any moved (or a file came or went) the capture ends with Conflict.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.digest import Digest, digest_bytes
from incumbent.base.documents import Json, document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.execution.sources.intake import Intake, changed
from incumbent.execution.sources.listing import Listing, Place, list_files, locate, stat_file
from incumbent.execution.sources.parquet import describe_parquet
from incumbent.execution.stat_cache import FileStat, is_racy, is_same_file_state
from incumbent.pipeline.action import Captured
from incumbent.pipeline.source import SourceSpec

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_BATCH_FILES = 16_384
_BATCH_BYTES = 1 << 28
Describe = Callable[[Sequence[tuple[str, str]]], tuple[str, Mapping[str, Json]]]
"""Takes (name, path) of files, returns words for the version and facts."""


def capture_file(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture one file: an artifact "file" under the file's own name."""
    place = locate(intake.root, spec.location)
    return capture_place(intake, place, link=spec.link)


def capture_plain_files(intake: Intake, stamps: Mapping[str, tuple[Place, FileStat]]) -> dict[str, Captured]:
    """Capture many files by source name, in one go, so that they share their waits for the disk."""
    digests = take_in(intake, [stamp for _, stamp in stamps.values()], link=False)
    return {
        name: Captured(Artifact("file", digests[stamp.path], stamp.size, place.name), say_bytes(stamp.size))
        for name, (place, stamp) in stamps.items()
    }


def capture_folder(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture the files of a folder that match: an artifact "tree" of their names, bytes and executable bits."""
    return _capture_tree(intake, spec, locate(intake.root, spec.location), None)


def capture_parquet(intake: Intake, spec: SourceSpec) -> Captured:
    """Capture a Parquet file ("file") or a folder of them ("tree", hive partitions as they are), with rows and columns as facts."""
    place = locate(intake.root, spec.location)
    if os.path.isdir(place.path):
        return _capture_tree(intake, spec, place, describe_parquet)
    before = stat_file(place.path)
    taken = capture_place(intake, place, link=spec.link)
    key, stamp = f"parquet file {place.path}", str(taken.artifact.digest)
    noted = load_captured(intake.cache.find_notes({key: stamp}).get(key))
    if noted is not None and noted.artifact == taken.artifact:
        return noted
    words, facts = describe_parquet([(place.name, place.path)])
    if not _is_unmoved(before, stat_file(place.path), spec.link):
        raise changed(place.path)
    captured = Captured(taken.artifact, f"{words}{taken.version}", facts)
    intake.cache.record_notes([(key, stamp, dump_captured(captured))])
    return captured


def sign_file(intake: Intake, spec: SourceSpec) -> list[FileStat]:
    """Return the stamp that a captured file stands on."""
    return [stat_file(locate(intake.root, spec.location).path)]


def sign_folder(intake: Intake, spec: SourceSpec) -> list[FileStat]:
    """Return the stamps of all files that match and of all folders looked into: what is added or removed moves its folder's."""
    place = locate(intake.root, spec.location)
    if spec.kind == "parquet" and not os.path.isdir(place.path):
        return [stat_file(place.path)]
    listing = list_files(place, spec.detail)
    return [*listing.folders, *(stamp for _, stamp in listing.files)]


def take_in(intake: Intake, files: Sequence[FileStat], *, link: bool) -> dict[str, Digest]:
    """Return path -> digest, every file's bytes being in the blob store; those that the stat cache knows are not opened.

    Raises:
        Conflict: A file changed while it was read.
    """
    known = {} if intake.is_anew else intake.cache.find(files)
    for path in [path for path, digest in known.items() if intake.blobs.size(digest) is None]:
        del known[path]  # collected since, or a bit flipped in the cache's row
    waiting = [stamp for stamp in files if stamp.path not in known]
    done, total = 0, sum(stamp.size for stamp in waiting)
    for batch in _split(waiting):
        read_from_ns = intake.cache.now_ns()
        stored = intake.blobs.put_files([_real_path(stamp.path) for stamp in batch], link=link)
        rows = []
        for before, blob in zip(batch, stored, strict=True):
            after = stat_file(before.path)
            if not _is_unmoved(before, after, link) or blob.size != before.size:
                raise changed(before.path)
            known[before.path] = blob.digest
            # Linking moves the ctime to now, which would always be racy. What it was before decides: a writer that was still at
            # work would move the mtime too, and the linked bytes are the blob itself, which is verified whenever it is read.
            if not is_racy(before, read_from_ns):
                rows.append((after, blob.digest))
        intake.cache.record(rows)
        done += sum(stamp.size for stamp in batch)
        intake.progress(done, total)
    return known


def say_bytes(size: int) -> str:
    """Return a size for people, in decimal units.

    >>> say_bytes(999), say_bytes(1_249_000_000)
    ('999 bytes', '1.2 GB')
    """
    if size < 1000:
        return f"{size} byte{'s' * (size != 1)}"
    power = next((power for power in range(1, 5) if size < 999.95 * 1000**power), 5)
    return f"{size / 1000**power:.1f} {_UNITS[power]}"


def dump_captured(captured: Captured) -> str:
    """Return the text of a note that `load_captured` reads."""
    return json.dumps([captured.artifact.to_json(), captured.version, dict(captured.facts)])


def load_captured(noted: str | None) -> Captured | None:
    """Return what a note holds, or None if there is none or it is damaged: a cache may be wrong, and is then not believed."""
    if noted is None:
        return None
    try:
        match json.loads(noted):
            case [dict(artifact), str(version), dict(facts)]:
                return Captured(artifact_from_json(artifact), version, facts)
            case _:
                return None
    except (ValueError, RecursionError, InvalidInput):
        return None


def capture_place(intake: Intake, place: Place, *, link: bool) -> Captured:
    """Capture the one file at `place`."""
    stamp = stat_file(place.path)
    digest = take_in(intake, [stamp], link=link)[stamp.path]
    return Captured(Artifact("file", digest, stamp.size, place.name), say_bytes(stamp.size))


def _capture_tree(intake: Intake, spec: SourceSpec, place: Place, describe: Describe | None) -> Captured:
    listed_ns = intake.cache.now_ns()
    listing = list_files(place, spec.detail)
    key = f"{spec.kind} {int(spec.link)} {place.path}\n{spec.detail}"
    stamp = _stamp(intake, listing)
    noted = None if intake.is_anew else load_captured(intake.cache.find_notes({key: stamp}).get(key))
    if noted is not None and intake.blobs.size(noted.artifact.digest) is not None:
        return noted  # the tree's document was stored after its parts, and vouches for them
    digests = take_in(intake, [file for _, file in listing.files], link=spec.link)
    document = _tree_document(listing, digests, link=spec.link)
    words, facts = describe([(name, file.path) for name, file in listing.files]) if describe else ("", {})
    after = list_files(place, spec.detail)
    _check_same(listing, after, spec.link)
    size = sum(file.size for _, file in listing.files)
    artifact = Artifact("tree", intake.blobs.put([document]).digest, size, place.name)
    count = len(listing.files)
    captured = Captured(artifact, f"{words}{count:,} file{'s' * (count != 1)}, {say_bytes(size)}", {"files": count, **facts})
    if not any(is_racy(file, listed_ns) for file in (*listing.folders, *(file for _, file in listing.files))):
        intake.cache.record_notes([(key, _stamp(intake, after), dump_captured(captured))])
    return captured


def _stamp(intake: Intake, listing: Listing) -> Digest:
    """Return one digest of all stamps; two listings have the same one only if they agree in every field."""
    return digest_bytes(json.dumps([listing.folders, listing.files]).encode("ascii"), intake.blobs.algorithm)


def _tree_document(listing: Listing, digests: Mapping[str, Digest], *, link: bool) -> bytes:
    """Return the tree's bytes. A linked file is read-only from then on, so its executable bit is not part of what is captured."""
    entries: list[Json] = [
        {"path": name, "digest": digests[file.path], "size": file.size, "executable": not link and bool(file.mode & 0o100)}
        for name, file in listing.files
    ]
    return document_bytes({"entries": entries})


def _check_same(before: Listing, after: Listing, link: bool) -> None:
    old, new = dict(before.files), dict(after.files)
    for name in sorted(old.keys() ^ new.keys()):
        raise changed((old.get(name) or new[name]).path)
    for name, stamp in old.items():
        if not _is_unmoved(stamp, new[name], link):
            raise changed(stamp.path)


def _is_unmoved(before: FileStat, after: FileStat, link: bool) -> bool:
    if link:  # making it read-only and linking it moves the ctime
        return (before.size, before.mtime_ns, before.inode, before.device) == (after.size, after.mtime_ns, after.inode, after.device)
    return is_same_file_state(before, after)


def _split(files: Sequence[FileStat]) -> Iterator[list[FileStat]]:
    """Yield batches that keep the waits for the disk few and the progress lively."""
    batch: list[FileStat] = []
    size = 0
    for stamp in files:
        batch.append(stamp)
        size += stamp.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _real_path(path: str) -> Path:
    return Path(os.path.realpath(path) if os.path.islink(path) else path)
