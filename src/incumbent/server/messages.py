"""A request as the routes see it, and what they give back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import msgspec

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.server.access import NOBODY, Caller, Door
from incumbent.server.errors import HttpProblem
from incumbent.server.feeds import Feeds
from incumbent.server.group import GroupWriter
from incumbent.server.json_text import is_plainly_once, parse_json
from incumbent.server.streams import Stream
from incumbent.server.telemetry import Telemetry
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace

FORM_FIELDS_MAX = 200
UPLOAD_BYTES_MAX = 5 << 30
"""Default limit of one streamed body: as much as S3 takes in one piece."""


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes work with.

    Attributes:
        upload_bytes_max: Limit of one streamed body.

    Raises:
        InvalidInput: The limit is below 1.
    """

    ws: Workspace
    host: ModelHost
    door: Door
    writer: GroupWriter = field(default_factory=GroupWriter)
    telemetry: Telemetry = field(default_factory=Telemetry)
    feeds: Feeds = field(default_factory=Feeds)
    upload_bytes_max: int = UPLOAD_BYTES_MAX

    def __post_init__(self) -> None:
        if self.upload_bytes_max < 1:
            raise InvalidInput(f"a limit of {self.upload_bytes_max} bytes for a file takes none at all: give 1 or more")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, body included; of a route that takes its body as a stream, `body` is empty, and `pieces` can be read once.

    Attributes:
        path: What the route's placeholders stood for, percent-decoded: a slot's "/" arrives as "%2F".
        query: The query string, undecoded.
        headers: Names in lower case; of a header given twice, the last.
        address: Where the connection comes from.
        caller: Who asks; nobody where the route is open to all.
        pieces: The body of a route that takes a stream, as it comes in; reading it raises HttpProblem when no more will come.
    """

    method: str
    path: Mapping[str, str]
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    address: str = ""
    caller: Caller = NOBODY
    pieces: Iterable[bytes] = ()

    def read_json(self) -> Json:
        """Return the body as JSON values.

        Raises:
            HttpProblem: The body is not said to be JSON (415).
            InvalidInput: It is no JSON, names a key twice, is nested too deeply, or holds NaN or infinities.
        """
        self.check_type("application/json")
        return parse_json_body(self.body)

    def check_type(self, media_type: str) -> None:
        """Refuse a body that is not said to be of a type. Raises HttpProblem (415)."""
        said = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != media_type:
            raise HttpProblem(415, f"the body must be {media_type}, not {said[:60] or 'of no stated type'}")

    def read_query(self) -> dict[str, str]:
        """Return the fields of the query string, of one given twice the last. Raises InvalidInput when it cannot be read."""
        return _read_fields(self.query, "query string")

    def read_form(self) -> dict[str, str]:
        """Return the fields of a form.

        Raises:
            HttpProblem: The body is not said to be a form (415).
            InvalidInput: It is not UTF-8, or has too many fields.
        """
        self.check_type("application/x-www-form-urlencoded")
        return _read_fields(self.body.decode("latin-1"), "form")


def parse_json_body(body: bytes) -> Json:
    """Return what a body says as JSON values.

    Raises:
        InvalidInput: It is no JSON, names a key twice, is nested too deeply, or holds NaN or infinities.
    """
    try:
        value: Json = msgspec.json.decode(body)
        return value if is_plainly_once(body, value) else parse_json(body)
    except RecursionError:
        raise InvalidInput("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None


def takes_pages(headers: Mapping[str, str]) -> bool:
    """Return whether whoever sent these headers is a browser that would show a page; programs accept anything, or JSON."""
    return "text/html" in headers.get("accept", "").lower()


def _read_fields(text: str, what: str) -> dict[str, str]:
    try:
        text.encode("ascii")
        fields = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise InvalidInput(f"the {what} cannot be read: {error}") from None
    return {name: values[-1] for name, values in fields.items()}


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers, body; with `stream`, the body is that, and `body` is empty."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Stream | None = None


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(status, msgspec.json.encode(value), headers=headers or {})
