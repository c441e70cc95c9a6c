"""Vouching: on whose word a person is known here, as a tree that grows from whoever began the installation.

The founder is the first person of the ledger; nobody vouches for them. For everybody else it is whoever made them known, or last gave
them a role that signs or that vouches. A word counts only from somebody who does not rest on that person themselves: otherwise two
whom an author appointed could vouch for each other, and the author would be gone from the chain.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from incumbent.governance.acts import Role
from incumbent.governance.person import SIGNING, Directory, Key, Person

VOUCHED: frozenset[Role] = SIGNING | {"admin"}
"""The roles that are given on somebody's word: those whose sign-offs fill places, and the one that vouches for others."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """Somebody on whose word a signer's identity rests.

    Attributes:
        who: The name.
        did: What they did, "bound the key … of omar", or "vouches for yan, who bound the key … of omar".
        is_founder: They began this installation, and everybody's chain ends with them.
        is_direct: They did it themselves, and are no earlier link of a chain.
    """

    who: str
    did: str
    is_founder: bool = False
    is_direct: bool = True


@dataclass(frozen=True, slots=True)
class Word:
    """What one document of a person says of who stands behind it.

    Attributes:
        seq: Number of its entry.
        voucher: Who gives the person their word by it; "" if nobody does anew.
        grouped_by: Who set the reporting group that it names; "" without a group.
    """

    seq: int
    person_id: str
    voucher: str
    grouped_by: str


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who stands behind whom.

    Attributes:
        founder: Id of the first person; "" while nobody is registered.
        by: Person -> who vouches for them; the founder's is "".
        grouped_by: Person -> who set their reporting group last; "" without a group.
    """

    founder: str
    by: Mapping[str, str]
    grouped_by: Mapping[str, str]

    def chain(self, person_id: str) -> tuple[str, ...]:
        """Return who vouches for a person, who vouches for those, and so on: the founder last."""
        found: list[str] = []
        voucher = self.by.get(person_id, "")
        while voucher:
            found.append(voucher)
            voucher = self.by.get(voucher, "")
        return tuple(found)

    def may_vouch(self, voucher: str, person_id: str) -> bool:
        """Return whether a word of one counts for another: nobody's who rests on that other, or is them; and nobody's for the founder."""
        return person_id not in (self.founder, voucher, *self.chain(voucher))


@dataclass(frozen=True, slots=True)
class Backing:
    """On whose word it rests that a signature is its person's, by names: each vouches for the one before.

    Attributes:
        vouched: Who made the person known, or gave them the role; who vouches for those; and so on up to the founder.
        bound: Who bound the key that they signed with, and so on.
    """

    vouched: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The same as people read it; "" if nothing is known.

        >>> Backing(("ben", "ada"), ("ben", "ada")).words
        'vouched for and key bound by ben, on the word of ada'
        >>> Backing(("ada",), ("ben", "ada")).words
        'vouched for by ada, key bound by ben, on the word of ada'
        """
        if self.vouched == self.bound:
            return f"vouched for and key bound by {_tell_chain(self.bound)}" if self.bound else ""
        found = {"vouched for": self.vouched, "key bound": self.bound}
        return ", ".join(f"{what} by {_tell_chain(names)}" for what, names in found.items() if names)


NO_BACKING = Backing()
"""Of somebody for whom nobody is known to vouch."""


def _tell_chain(names: Iterable[str]) -> str:
    return ", on the word of ".join(names)


def find_backing(vouching: Vouching, key: Key) -> Backing:
    """Return on whose word it rests that what a key signed is its person's."""
    bound = (key.bound_by, *vouching.chain(key.bound_by)) if key.bound_by else ()
    return Backing(vouching.chain(key.person_id), bound)


