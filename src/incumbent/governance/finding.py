"""Findings: issues that validation, audit, monitoring or a broken glass raised, each with a due date, until somebody closes it.

Who may close which kind is the table CLOSERS. Whoever broke the glass does not close the finding that this opened, and nobody
closes a finding about work that they had a hand in.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal, cast, get_args

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.governance.acts import Role
from incumbent.governance.fields import check_line, check_text, check_time, format_time, read_fields
from incumbent.governance.person import Person, check_may, index_people

Kind = Literal["validation", "audit", "monitoring", "break-glass"]
Severity = Literal["low", "medium", "high", "critical"]
State = Literal["open", "closed"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_FIELDS = (
    "finding_id", "kind", "title", "severity", "subject", "opened_by", "opened_at", "due_at",
    "state", "closed_by", "closed_at", "resolution", "blocks_promotion",
)  # fmt: skip

TRANSITIONS: Mapping[tuple[State | None, str], State] = MappingProxyType(
    {(None, "open-finding"): "open", ("open", "close-finding"): "closed"}
)
"""(state, act) -> state; everything else is refused. A closed finding stays closed, as long as its closer's signature counts."""

CLOSERS: Mapping[Kind, frozenset[Role]] = MappingProxyType(
    {
        "validation": frozenset({"validator", "approver"}),
        "audit": frozenset({"validator", "approver"}),
        "monitoring": frozenset({"validator", "approver"}),
        "break-glass": frozenset({"approver"}),
    }
)
"""Kind -> the roles that may close it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue.

    Attributes:
        subject: What it is about: a model or a slot.
        due_at: By when it is to be closed.
        closed_by: Who closed it, "" while it is open.
        resolution: What became of it, "" while it is open.
        blocks_promotion: No version of its subject is promoted while it is open; always so after a broken glass.
        reopened: Why it is open although somebody closed it, in words; it is judged, and stands in no document.

    Raises:
        InvalidInput: A field is malformed, the times run backwards, or state and closing do not fit.
    """

    finding_id: str
    kind: Kind
    title: str
    severity: Severity
    subject: str
    opened_by: str
    opened_at: datetime
    due_at: datetime
    state: State
    closed_by: str
    closed_at: datetime | None
    resolution: str
    blocks_promotion: bool
    reopened: str = ""

    def __post_init__(self) -> None:
        for name in ("finding_id", "title", "subject", "opened_by"):
            check_line(getattr(self, name), f"{name} of a finding")
        check_line(self.closed_by, "closed_by", is_needed=self.state == "closed")
        check_text(self.resolution, "the resolution", is_needed=self.state == "closed")
        for name, value, legal in (("kind", self.kind, tuple(CLOSERS)), ("severity", self.severity, SEVERITIES)):
            if value not in legal:
                raise InvalidInput(f"the {name} of a finding is one of {', '.join(legal)}, not {value[:80]!r}")
        if self.state not in get_args(State):
            raise InvalidInput(f"a finding is open or closed, not {self.state[:80]!r}")
        if self.state == "open" and (self.closed_by or self.resolution):
            raise InvalidInput(f"finding {self.finding_id} is open, and has no closed_by or resolution")
        if (self.closed_at is None) != (self.state == "open"):
            raise InvalidInput(f"finding {self.finding_id} is {self.state}; closed_at says otherwise")
        if check_time(self.due_at) < check_time(self.opened_at) or check_time(self.closed_at or self.opened_at) < self.opened_at:
            raise InvalidInput(f"finding {self.finding_id} was opened {format_time(self.opened_at)}; it is due and closed after that")
        if self.kind == "break-glass" and not self.blocks_promotion:
            raise InvalidInput(f"finding {self.finding_id} is about a broken glass, which blocks the next promotion")

    @property
    def words(self) -> str:
        """Its title, and why it is open although somebody closed it."""
        return f"{self.title} ({self.reopened})" if self.reopened else self.title

    def is_overdue(self, now: datetime) -> bool:
        """Return whether it is still open after its due date."""
        return self.state == "open" and now > self.due_at

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "finding_id": self.finding_id,
            "kind": self.kind,
            "title": self.title,
            "severity": self.severity,
            "subject": self.subject,
            "opened_by": self.opened_by,
            "opened_at": format_time(self.opened_at),
            "due_at": format_time(self.due_at),
            "state": self.state,
            "closed_by": self.closed_by,
            "closed_at": None if self.closed_at is None else format_time(self.closed_at),
            "resolution": self.resolution,
            "blocks_promotion": self.blocks_promotion,
        }


