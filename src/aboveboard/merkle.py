"""Merkle trees on plain bytes: roots, inclusion and consistency proofs as RFC 6962 hashes and RFC 9162 checks them.

Takes hashes and integers and knows nothing of entries, rows or files. Proofs are made through a callback that gives the
hash of a complete subtree, so that a list in memory and tiles on a disk serve alike. Checks return None or raise
VerificationError. Specification: docs/formats/log.md, "Trees".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from struct import Struct

from aboveboard import kernel
from aboveboard.errors import VerificationError

WIDTH = 32
"""Bytes in a hash."""
TILE_HEIGHT = 8
"""Every so many levels are kept: a tile is 256 hashes of one level and all that follows from them."""
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

Node = Callable[[int, int], bytes]
"""``node(level, index)``: the hash over the leaves ``[index << level, (index + 1) << level)``, all of which exist."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00, data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side: SHA-256(0x01, left, right)."""
    return sha256(b"\x01" + left + right).digest()


# --- whole trees --------------------------------------------------------------------------------------------------


def levels(leaves: bytes | Sequence[bytes]) -> list[bytes]:
    """Every complete subtree of a tree, level by level, hashes one behind another; level 0 are the leaf hashes.

    ``leaves`` are leaf hashes: a sequence, or already one behind another. No leaves, no levels.
    """
    level, found = _one_behind_another(leaves), []
    while level:
        found.append(level)
        made = kernel.above(level)
        level = _above(level) if made is None else made
    return found


def _one_behind_another(leaves: bytes | Sequence[bytes]) -> bytes:
    level = leaves if isinstance(leaves, bytes) else b"".join(leaves)
    if len(level) % WIDTH:
        raise ValueError(f"leaf hashes are {WIDTH} bytes each")
    return level


def root_of(leaves: bytes | Sequence[bytes]) -> bytes:
    """The root over leaf hashes (see ``levels``); ``EMPTY`` where there are none."""
    level = _one_behind_another(leaves)
    found = kernel.root(level) if level else None
    return root_in(levels(level)) if found is None else found


