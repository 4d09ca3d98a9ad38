"""Trees as RFC 6962 hashes them: published vectors, another implementation, and proofs that bear no change."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aboveboard import merkle
from aboveboard.errors import VerificationError

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("ABOVEBOARD_DATA", HERE.parent.parent / "shared" / "data"))
VECTORS = DATA / "vectors" / "transparency-dev-merkle"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="no vectors/transparency-dev-merkle in ABOVEBOARD_DATA")


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(n).encode()) for n in range(count)]


def plain_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word: the definition that everything else has to agree with."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + plain_root(hashes[:split]) + plain_root(hashes[split:])).digest()


# --- published vectors --------------------------------------------------------------------------------------------


@needs_vectors
def test_the_classic_trees() -> None:
    known = json.loads((VECTORS / "rfc6962-trees.json").read_bytes())
    hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in known["leaves"]]
    for size, root in enumerate(known["roots_by_size"]):
        assert merkle.root_of(hashes[:size]).hex() == root
    for level, nodes in enumerate(known["nodes"].values()):
        assert merkle.levels(hashes)[level].hex() == "".join(nodes)
    assert merkle.EMPTY.hex() == known["hashes"]["empty"]
    assert merkle.leaf_hash(b"L123456").hex() == known["hashes"]["leaf:L123456"]
    assert merkle.node_hash(b"N123", b"N456").hex() == known["hashes"]["node:N123,N456"]


@pytest.mark.parametrize("block", [1, 4, 16_384])
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 5))
def test_a_tree_may_come_in_pieces(block: int, sizes: Sequence[int], more: int) -> None:
    """Whatever the pieces are, and wherever a block ends: the root, and how many leaves there were."""
    hashes = leaves(sum(sizes) + more)
    ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
    pieces = [b"".join(hashes[a:b]) for a, b in itertools.pairwise([0, *ends, len(hashes)])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merkle, "_BLOCK", block * merkle.WIDTH)
        assert merkle.root_over(pieces) == (plain_root(hashes), len(hashes))


def probes() -> Iterator[tuple[str, dict[str, object]]]:
    for kind in ("inclusion", "consistency"):
        for path in sorted((VECTORS / "testdata" / kind).rglob("*.json")):
            yield path.relative_to(VECTORS / "testdata").as_posix(), json.loads(path.read_bytes())


def run(name: str, probe: dict[str, object]) -> None:
    def decoded(key: str) -> bytes:
        return base64.b64decode(str(probe[key] or ""))

    proof = [base64.b64decode(one) for one in probe["proof"] or ()]  # type: ignore[union-attr]
    if name.startswith("inclusion"):
        index, size = int(str(probe["leafIdx"])), int(str(probe["treeSize"]))
        merkle.verify_inclusion(decoded("leafHash"), index, size, proof, decoded("root"))
    else:
        before, after = int(str(probe["size1"])), int(str(probe["size2"]))
        merkle.verify_consistency(before, after, proof, decoded("root1"), decoded("root2"))


@needs_vectors
def test_every_probe_is_judged_as_published() -> None:
    found = dict(probes())
    assert len(found) == 196
    for name, probe in found.items():
        refused = False
        try:
            run(name, probe)
        except VerificationError:
            refused = True
        assert refused == probe["wantErr"], name


SIZE_0 = {
    "1/size1-sub-@1": "none is needed",
    "3/size1-XOR-@2": "none is needed",
    "additional/consistency-check-on-empty-tree-size1-is-zero-is-useless": "none is needed",
    "additional/size1-is-zero-and-size2-is-not-zero": "does not have 32 bytes",
    "additional/size1-is-zero-and-does-not-equal-size2": "does not have 32 bytes",
}
"""The probes that begin with an empty tree. Whoever published them refuses every proof that does; we refuse these for
what is wrong with them (a proof, roots that are no hashes) and take an empty proof, as witnesses do for `old 0`."""


@needs_vectors
def test_what_the_probes_of_size_0_are_refused_for() -> None:
    found = dict(probes())
    begun = {path for path, probe in found.items() if probe.get("size1") == 0 and probe["size2"] != 0}
    assert begun == {f"consistency/{name}.json" for name in SIZE_0}
    for name, why in SIZE_0.items():
        with pytest.raises(VerificationError, match=why):
            run(f"consistency/{name}.json", found[f"consistency/{name}.json"])


# --- size 0 -------------------------------------------------------------------------------------------------------


def test_every_tree_begins_with_the_empty_one() -> None:
    hashes = leaves(3)
    assert merkle.root_of([]) == merkle.EMPTY
    assert merkle.levels([]) == []
    merkle.verify_consistency(0, 0, [], merkle.EMPTY, merkle.EMPTY)
    merkle.verify_consistency(0, 3, [], merkle.EMPTY, merkle.root_of(hashes))
    for before, after, old, new in ((0, 3, hashes[0], hashes[1]), (0, 0, hashes[0], hashes[0])):
        with pytest.raises(VerificationError, match="the root of an empty log is another one"):
            merkle.verify_consistency(before, after, [], old, new)


# --- another implementation -----------------------------------------------------------------------------------------


def test_pymerkle_agrees() -> None:
    pymerkle = pytest.importorskip("pymerkle")
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 70):
        tree.append_entry(str(size - 1).encode())
        hashes = leaves(size)
        node = merkle.node_of(hashes)
        assert tree.get_root(size) == merkle.root_of(hashes)
        for index in range(0, size, 7):
            theirs = tree.prove_inclusion(index + 1, size).path
            assert theirs[0] == hashes[index]
            assert theirs[1:] == merkle.inclusion(index, size, node)


# --- laws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(34), 63, 64, 65, 255, 256, 257, 1000])
def test_all_ways_to_a_root_agree(size: int) -> None:
    hashes = leaves(size)
    grown = merkle.Range()
    for leaf in hashes:
        grown.append(leaf)
    node = merkle.node_of(hashes)
    resumed = merkle.Range(size, merkle.peaks_of(size, node))
    assert plain_root(hashes) == merkle.root_of(hashes) == merkle.root_of(b"".join(hashes)) == grown.root()
    assert merkle.root_at(size, node) == resumed.root() == grown.root()
    assert grown.size == size


@pytest.mark.parametrize("size", range(1, 40))
def test_every_proof_of_a_small_tree_holds(size: int) -> None:
    hashes = leaves(size)
    node, root = merkle.node_of(hashes), merkle.root_of(hashes)
    for index in range(size):
        merkle.verify_inclusion(hashes[index], index, size, merkle.inclusion(index, size, node), root)
    for before in range(size + 1):
        old = merkle.root_of(hashes[:before])
        merkle.verify_consistency(before, size, merkle.consistency(before, size, node), old, root)


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[bytes], int]:
    size = draw(st.integers(2, 600))
    return leaves(size), draw(st.integers(0, size - 1))


def flipped(data: bytes, bit: int) -> bytes:
    at = bit % (len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


@settings(max_examples=150, deadline=None)
@given(tree=trees(), bit=st.integers(0, 2**16), where=st.integers(0, 2**16))
def test_an_inclusion_proof_bears_no_change(tree: tuple[list[bytes], int], bit: int, where: int) -> None:
    hashes, index = tree
    size, node, root = len(hashes), merkle.node_of(hashes), merkle.root_of(hashes)
    proof = merkle.inclusion(index, size, node)
    merkle.verify_inclusion(hashes[index], index, size, proof, root)
    place = where % len(proof)
    damaged = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
    cases = [
        (flipped(hashes[index], bit), index, size, proof, root),
        (hashes[index], index, size, damaged, root),
        (hashes[index], index, size, proof, flipped(root, bit)),
        (hashes[index], index, size, [*proof, proof[0]], root),
        (hashes[index], index, size, proof[:-1], root),
        (hashes[index], (index + 1 + where % (size - 1)) % size, size, proof, root),
        (hashes[index], -1, size, proof, root),
        (hashes[index], index, 0, proof, root),
    ]
    for case in cases:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(*case)


@settings(max_examples=150, deadline=None)
@given(tree=trees(), bit=st.integers(0, 2**16), where=st.integers(0, 2**16))
def test_a_consistency_proof_bears_no_change(tree: tuple[list[bytes], int], bit: int, where: int) -> None:
    hashes, before = tree
    before = max(before, 1)
    after, node = len(hashes), merkle.node_of(hashes)
    old, new = merkle.root_of(hashes[:before]), merkle.root_of(hashes)
    proof = merkle.consistency(before, after, node)
    merkle.verify_consistency(before, after, proof, old, new)
    place = where % len(proof)
    damaged = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
    for case in (
        (before, after, damaged, old, new),
        (before, after, proof, flipped(old, bit), new),
        (before, after, proof, old, flipped(new, bit)),
        (before, after, [*proof, proof[0]], old, new),
        (before, after, proof[:-1], old, new),
        (before, after, [], old, new),
        (after, before, proof, new, old),
        (after, after, proof, new, new),
        (0, after, proof, merkle.EMPTY, new),
    ):
        with pytest.raises(VerificationError):
            merkle.verify_consistency(*case)


def test_what_cannot_be_asked_is_an_error_and_not_a_proof() -> None:
    node = merkle.node_of(leaves(5))
    for index in (-1, 5, 6):
        with pytest.raises(ValueError, match=f"leaf {index} is not in a tree of size 5"):
            merkle.inclusion(index, 5, node)
    with pytest.raises(ValueError, match="does not begin with"):
        merkle.consistency(6, 5, node)
    with pytest.raises(ValueError, match="32 bytes each"):
        merkle.root_of(b"short")
    with pytest.raises(ValueError, match="has 2 peaks"):
        merkle.Range(3, [])
    with pytest.raises(VerificationError, match="does not have 32 bytes"):
        merkle.verify_inclusion(b"", 0, 1, [], b"")
