"""Independence: nobody judges their own work, under whatever name they did it.

The caller collects what people did in a version's lineage since its last approved ancestor: commits, runs, changes of data,
prompts and policies, the registration. Each is led back to the person who answers for it; that person may not validate,
approve or accept its risk (research/governance, rule 1). Two accounts count as one, a service counts as its owner. A name that
nobody is known by stays itself: `find_unknown` lists such names, since any of them may be somebody who is about to sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.governance.acts import get_act
from incumbent.governance.fields import check_line, read_fields
from incumbent.governance.person import Directory, Person, index_people

Work = Literal["commit", "run", "data", "prompt", "policy", "tier", "registration", "account"]
WORKS: tuple[Work, ...] = get_args(Work)
_DID = {
    "commit": "wrote commit",
    "run": "started run",
    "data": "changed data",
    "prompt": "edited prompt",
    "policy": "set policy",
    "tier": "lowered",
    "registration": "registered",
    "account": "let their account of the system be used for",
}


@dataclass(frozen=True, slots=True)
class Authorship:
    """One thing that somebody did in a version's lineage.

    Attributes:
        who: The name it was done under: a person's id, a git e-mail, a service.
        what: What kind of work.
        ref: Which one: a commit's hash, a run's id, a digest, MODEL@VERSION.

    Raises:
        InvalidInput: The kind of work is none, or a name is blank or cannot be shown.
    """

    who: str
    what: Work
    ref: str

    def __post_init__(self) -> None:
        check_line(self.who, "who did it")
        check_line(self.ref, "what was done")
        if self.what not in WORKS:
            raise InvalidInput(f"{self.what[:80]!r} is no kind of work; there are: {', '.join(WORKS)}")

    def to_json(self) -> Document:
        """Return the document form."""
        return {"who": self.who, "what": self.what, "ref": self.ref}


def authorship_from_json(document: Json) -> Authorship:
    """Return what `Authorship.to_json` wrote.

    Raises:
        InvalidInput: It is no such document.
    """
    found = read_fields(document, "an authorship", ("who", "what", "ref"))
    return Authorship(found.text("who"), cast(Work, found.text("what")), found.text("ref"))  # checked by Authorship


def authors(authorships: Iterable[Authorship], people: Iterable[Person]) -> frozenset[str]:
    """Return the ids of the accountable persons, and the names that nobody is known by, of those who had a hand in the making.

    Whoever lowered what a tier asks for may not fill its places, and made nothing of the version: their word of who others are counts.

    Raises:
        InvalidInput: The people do not fit together.
    """
    directory = index_people(people)
    return frozenset(directory.accountable(work.who) for work in authorships if work.what != "tier")


def find_unknown(authorships: Iterable[Authorship], people: Iterable[Person]) -> tuple[str, ...]:
    """Return the names in a lineage that lead to no known person, sorted.

    Accounts of the system are left out: many machines have one that is nobody's, such as root.

    Raises:
        InvalidInput: The people do not fit together.
    """
    directory = index_people(people)
    names = {work.who for work in authorships if work.what != "account"}
    return tuple(sorted(name for name in names if directory.find(directory.accountable(name)) is None))


def find_own_work(person_id: str, authorships: Iterable[Authorship], directory: Directory) -> Authorship | None:
    """Return the first work in the lineage that this person answers for, or None."""
    accountable = directory.accountable(person_id)
    return next((work for work in authorships if directory.accountable(work.who) == accountable), None)


def tell_work(person_id: str, work: Authorship, subject: str, directory: Directory) -> str:
    """Return in words what a person did, and under which name if it was another: "ann wrote commit 1a2b3c in … (as …)"."""
    accountable = directory.accountable(person_id)
    ref = work.ref[:12] if work.what == "commit" else work.ref
    account = directory.find(work.who)
    other = "" if work.who == accountable else f" (through {work.who})" if account and account.kind == "service" else f" (as {work.who})"
    place = "" if work.ref == subject else f" in {subject}'s lineage"
    return f"{accountable} {_DID[work.what]} {ref}{place}{other}"


def check_independence(
    person: str, act: str, authorships: Iterable[Authorship], people: Iterable[Person], *, subject: str = "this version"
) -> None:
    """Pass if the act asks for no independence, or the person had no hand in what it is about.

    Args:
        person: Id or alias of who is to act.
        act: A governed act, such as "approve".
        authorships: What was done in the lineage since the last approved ancestor.
        people: Everybody known.
        subject: What it is about, for the message: "flights-late@2".

    Raises:
        InvalidInput: The act does not exist, or the people do not fit together.
        Refused: They had; the message names which work of theirs, and the name they did it under.

    >>> check_independence("ann", "approve", [Authorship("ann", "run", "r-7")], [], subject="flights-late@2")
    Traceback (most recent call last):
    incumbent.base.errors.Refused: ann may not approve: ann started run r-7 in flights-late@2's lineage; somebody without a hand in it may
    """
    if not get_act(act).is_independent:
        return
    directory = index_people(people)
    work = find_own_work(person, authorships, directory)
    if work is not None:
        told = tell_work(person, work, subject, directory)
        raise Refused(f"{directory.accountable(person)} may not {act}: {told}; somebody without a hand in it may")
