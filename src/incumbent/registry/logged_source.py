"""Where a version may be made from: an artifact of a run, or a logged model, of this server. By grammar, nothing else can be asked for.

    runs:/RUN/PATH                                      mlflow-artifacts:/EXPERIMENT/RUN/artifacts/PATH
    models:/m-<32 hexadecimal digits>                   mlflow-artifacts:/EXPERIMENT/models/m-…/artifacts

No host, no query, no percent-encoding: nothing is fetched, and a path is taken as it is written, or refused.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from incumbent.base.errors import InvalidInput

SOURCE_CHARACTERS_MAX = 2_000
_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})", re.ASCII)
_RUN = re.compile(r"runs:/([A-Za-z0-9][\w-]{0,255})/([^/].*)", re.ASCII)
_MODEL_ARTIFACTS = re.compile(r"mlflow-artifacts:/\d{1,18}/models/(m-[0-9a-f]{32})/artifacts/?", re.ASCII)
_RUN_ARTIFACTS = re.compile(r"mlflow-artifacts:/\d{1,18}/([A-Za-z0-9][\w-]{0,255})/artifacts/([^/].*)", re.ASCII)
_FORBIDDEN = frozenset("\\%?#")
_PART_BYTES_MAX = 255


@dataclass(frozen=True, slots=True)
class LoggedSource:
    """What a source names.

    Attributes:
        kind: Whether `owner` is the id of a run or of a logged model.
        path: Of a folder among the run's artifacts; "" for a logged model.
    """

    kind: Literal["run", "model"]
    owner: str
    path: str = ""


def parse_source(text: str) -> LoggedSource:
    """Return what a source names.

    Raises:
        InvalidInput: It is of none of the forms above.

    >>> parse_source("runs:/run-1/model")
    LoggedSource(kind='run', owner='run-1', path='model')
    """
    if len(text) > SOURCE_CHARACTERS_MAX:
        raise InvalidInput(f"Invalid model version source: it has {len(text)} characters; at most {SOURCE_CHARACTERS_MAX}")
    model = _MODEL.fullmatch(text) or _MODEL_ARTIFACTS.fullmatch(text)
    if model is not None:
        return LoggedSource("model", model[1])
    run = _RUN.fullmatch(text) or _RUN_ARTIFACTS.fullmatch(text)
    if run is None:
        raise InvalidInput(
            f"Invalid model version source: {text[:200]!r}. A version is made from what this server holds, and it fetches nothing: "
            "runs:/RUN/PATH, models:/m-…, or the mlflow-artifacts:/ address of one of these"
        )
    path = run[2].removesuffix("/")
    if not text.isprintable() or _FORBIDDEN & set(path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(
            f"Invalid model version source: {text[:200]!r}. Its path is not taken: no '.', '..' or empty part, no backslash, '%', '?' or "
            "'#', and nothing that cannot be printed"
        )
    return LoggedSource("run", run[1], path)


def check_paths(paths: Collection[str]) -> None:
    """Pass if files of these paths can stand in one folder.

    Raises:
        InvalidInput: A path leaves the folder, has a part that no file system takes, or is a file and a folder at once.

    >>> check_paths(["a", "a/b"])
    Traceback (most recent call last):
    incumbent.base.errors.InvalidInput: the artifact 'a' is a file, and others are inside of it
    """
    folders = {"/".join(parts[:end]) for parts in (path.split("/") for path in paths) for end in range(1, len(parts))}
    for path in paths:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
            raise InvalidInput(f"the artifact {path[:200]!r} leaves its folder, or no file can be called so")
        if any(len(part.encode("utf-8", "surrogatepass")) > _PART_BYTES_MAX for part in parts):
            raise InvalidInput(f"the artifact {path[:200]!r} has a part of more than {_PART_BYTES_MAX} bytes")
        if path in folders:
            raise InvalidInput(f"the artifact {path[:200]!r} is a file, and others are inside of it")
