"""From the documents of /api/v1 to the values that the same verbs return on a workspace of one's own."""

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput, Unavailable
from incumbent.tracking.record import run_from_document
from incumbent.tracking.run import Run


def read_run(document: Document) -> Run:
    """Return a run. Raises Unavailable where the document is none."""
    try:
        return run_from_document(document)
    except InvalidInput as error:
        raise Unavailable(f"the server's answer cannot be read: {error}") from error