def grow(words: Iterable[Word]) -> Vouching:
    """Return who stands behind whom after these words, given oldest first.

    >>> told = [Word(1, "ann", "ann", ""), Word(2, "yan", "ann", ""), Word(3, "zoe", "yan", ""), Word(4, "yan", "zoe", "")]
    >>> grow(told).chain("zoe")
    ('yan', 'ann')
    """
    founder, by, grouped_by = "", dict[str, str](), dict[str, str]()
    for word in words:
        founder = founder or word.person_id
        if word.person_id not in by:
            by[word.person_id] = ""
        if word.voucher and Vouching(founder, by, grouped_by).may_vouch(word.voucher, word.person_id):
            by[word.person_id] = word.voucher
        grouped_by[word.person_id] = word.grouped_by
    return Vouching(founder, by, grouped_by)


def list_vouchers(vouching: Vouching, person_id: str, key: Key | None = None, *, is_grouped: bool = False) -> tuple[Voucher, ...]:
    """Return on whose word it rests who a person is, each followed by their own chain up to the founder.

    Args:
        vouching: Who stands behind whom.
        person_id: The person.
        key: Which they sign with; whoever bound it is asked about too.
        is_grouped: Their reporting group matters; whoever set it is asked about too.
    """
    said = [(vouching.by.get(person_id, ""), f"made {person_id} known here, or gave them the role")]
    if key is not None:
        said.append((key.bound_by, f"bound the key {key.key_id} of {key.person_id}"))
    if is_grouped:
        said.append((vouching.grouped_by.get(person_id, ""), f"set the reporting group of {person_id}"))
    found = []
    for who, did in said:
        if who and who != person_id:
            found += follow(vouching, who, did)
    return tuple(found)


def follow(vouching: Vouching, who: str, did: str) -> list[Voucher]:
    """Return somebody who gave their word, and everybody on whose word they are known in turn."""
    found = [Voucher(who, did, who == vouching.founder)]
    for earlier in vouching.chain(who):
        did = f"vouches for {who}, who {did}"
        who = earlier
        found.append(Voucher(who, did, who == vouching.founder, is_direct=False))
    return found


def find_own_word(vouching: Vouching, person: Person, key: Key | None = None, *, is_grouped: bool = False) -> str:
    """Return in words what about a person rests on nobody's word but their own, and what to do; "" if nothing does.

    An admin binds their own first key, and is known to be one. Who is an admin no more has a key that nobody else ever looked at.
    """
    if "admin" in person.roles:
        return ""
    if key is not None and key.bound_by == person.person_id:
        return (
            f"{person.person_id} bound their own key {key.key_id}, as an admin, which they are no more; another admin binds it with "
            f"`incumbent keys bind {key.key_id}`"
        )
    if is_grouped and vouching.grouped_by.get(person.person_id) == person.person_id:
        return (
            f"{person.person_id} set their own reporting group, as an admin, which they are no more; another admin sets it with "
            f"`incumbent users change {person.person_id} --group …`"
        )
    return ""


def find_author(vouchers: Iterable[Voucher], authors: Collection[str], directory: Directory) -> Voucher | None:
    """Return the first voucher whose work in a lineage bars whom they vouch for, or None.

    The founder bars only those for whom they gave their word themselves: everybody's chain ends with them, and where they are an author
    nobody could sign at all. That it does is said wherever the sign-offs are shown (`find_founder`).

    Args:
        vouchers: On whose word an identity rests.
        authors: Ids of the accountable persons of the lineage.
        directory: Everybody known.
    """
    return next(
        (one for one in vouchers if directory.accountable(one.who) in authors and (one.is_direct or not one.is_founder)),
        None,
    )


def find_founder(vouchers: Iterable[Voucher], authors: Collection[str], directory: Directory) -> str:
    """Return the founder if they are an author and everything here rests on their word in the end; "" otherwise."""
    return next((one.who for one in vouchers if one.is_founder and directory.accountable(one.who) in authors), "")


def tell_voucher(voucher: Voucher, subject: str) -> str:
    """Return in words why an identity does not count for a version: whoever vouched could be its only witness."""
    return f"{voucher.who} {voucher.did}, and had a hand in {subject}"


def tell_founder(founder: str) -> str:
    """Return in words that no sign-off is further from an author than this installation's beginning."""
    return f"all of this rests on {founder}, who began this installation and is an author"
