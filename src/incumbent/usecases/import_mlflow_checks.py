"""What of a source's record may be stored here: each part is taken, or refused with the reason, and refuses nothing but itself."""

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from incumbent.base.errors import InvalidInput
from incumbent.base.metric import MetricPoint
from incumbent.tracking.experiment import DatasetInput
from incumbent.tracking.record import check_name, microseconds
from incumbent.usecases.import_mlflow_ports import SourceFile, SourcePoint, SourceRun

TEXT_CHARACTERS_MAX = 16 << 20
"""Of one text, such as a dataset's profile: as much as MLflow's largest column holds."""
PATH_CHARACTERS_MAX = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = range(-(2**63), 2**63)
_POINT = struct.Struct("<dqq")

Refuse = Callable[[str, str], None]
"""Takes (item, reason)."""


def take_time(ms: int, what: str) -> datetime:
    """Return a time. Raises InvalidInput where there is none.

    >>> take_time(1_500, "start")
    datetime.datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=datetime.timezone.utc)
    """
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise InvalidInput(f"its {what} is {ms} milliseconds after 1970, which is no time") from None


def take_text(what: str, text: str) -> str:
    """Return a text that can be stored. Raises InvalidInput.

    >>> take_text("tag", "a" + chr(0))
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: tag holds a NUL or half a character, which cannot be stored
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidInput(f"{what} has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are kept")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text if not text.isascii()):
        raise InvalidInput(f"{what} holds a NUL or half a character, which cannot be stored")
    return text


def take_pairs(what: str, pairs: Mapping[str, str], refuse: Refuse) -> dict[str, str]:
    """Return the params or tags that can be stored; the others are refused."""
    found = {}
    for name, text in pairs.items():
        try:
            found[check_name(what, name)] = take_text(what, text)
        except InvalidInput as error:
            refuse(f"{what} {name[:80]!r}", str(error))
    return found


def take_point(name: str, point: SourcePoint) -> MetricPoint:
    """Return a metric's point. Raises InvalidInput."""
    if point.step not in _STEPS:
        raise InvalidInput(f"step {point.step} does not fit in 64 bits")
    return MetricPoint(check_name("metric", name), point.value, point.step, take_time(point.at_ms, "time"))


def take_points(name: str, points: Iterable[SourcePoint], refuse: Refuse) -> list[MetricPoint]:
    """Return the points that can be stored; the others are refused."""
    found = []
    for point in points:
        try:
            found.append(take_point(name, point))
        except InvalidInput as error:
            refuse(f"a point of metric {name[:80]!r}", str(error))
    return found


def take_dataset(one: DatasetInput) -> DatasetInput:
    """Return a dataset whose texts can be stored. Raises InvalidInput."""
    for text in (one.name, one.digest, one.source_type, one.source, one.schema, one.profile, *one.tags, *one.tags.values()):
        take_text(f"dataset {one.name[:80]!r}", text)
    return one


def take_path(file: SourceFile) -> str:
    """Return the path of a file that is to be read: relative, and never out of the folder that it is written to. Raises InvalidInput.

    >>> take_path(SourceFile("plots/at 12:30.png", 3))
    'plots/at 12:30.png'
    >>> take_path(SourceFile("a/../../b", 3))
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: a path has no empty part, '.' or '..', no backslash and no control character
    """
    if file.refusal:
        raise InvalidInput(file.refusal)
    path = take_text("its path", file.path)
    if len(path) > PATH_CHARACTERS_MAX:
        raise InvalidInput(f"its path has {len(path)} characters; at most {PATH_CHARACTERS_MAX}")
    if "\\" in path or not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput("a path has no empty part, '.' or '..', no backslash and no control character")
    return path


def print_of(run: SourceRun, files: Sequence[SourceFile]) -> str:
    """Return a text that changes when the source's record of a run does, or its list of files."""
    said = json.dumps([asdict(run), [asdict(file) for file in files]], sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


class PointDigest:
    """The distinct points of a run, metric by metric: their number, and a digest that two stores with the same points share."""

    def __init__(self) -> None:
        self.points = 0
        self._metrics: dict[str, bytes] = {}
        self._name = ""
        self._seen: set[bytes] = set()

    def add(self, points: Iterable[MetricPoint]) -> None:
        """Take points; those of one metric follow each other."""
        for point in points:
            if point.name != self._name:
                self._end()
                self._name = point.name
            value = math.nan if math.isnan(point.value) else point.value + 0.0  # -0.0 is 0.0 to a database
            self._seen.add(_POINT.pack(value, point.step, microseconds(point.at)))

    def end(self) -> Mapping[str, bytes]:
        """Return metric -> digest of its points."""
        self._end()
        return self._metrics

    def _end(self) -> None:
        if self._seen:
            self.points += len(self._seen)
            self._metrics[self._name] = hashlib.sha256(b"".join(sorted(self._seen))).digest()
        self._seen = set()
