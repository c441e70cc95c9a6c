"""Growing the Merkle tree of RFC 9162: which nodes an appended leaf completes, and the root of what is there.

A node is complete when the tree holds all leaves below it; complete nodes never change, so they are stored once, under
(level, index): level 0 are the leaves. The frontier of a tree of n leaves is the one complete node for each 1 in n's binary form.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """A complete node."""

    level: int
    index: int
    hash: bytes


def frontier_places(size: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the complete nodes that a tree of `size` leaves is made of, from the left.

    >>> list(frontier_places(7))
    [(2, 0), (1, 2), (0, 6)]
    """
    start = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield level, start >> level
            start += 1 << level


class Tree:
    """A tree as far as appending needs it.

    Args:
        size: How many leaves are there.
        frontier: The hashes at `frontier_places(size)`.
    """

    def __init__(self, size: int, frontier: Sequence[bytes]) -> None:
        places = list(frontier_places(size))
        if len(places) != len(frontier):
            raise ValueError(f"a tree of {size} leaves has a frontier of {len(places)} nodes, not {len(frontier)}")
        self.size = size
        self._frontier = [Node(level, index, found) for (level, index), found in zip(places, frontier, strict=True)]

    def append(self, body: bytes) -> list[Node]:
        """Add a leaf and return the nodes that it completes, the leaf first."""
        node = Node(0, self.size, leaf_hash(body))
        made = [node]
        while self._frontier and self._frontier[-1].level == node.level:
            left = self._frontier.pop()
            node = Node(node.level + 1, left.index >> 1, node_hash(left.hash, node.hash))
            made.append(node)
        self._frontier.append(node)
        self.size += 1
        return made

    def root(self) -> bytes:
        """Return the root (RFC 9162 §2.1.1)."""
        if not self._frontier:
            return EMPTY_ROOT
        *rest, last = self._frontier
        found = last.hash
        for node in reversed(rest):
            found = node_hash(node.hash, found)
        return found
