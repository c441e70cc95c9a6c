"""An operation of the API as one line of a table: method, path, right, what it takes and gives, and an example of each.

The routes, the OpenAPI document and docs/reference/http.md are read from these lines, so none of them can say something else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from incumbent.base.errors import InvalidInput, Refused
from incumbent.server.access import check_scope
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Server

PREFIX = "/api/v1"
PAGE_ROWS = 50
PAGE_ROWS_MAX = 500


class In(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What comes in: a field that is not listed is refused, for it is a misspelling or meant for another release."""


class Out(msgspec.Struct, kw_only=True):
    """What goes out. Later releases may add fields."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose parts have been read.

    Attributes:
        path: What the placeholders stood for.
        query: A value of the operation's `query`, None where it takes none.
        body: A value of the operation's `body`, likewise.
        request: As it came.
        limit: How many items a page may have.
        after: The place that the page before ended at, None for the first page.
    """

    path: Mapping[str, str]
    query: Any
    body: Any
    request: Request
    limit: int = PAGE_ROWS
    after: Sequence[str | int] | None = None

    def check_scope(self, *acts: str) -> None:
        """Pass if the caller's token leaves these acts, where the operation's own right is wider than what is asked for.

        Raises:
            HttpProblem: It leaves one of them out (403).
        """
        try:
            check_scope(self.request.caller, *acts)
        except Refused as error:
            raise HttpProblem(403, str(error)) from error


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        items: What is on it, ready to be encoded.
        after: Where the next page begins, as the list's own function understands it; None on the last page.
    """

    items: Sequence[object]
    after: Sequence[str | int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with headers of its own."""

    value: object
    headers: Mapping[str, str]


Do = Callable[[Server, Call], object]


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the table.

    Attributes:
        name: Names it in the OpenAPI document; the client's function is called so.
        tag: The noun that it is about.
        path: Under /api/v1, with `{name}` for one segment.
        right: From `incumbent.usecases.rights`.
        says: What it does, in one sentence.
        do: Does it; gives a `reply`, an `Answer` with one, a `Page` of them if it `is_paged`, or a whole `Response`.
        reply: The type of what it gives, or of one item of a page; None: `media_type`, and no JSON.
        example: One of what it gives.
        query: The type of the query string, an `In`.
        body: The type of the body, an `In`; None: it takes no body.
        sent: An example of the body.
        status: When it was done.
        is_paged: It gives a list by pages, so it takes `limit` and `cursor`.
        rows_max: The most items of a page.
        refuses: Whether the rules may refuse it (422).
        may_conflict: Whether somebody else may have been quicker (409).
        repeats: Whether its answer is kept for an Idempotency-Key. False: the answer holds a secret, which is shown once.
        headers: Request headers of its own, and what each says.
        statuses: Of problems that it may answer besides those that its other fields tell.
        is_steady: What it gives rests on the request and the metadata store alone, so that it is kept until somebody commits.
        takes_stream: Its body is read from `call.request.pieces`, and is never whole in memory; then `body` is None.
        by: The use cases that it is the face of, for the test of parity.
        more: A paragraph for the reference.
    """

    name: str
    tag: str
    method: str
    path: str
    right: str
    says: str
    do: Do
    reply: Any
    example: Any
    query: type[In] | None = None
    body: type[In] | None = None
    sent: Any = None
    status: int = 200
    is_paged: bool = False
    rows_max: int = PAGE_ROWS_MAX
    refuses: bool = False
    may_conflict: bool = False
    repeats: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = ()
    is_steady: bool = False
    takes_stream: bool = False
    by: tuple[str, ...] = ()
    media_type: str = "application/json"
    more: str = ""

    def __post_init__(self) -> None:
        if self.method not in {"GET", "POST", "PUT", "DELETE", "PATCH"}:
            raise InvalidInput(f"{self.name}: {self.method!r} is no method of this API")
        if self.method == "GET" and self.body is not None:
            raise InvalidInput(f"{self.name}: a GET takes no body")
        for name in self.placeholders:
            if name not in PLACEHOLDERS:
                raise InvalidInput(f"{self.name}: nobody described the placeholder {{{name}}}")

    @property
    def full_path(self) -> str:
        """The path as routes have it."""
        return PREFIX + self.path

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the path's placeholders."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def takes_key(self) -> bool:
        """Whether it takes an Idempotency-Key: it changes something, and its body is at hand to tell whether it is the same."""
        return self.is_write and not self.takes_stream


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a path's placeholder stands for, with an example."""

    says: str
    example: str
    is_number: bool = False


PLACEHOLDERS: Mapping[str, Placeholder] = {
    "slot": Placeholder("A slot. The '/' in its name is written %2F.", "credit/eu"),
    "model": Placeholder("A model.", "credit"),
    "version": Placeholder("The number of a version.", "3", is_number=True),
    "run": Placeholder("A run: its id, or so much of it that no other run begins alike.", "run-0mjq1k2v3-7f3a"),
    "subject": Placeholder("A prediction, run, MODEL@VERSION or digest.", "credit@3"),
    "seq": Placeholder("The number of a ledger entry.", "12", is_number=True),
    "problem": Placeholder("A kind of problem.", "not-found"),
    "person": Placeholder("A person or service: their id.", "ann"),
    "target": Placeholder("A model, or `tier N`.", "credit"),
    "finding": Placeholder("A finding: its id.", "finding-0mjq1k2v3-7f3a"),
    "key": Placeholder("A key: its id.", "ed25519:2f4c"),
    "token": Placeholder("A token: its id.", "token-0mjq1k2v3-7f3a"),
    "webhook": Placeholder("A webhook: its id.", "webhook-0mjq1k2v3-7f3a"),
    "alias": Placeholder("An alias of a model.", "team-choice"),
    "stage": Placeholder("A stage of a pipeline.", "train"),
    "witness": Placeholder("A witness: its name.", "witness.example.com"),
    "evidence": Placeholder("Evidence: its id.", "evidence-0mjq1k2v3-7f3a"),
    "commitment": Placeholder("The commitment that stands for a text in its entry.", "sha256:9f86d0"),
    "metric": Placeholder("A metric: its name. A '/' in it is written %2F.", "valid/auc"),
    "pipeline": Placeholder("A pipeline as runs name it. The '/' in it is written %2F.", "pipelines/credit.py:pipeline"),
    "digest": Placeholder("A digest with its algorithm.", "blake3:af1349b9f5f9a1a6a0404dea36dcc949"),
}


def read_number(call: Call, name: str) -> int:
    """Return a placeholder that stands for a number.

    Raises:
        InvalidInput: It is none.
    """
    text = call.path[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InvalidInput(f"{text[:60]!r} is no {name}: it is a number, as in {PLACEHOLDERS[name].example}")
    return int(text)
