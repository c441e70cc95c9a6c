"""What every test of the codecs needs: a blob store, and a trip there and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blobs import DictBlobs
from incumbent.base.artifact import Artifact
from incumbent.execution.codecs.table import CodecTable


@pytest.fixture
def blobs() -> DictBlobs:
    return DictBlobs()


@pytest.fixture
def store(blobs: DictBlobs) -> Callable[..., Artifact]:
    return lambda value, annotation="": CodecTable().encode(value, annotation, blobs)


@pytest.fixture
def trip(blobs: DictBlobs, tmp_path: Path) -> Callable[..., Any]:
    """Encode, decode, and hold that the same bytes are written for what came back."""

    def there_and_back(value: object, annotation: object = None) -> Any:
        table = CodecTable()
        artifact = table.encode(value, "", blobs)
        back = table.decode(artifact, annotation, blobs, tmp_path)
        assert table.encode(back, "", blobs) == artifact
        return back

    return there_and_back
