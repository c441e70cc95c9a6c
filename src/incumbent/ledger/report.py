"""What a verified export's report says: numbered claims, each passed, failed or skipped. Part of the verifier that travels with exports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CLAIMS = {
    1: "the archive holds an export and nothing else",
    2: "every entry has the one form that an entry can have",
    3: "entries are numbered from 0 without a gap, as many as the manifest says",
    4: "all entries are of one ledger and one tenant",
    5: "times never go backwards",
    6: "the ledger begins once, and each new key follows the one that ruled",
    7: "the root of every checkpoint is that of the entries it covers",
    8: "every checkpoint is signed by the key that ruled, a rotation by both",
    9: "the newest checkpoint covers every entry",
    10: "acts of a person's will are signed with a key of that person",
    11: "documents are those whose digests entries name",
    12: "texts are those that were committed to, or were erased by an entry",
    13: "checkpoints noted elsewhere are of this ledger's past",
    14: "the given witnesses have seen this ledger",
    15: "the given key is one that ruled",
}
NOT_ASKED = {
    13: "no --pin: a ledger rewritten whole with its own key, or restored from an old backup, would pass",
    14: "no --witness",
    15: "no --key: the key that the first entry names is taken at its word",
}
PROBLEMS_MAX = 1_000
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One claim and what became of it.

    Attributes:
        outcome: "passed", "failed", or "skipped" when what it needs was not given or could not be read.
        detail: What was found.
    """

    number: int
    claim: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement of an export.

    Attributes:
        missing: How many documents entries name that are not in it: nothing was seen of them.
    """

    log: str
    size: int
    root: str
    checks: tuple[Check, ...]
    missing: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing failed, and nothing that every export allows was left unchecked."""
        return all(check.outcome == "passed" or (check.outcome == "skipped" and check.number > 12) for check in self.checks)

    @property
    def is_incomplete(self) -> bool:
        """Whether all that is here is sound, and documents are not here."""
        return self.missing > 0 and all(c.outcome == "passed" or (c.outcome == "skipped" and c.number > 10) for c in self.checks)


class TooMuch(Exception):
    """There is so much wrong that looking further says nothing more."""


class Findings:
    """What is wrong, by check."""

    def __init__(self) -> None:
        self.problems: dict[int, list[str]] = {}
        self.counts: dict[int, int] = {}

    def fail(self, number: int, problem: str) -> None:
        """Note a problem. Raises TooMuch after a thousand of one check."""
        self.counts[number] = self.counts.get(number, 0) + 1
        if self.counts[number] <= _SHOWN:
            self.problems.setdefault(number, []).append(_plain(problem))
        if self.counts[number] >= PROBLEMS_MAX:
            raise TooMuch

    def checks(self, details: Mapping[int, str], skipped: Mapping[int, str]) -> Iterator[Check]:
        """Yield every check with its outcome."""
        for number, claim in CLAIMS.items():
            if number in self.problems:
                more = self.counts[number] - len(self.problems[number])
                yield Check(number, claim, "failed", "; ".join(self.problems[number]) + (f"; and {more} more" if more else ""))
            elif number in skipped:
                yield Check(number, claim, "skipped", skipped[number])
            elif number in details or number == 1:
                yield Check(number, claim, "passed", _plain(details.get(number, "")))
            else:
                yield Check(number, claim, "skipped", "the export could not be read so far")


def report_text(report: Report) -> str:
    """Return the report for people."""
    lines = [f"{check.number:3} {check.outcome:8}{check.claim}{': ' if check.detail else ''}{check.detail}" for check in report.checks]
    head = f"ledger {_plain(report.log) or '?'}, {report.size} entries, root {report.root or '?'}"
    return "\n".join([head, *lines, verdict(report)]) + "\n"


def verdict(report: Report) -> str:
    """Return the last line of a report."""
    if report.is_incomplete:
        return f"INCOMPLETE: the entries are sound; {report.missing} documents are not in this export, and were not verified"
    return "SOUND" if report.is_sound else "NOT SOUND"


def _plain(text: str) -> str:
    """Return a text that no terminal takes for a command."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
