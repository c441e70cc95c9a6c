"""The edge to the libraries that write and read values: their errors become ours, with what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from incumbent.base.artifact import Artifact
from incumbent.base.errors import Corrupt, IncumbentError, InvalidInput, Unavailable
from incumbent.usecases.ports import Blobs


def type_path(cls: type) -> str:
    """Return the name by which people know a class: `polars.DataFrame`, not the private module it was made in.

    >>> type_path(int), type_path(IncumbentError)
    ('int', 'incumbent.IncumbentError')
    """
    package = cls.__module__.partition(".")[0]
    return cls.__qualname__ if package == "builtins" else f"{package}.{cls.__qualname__}"


def put_bytes(codec: str, data: bytes, blobs: Blobs) -> Artifact:
    """Store the whole bytes of a value."""
    stored = blobs.put([data])
    return Artifact(codec, stored.digest, stored.size)


@contextmanager
def writing(value: object, advice: str) -> Iterator[None]:
    """Turn what a library says against a value into InvalidInput. Nothing but the library's work belongs inside."""
    try:
        yield
    except IncumbentError:
        raise
    except ImportError as error:
        raise Unavailable(f"storing a {type_path(type(value))} needs {error.name}, which is not installed") from error
    except BaseException as error:
        if not _is_library_error(error):
            raise
        raise InvalidInput(f"this {type_path(type(value))} cannot be stored: {_first_line(error)}; {advice}") from error


@contextmanager
def reading(artifact: Artifact) -> Iterator[None]:
    """Turn what a library says against stored bytes into Corrupt. Their digest is right, so their writer or reader is wrong."""
    try:
        yield
    except IncumbentError:
        raise
    except ImportError as error:
        raise Unavailable(f"reading the {artifact.codec} {artifact.digest} needs {error.name}, which is not installed") from error
    except BaseException as error:
        if not _is_library_error(error):
            raise
        raise Corrupt(f"{artifact.codec} {artifact.digest} ({artifact.size} bytes) cannot be read: {_first_line(error)}") from error


def _is_library_error(error: BaseException) -> bool:
    # Parsers fed with bytes raise whatever they like; a panic in Polars is a BaseException. Interrupts are not the library's.
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
