"""Groups of duplicates: found against a brute-force search, kept apart by colour, cut in chains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from medalist.data.facts import Facts
from medalist.data.groups import CHAIN, MAX_BITS, Duplicates, direct_twins, duplicate_groups, duplicates
from medalist.data.ingest import facts_of
from medalist.store import hash_bytes

GREY = bytes([128] * 48).hex()


def picture(name: str, bits: int, colour: str = GREY) -> Facts:
    """A file of its own bytes and pixels with the perceptual hash `bits`; mirrored or cropped like no other."""
    drawn = "".join(hash_bytes(f"{name} {part}".encode()) for part in range(3))
    return Facts(
        True,
        hash=f"h{name}",
        pixel_hash=f"p{name}",
        phash=f"{bits:016x}",
        mirrored=drawn[:16],
        crops=drawn[16:160],
        colour=colour,
    )


def tint(level: int) -> str:
    return bytes([level] * 48).hex()


def test_groups_are_the_union_of_bytes_pixels_pictures_and_column() -> None:
    facts = [
        replace(picture("a", 2**64 - 1), pixel_hash="x"),
        Facts(False, "truncated", hash="b"),
        replace(picture("c", 2**64 - 1, tint(0)), pixel_hash="x"),  # pixels of the first
        Facts(False, "truncated", hash="b"),  # bytes of the second
        picture("d", 0xFFFFFFFFFFFFFFF0),  # 4 bits from the first
        Facts(False, "missing"),
        Facts(False, "missing"),
        picture("e", 0x00000000FFFFFFFF),
    ]
    assert duplicate_groups(facts).tolist() == [0, 1, 0, 1, 0, 2, 3, 4]
    column = np.array(["", "", "", "", "", "", "p1", "p1"])
    assert duplicate_groups(facts, column).tolist() == [0, 1, 0, 1, 0, 2, 3, 3]


def test_a_direct_twin_is_told_beyond_the_cut_of_a_chain() -> None:
    facts = [picture(str(bits), 2**64 - 2**bits) for bits in (0, 4, 8, 12)]
    assert duplicate_groups(facts).tolist() == [0, 0, 0, 1]
    facts += [Facts(False, "missing"), picture("far", 0x00FF00FF00FF00FF)]
    asked_N = np.array([False, False, False, True, True, True])
    assert direct_twins(facts, asked_N).tolist() == [-1, -1, -1, 2, -1, -1]
    assert direct_twins([], np.zeros(0, bool)).tolist() == []


def test_no_images_make_no_groups() -> None:
    assert duplicate_groups([]).tolist() == []
    assert duplicates([]) == []


def test_the_limits_are_4_bits_and_12_levels() -> None:
    base = picture("a", 0)
    for other, together in (
        (picture("b", 0b1111), True),
        (picture("b", 0b11111), False),
        (picture("b", 0, tint(140)), True),
        (picture("b", 0, tint(141)), False),
        (picture("b", 0b1111, tint(116)), True),
    ):
        assert (len(set(duplicate_groups([base, other]))) == 1) == together


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_near_pairs_are_found_as_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 12, dtype=np.uint64)
    hashes = np.repeat(centres, 4)
    for bit_flips in rng.integers(0, 64, (3, 48)).astype(np.uint64):
        hashes ^= np.uint64(1) << bit_flips
    levels = rng.choice([100, 108, 200], 48)
    group_N = duplicate_groups(
        [
            picture(str(i), int(bits), tint(int(level)))
            for i, (bits, level) in enumerate(zip(hashes, levels, strict=True))
        ]
    )
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= MAX_BITS
    near &= abs(levels[:, None] - levels[None]) <= 12
    # The flips keep each cluster within the limits of a chain, so that groups are plain connected components.
    reached = near
    for _ in range(6):
        reached = reached @ reached
    assert np.array_equal(reached, group_N[:, None] == group_N[None])


@given(st.integers(0, 10**6), st.integers(0, MAX_BITS + 1))
@settings(max_examples=40, deadline=None)
def test_mirrored_and_cropped_copies_are_found(seed: int, num_bits: int) -> None:
    rng = np.random.default_rng(seed)
    facts = []
    for pair in range(8):
        one = picture(f"{seed} {pair}", int(rng.integers(2**64, dtype=np.uint64)), tint(int(rng.integers(256))))
        off = sum(1 << int(bit) for bit in rng.choice(64, num_bits, replace=False))
        other = picture(f"{seed} {pair} other", int(rng.integers(2**64, dtype=np.uint64)), one.colour)
        of = (one.phash, one.mirrored)[pair % 2]
        copy = f"{int(of, 16) ^ off:016x}"
        at = 16 * int(rng.integers(9))
        crops = other.crops[:at] + copy + other.crops[at + 16 :]
        facts += [one, replace(other, mirrored=copy) if pair == 0 else replace(other, crops=crops)]
    order = rng.permutation(len(facts))
    group_N = duplicate_groups([facts[i] for i in order])
    found = {frozenset(order[np.flatnonzero(group_N == group)].tolist()) for group in group_N}
    planted = {frozenset((2 * pair, 2 * pair + 1)) for pair in range(8)}
    assert found == planted if num_bits <= MAX_BITS else len(found) == len(facts)


def test_copies_of_drawn_images_are_found_and_strangers_are_not(tmp_path: Path) -> None:
    rng, names = np.random.default_rng(3), []
    for number in range(12):
        coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((360, 280), Image.Resampling.BICUBIC)
        left, top = (int(rng.integers(side // 20 + 1)) for side in image.size)
        crop = (left, top, left + image.width * 19 // 20, top + image.height * 19 // 20)
        copies = [image, image.resize((200, 155)), ImageOps.mirror(image), image.crop(crop)]
        copies.append(ImageOps.mirror(copies[-1]))
        for kind, copy in enumerate(copies):
            names.append(f"{number}-{kind}.jpg")
            copy.save(tmp_path / names[-1], quality=85 if kind else 95)
    group_N = duplicate_groups(facts_of(tmp_path, names, cache=tmp_path / "cache"))
    assert group_N.tolist() == np.repeat(np.arange(12), 5).tolist()


def test_a_chain_is_cut_before_its_ends_are_strangers() -> None:
    # Each picture differs from the next in 4 bits: the k-th is 4 k bits from the first.
    facts = [picture(str(k), (1 << 4 * k) - 1) for k in range(16)]
    group_N = duplicate_groups(facts)
    for group in set(group_N):
        members = [int(facts[i].phash, 16) for i in np.flatnonzero(group_N == group)]
        assert all((members[0] ^ member).bit_count() <= CHAIN * MAX_BITS for member in members)
    assert len(set(group_N)) == 6  # of three: 0, 4 and 8 bits
    assert group_N[0] == group_N[1] == group_N[2]


def test_twenty_thousand_blank_pages_are_no_crowd() -> None:
    white = [picture(f"w{i}", 1 << 63, tint(255)) for i in range(20_000)]
    shades = [picture(f"s{i}", 1 << 63, bytes([i // 200 % 250, i % 200, *[90] * 46]).hex()) for i in range(20_000)]
    group_N = duplicate_groups(white + shades)
    assert set(group_N[:20_000]) == {0}
    assert 0 not in group_N[20_000:]


def test_numbers_follow_the_first_appearance() -> None:
    facts = [picture(str(k), bits) for k, bits in enumerate([0xFF00FF00FF00FF00, 0, 0xFF00FF00FF00FF01, 0xFFFF << 20])]
    assert duplicate_groups(facts).tolist() == [0, 1, 0, 2]


def test_the_odd_files(shared: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared("data/cases")
    names = sorted(path.name for path in root.iterdir())
    facts = facts_of(root, names, cache=tmp_path)
    group_N = duplicate_groups(facts)
    clusters = {tuple(names[i] for i in cluster.rows): cluster for cluster in duplicates(facts)}
    kinds = {rows: cluster.kind for rows, cluster in clusters.items()}
    assert kinds.pop(("cat.4126.jpg", "cat.4575.jpg")) == "near"
    assert kinds.pop(("dog.2027.jpg", "dog.3082.jpg")) == "bytes"
    assert kinds.pop(("boletus_edulis_158.jpg", "boletus_erythropus_46.jpg")) == "bytes"
    assert list(kinds) == [("00000006.png", "00000030.png")]  # two red shirts of the same cut and print
    blue, red = (group_N[names.index(name)] for name in ("00000099.png", "00000006.png"))
    hashes = [int(facts[names.index(name)].phash, 16) for name in ("00000099.png", "00000006.png")]
    assert (hashes[0] ^ hashes[1]).bit_count() <= MAX_BITS  # grey hashes do not tell them apart
    assert blue != red


def test_a_report_tells_the_kind() -> None:
    facts = [
        picture("a", 0),
        picture("b", 1),
        Facts(True, hash="hc", pixel_hash="px"),
        Facts(True, hash="hd", pixel_hash="px"),
    ]
    assert duplicates(facts) == [
        Duplicates((0, 1), "near"),
        Duplicates((2, 3), "pixels"),
    ]