def root_in(found: Sequence[bytes]) -> bytes:
    """The root of a tree whose complete subtrees are these ``levels``."""
    return _folded(level[-WIDTH:] for level in found if len(level) // WIDTH % 2)


def node_of(leaves: bytes | Sequence[bytes]) -> Node:
    """The callback that proofs are made through, over leaf hashes in memory (see ``levels``)."""
    found = levels(leaves)
    return lambda level, index: found[level][index * WIDTH : (index + 1) * WIDTH]


def _above(level: bytes) -> bytes:
    """The level above, where there is no kernel. This is what the time of a large tree goes into: a hash that has seen the
    prefix is copied for each pair, which spares making one and joining bytes (a seventh)."""
    begun, found = sha256(b"\x01").copy, []
    for (pair,) in _PAIR.iter_unpack(level[: len(level) // 64 * 64]):
        node = begun()
        node.update(pair)
        found.append(node.digest())
    return b"".join(found)


_PAIR = Struct("64s")


def _folded(peaks: Iterable[bytes]) -> bytes:
    """The root over the roots of the complete subtrees that a tree consists of, the smallest first."""
    root = b""
    for peak in peaks:
        root = node_hash(peak, root) if root else peak
    return root or EMPTY


class Range:
    """A tree that only grows, kept as the roots of its complete subtrees: at most one for each bit of its size.

    ``peaks`` are in the order of the leaves, so the largest is first. Not safe to share between threads.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of size {size} has {size.bit_count()} peaks")

    def append(self, leaf: bytes) -> None:
        """Take one more leaf hash in."""
        size, node = self.size, leaf
        while size & 1:
            node, size = node_hash(self.peaks.pop(), node), size >> 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it now is."""
        return _folded(reversed(self.peaks))


def root_over(pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """The root over leaf hashes that come in pieces of any size, one behind another, and how many they are. Not all of them
    have to be in memory at a time."""
    tree, left, size = Range(), b"", 0
    for piece in pieces:
        left += piece
        whole = len(left) // _BLOCK * _BLOCK
        for at in range(0, whole, _BLOCK):  # complete subtrees of one size are leaves of the tree over them
            tree.append(root_of(left[at : at + _BLOCK]))
        left, size = left[whole:], size + len(piece) // WIDTH
    return _folded([*([root_of(left)] if left else []), *reversed(tree.peaks)]), size


_BLOCK = WIDTH << 14


def peaks_of(size: int, node: Node) -> list[bytes]:
    """The peaks of the tree of the first ``size`` leaves, as ``Range`` wants them."""
    found, begin = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            found.append(node(level, begin >> level))
            begin += 1 << level
    return found


def root_at(size: int, node: Node) -> bytes:
    """The root of the tree of the first ``size`` leaves."""
    return _folded(reversed(peaks_of(size, node)))


# --- making proofs ------------------------------------------------------------------------------------------------


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """The path from leaf ``index`` to the root of the first ``size`` leaves, from the leaf upwards (RFC 6962, 2.1.1).

    Raises ValueError for a leaf that is not in that tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of size {size}")
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_span(middle, end, node))
            end = middle
        else:
            path.append(_span(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency(before: int, after: int, node: Node) -> list[bytes]:
    """The proof that the tree of ``before`` leaves is the beginning of the tree of ``after`` (RFC 6962, 2.1.2).

    Empty where ``before`` is 0 or equal to ``after``. Raises ValueError for a tree that shrinks.
    """
    if not 0 <= before <= after:
        raise ValueError(f"a tree of size {after} does not begin with one of size {before}")
    if before in (0, after):
        return []
    path, begin, end = [], 0, after
    while before != end:
        middle = begin + _split(end - begin)
        if before <= middle:
            path.append(_span(middle, end, node))
            end = middle
        else:
            path.append(_span(begin, middle, node))
            begin = middle
    # Where the smaller tree is complete the checker knows its root already: it is not sent.
    return [*([_span(begin, end, node)] if begin else []), *path[::-1]]


def _split(size: int) -> int:
    """The largest power of two below ``size``: where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def _span(begin: int, end: int, node: Node) -> bytes:
    """The root over the leaves ``[begin, end)``; ``begin`` is a multiple of the power of two that they fit in."""
    peaks = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        peaks.append(node(level, begin >> level))
        begin += 1 << level
    return _folded(reversed(peaks))


# --- checking proofs ----------------------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """That the leaf hash ``leaf`` stands at ``index`` in the tree of ``size`` leaves with this root.

    Follows RFC 9162, 2.1.3.2. Raises VerificationError for anything else.
    """
    _refuse_odd_hashes([leaf, root, *proof])
    if not 0 <= index < size:
        raise VerificationError(f"entry {index} cannot be in a log of size {size}")
    place, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise VerificationError("the inclusion proof is too long", index=index, size=size)
        if place & 1 or place == last:
            found = node_hash(step, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    if last:
        raise VerificationError("the inclusion proof is too short", index=index, size=size)
    if found != root:
        raise VerificationError("the inclusion proof leads to another root", index=index, size=size)


def verify_consistency(before: int, after: int, proof: Sequence[bytes], old: bytes, new: bytes) -> None:
    """That the tree of ``after`` leaves with root ``new`` begins with the tree of ``before`` leaves with root ``old``.

    Follows RFC 9162, 2.1.4.2. Every tree begins with the empty one, by an empty proof, provided that ``old`` is the
    root of the empty tree. Raises VerificationError for anything else.
    """
    if not 0 <= before <= after:
        raise VerificationError(f"a log of size {after} cannot follow one of size {before}")
    if before == after:
        return _verify_same(after, proof, old, new)
    _refuse_odd_hashes([old, new, *proof])
    if before == 0:
        return _verify_first(proof, old)
    if not proof:
        raise VerificationError("the consistency proof is empty", before=before, after=after)
    steps = list(proof) if before & (before - 1) else [old, *proof]
    place, last = before - 1, after - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = grown = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise VerificationError("the consistency proof is too long", before=before, after=after)
        if place & 1 or place == last:
            was, grown = node_hash(step, was), node_hash(step, grown)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            grown = node_hash(grown, step)
        place, last = place >> 1, last >> 1
    if last:
        raise VerificationError("the consistency proof is too short", before=before, after=after)
    if (was, grown) != (old, new):
        raise VerificationError("the larger log does not begin with the smaller one", before=before, after=after)
    return None


def _verify_same(size: int, proof: Sequence[bytes], old: bytes, new: bytes) -> None:
    if proof:
        raise VerificationError("a consistency proof is given where none is needed", size=size)
    if old != new:
        raise VerificationError("two logs of one size have different roots", size=size)
    if size == 0 and new != EMPTY:
        raise VerificationError("the root of an empty log is another one", size=size)


def _verify_first(proof: Sequence[bytes], old: bytes) -> None:
    if proof:
        raise VerificationError("a consistency proof is given where none is needed", before=0)
    if old != EMPTY:
        raise VerificationError("the root of an empty log is another one", size=0)


def _refuse_odd_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(one) != WIDTH for one in hashes):
        raise VerificationError(f"a hash of a proof does not have {WIDTH} bytes")