def finding_from_json(document: Json) -> Finding:
    """Return what `Finding.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "a finding", _FIELDS)
    return Finding(
        finding_id=found.text("finding_id"),
        kind=cast(Kind, found.text("kind")),  # checked by Finding, as severity and state
        title=found.text("title"),
        severity=cast(Severity, found.text("severity")),
        subject=found.text("subject"),
        opened_by=found.text("opened_by"),
        opened_at=found.time("opened_at"),
        due_at=found.time("due_at"),
        state=cast(State, found.text("state")),
        closed_by=found.text("closed_by"),
        closed_at=found.find_time("closed_at"),
        resolution=found.text("resolution"),
        blocks_promotion=found.flag("blocks_promotion"),
    )


def open_finding(
    finding_id: str, *, kind: Kind, title: str, severity: Severity, subject: str, opened_by: str, opened_at: datetime, due_at: datetime,
    blocks_promotion: bool = False,
) -> Finding:  # fmt: skip
    """Return a new finding; after a broken glass it blocks promotion whatever was asked.

    Raises:
        InvalidInput: A field is malformed, or it is due before it is opened.
    """
    blocks = blocks_promotion or kind == "break-glass"
    state = TRANSITIONS[None, "open-finding"]
    return Finding(finding_id, kind, title, severity, subject, opened_by, opened_at, due_at, state, "", None, "", blocks)


def close_finding(
    finding: Finding, *, by: str, at: datetime, resolution: str, people: Iterable[Person], authors: Collection[str]
) -> Finding:
    """Return the finding, closed.

    Args:
        finding: An open one.
        by: Id or alias of who closes it.
        at: When.
        resolution: What became of it.
        people: Everybody known.
        authors: Accountable persons who had a hand in what it is about (`incumbent.governance.independence.authors`).

    Raises:
        InvalidInput: The resolution is blank, or the time is before the finding was opened.
        NotFound: Nobody is known by that name.
        Refused: It is closed already, or this person may not close it; the message says who may.
    """
    state = TRANSITIONS.get((finding.state, "close-finding"))
    if state is None:
        raise Refused(f"finding {finding.finding_id} is {finding.state} already, by {finding.closed_by}; open a new one that refers to it")
    directory = index_people(people)
    person = directory.find(by)
    if person is None:
        raise NotFound(f"nobody is known by the name {by[:80]!r}; finding {finding.finding_id} stays open")
    check_may(person, "close-finding")
    may = " or ".join(sorted(CLOSERS[finding.kind]))
    asked = f"finding {finding.finding_id} ({finding.kind}) cannot be closed by {person.person_id}"
    if not person.roles & CLOSERS[finding.kind]:
        raise Refused(f"{asked}, who holds {', '.join(sorted(person.roles))}; it is for the role {may}")
    if finding.kind == "break-glass" and directory.accountable(finding.opened_by) == person.person_id:
        raise Refused(f"{asked}, who broke the glass; another {may} may close it")
    if person.person_id in authors:
        raise Refused(f"{asked}, who had a hand in {finding.subject}; somebody else in the role {may} may close it")
    return replace(finding, state=state, closed_by=person.person_id, closed_at=at, resolution=resolution, reopened="")


def reopen_finding(finding: Finding, fault: str) -> Finding:
    """Return a closed finding as it was before, since its closing does not count, for this reason."""
    told = f"that {finding.closed_by} closed it does not count: {fault}"
    return replace(finding, state="open", closed_by="", closed_at=None, resolution="", reopened=told)


def find_blocking(findings: Iterable[Finding], *subjects: str) -> tuple[Finding, ...]:
    """Return the open findings about these subjects that block a promotion, in the order given."""
    return tuple(item for item in findings if item.state == "open" and item.blocks_promotion and item.subject in subjects)
