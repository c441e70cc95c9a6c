"""Artifacts: a stored value is named by the codec that reads it and the digest of its bytes."""

from dataclasses import dataclass

from incumbent.base.digest import Digest, parse_digest
from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored value.

    Attributes:
        codec: Name of the codec that turns the bytes back into the value, e.g. "arrow", "value", "file", "list".
        digest: Digest of the stored bytes. For "list" and "tree" these bytes are a document naming the parts.
        size: Bytes in all, parts included.
        name: File name, for "file" and "tree": a stage can see it in the path that it gets, so it is part of the identity.
    """

    codec: str
    digest: Digest
    size: int
    name: str = ""

    @property
    def identity(self) -> str:
        """All that a stage can tell of the value, as one text: two codecs may read one blob differently."""
        return f"{self.codec} {self.digest} {self.name}" if self.name else f"{self.codec} {self.digest}"

    def to_json(self) -> Json:
        """Return the document form."""
        document: dict[str, Json] = {"codec": self.codec, "digest": str(self.digest), "size": self.size}
        return {**document, "name": self.name} if self.name else document


def artifact_from_json(value: Json) -> Artifact:
    """Return the artifact that `Artifact.to_json` wrote.

    Raises:
        InvalidInput: A field is missing or of the wrong type, or the digest is malformed.
    """
    match value:
        case {"codec": str(codec), "digest": str(digest), "size": int(size), **rest} if size >= 0 and not isinstance(size, bool):
            parse_digest(digest)
            name = rest.get("name", "")
            if isinstance(name, str):
                return Artifact(codec, Digest(digest), size, name)
    raise InvalidInput(f"not an artifact record: {str(value)[:80]}")
