"""Copies that no hash tells: cut further, turned, tilted. Features propose pairs, pixels decide.

Each image's nearest neighbours by cosine are proposed, whatever their class. A pair is one picture where one of them,
turned by quarters or mirrored perhaps, lies on a part of the other: found by trying places and turns on small pictures,
then fitted by an affine map (Lucas & Kanade 1981). The fitted pictures must agree in colour, as wholes and in detail:
as wholes two red shirts on white do too. Two shots of one scene, from nearly the same place, are one picture as well.

Axes: N images, D features, L pairs, W windows of a picture, T turns, H W pixels, S samples a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from medalist.data.decode import Preprocessing
from medalist.data.facts import Facts
from medalist.data.groups import Pairs, duplicate_groups, joined
from medalist.data.ingest import ingest
from medalist.data.table import ImageTable
from medalist.progress import Sink, ignore, track

NEIGHBOURS = 8  # proposed of each image: nine in ten quarter turns are among them
SIDE, COARSE = 48, 16  # pixels a side of the small pictures, and of those on which places are tried
SHARES = {1.0: 1, 0.9: 3, 0.8: 4, 0.7: 5}  # of a side that a window shows, and how many places it has along it
PROMISING = 0.7  # correlation of the coarse pictures from which on a pair is fitted
SAME = 0.95  # correlation of fitted pictures and of their detail: of copies 0.97 and more, of strangers up to 0.92
FLAT = 1.0  # level of 255: what has a smaller standard deviation correlates the less
CENTRE = 0.1  # of each side, left out where fitted pictures are compared: corners of a tilted one, borders
STEPS, HALFWAY, HOPELESS = 12, 4, 0.85  # of the fit; it ends half way where wholes correlate less
DETAIL = 3.0  # pixels: what a Gaussian of this width takes away are large shapes
LEAST, MOST = 0.3, 1.5  # share of the whole that a part covers; a fit that shrinks it further has found a flat place
BLOCK = 512  # rows whose similarities are in memory at once
SMALL = Preprocessing(SIDE, SIDE, (0.5,) * 3, (0.5,) * 3, crop_pct=1.0, resize="squash")


def alike(
    table: ImageTable, facts: Sequence[Facts], x_ND: np.ndarray, *, cache: Path, sink: Sink = ignore
) -> np.ndarray:
    """Picture of each image, int64 (N,): duplicates by hash, joined where features propose it and pixels agree.

    Args:
        table: the N images; each is read once more.
        facts: of each.
        x_ND: features of each, such as the pooled ones of one network; zeros where there are none.
        cache: folder of `facts.sqlite`.
        sink: takes progress events.
    """
    group_N = duplicate_groups([fact if fact.ok else Facts(False) for fact in facts])
    pairs = proposed(x_ND, group_N)
    rows = np.unique(np.concatenate(pairs))
    shown = ingest(table.root, [str(path) for path in table.paths[rows]], preparations=[SMALL], cache=cache)
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)  # of a file that has gone since: like none
    small = {int(row): one.images[0] if one.images else blank for row, one in zip(rows, shown, strict=True)}
    same = same_pictures(pairs, small.__getitem__, sink=sink) >= SAME
    return joined(group_N, (pairs[0][same], pairs[1][same]))


def proposed(x_ND: np.ndarray, group_N: np.ndarray, *, num: int = NEIGHBOURS) -> Pairs:
    """Pairs (left < right) of images of different groups, of which one is among the other's nearest by cosine.

    Args:
        x_ND: features; a row of zeros is like no other.
        group_N: what is known to be one picture.
        num: neighbours of each image.
    """
    norm_N = np.linalg.norm(x_ND, axis=1, keepdims=True)
    unit_ND = (x_ND / np.maximum(norm_N, 1e-12)).astype(np.float32)
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, len(unit_ND), BLOCK):
        cosine_BN = unit_ND[start : start + BLOCK] @ unit_ND.T
        cosine_BN[group_N[start : start + BLOCK, None] == group_N] = -1
        nearest_BK = np.argpartition(-cosine_BN, min(num, len(unit_ND)) - 1, axis=1)[:, :num]
        row, place = np.nonzero(np.take_along_axis(cosine_BN, nearest_BK, axis=1) > 0)
        pairs.append(np.sort(np.column_stack([row + start, nearest_BK[row, place]]), axis=1))
    left_right = np.unique(np.concatenate(pairs), axis=0)
    return left_right[:, 0], left_right[:, 1]


def shown_before(
    files: Sequence[str],
    x_AD: np.ndarray,
    known: Sequence[np.ndarray],
    new: np.ndarray,
    *,
    cache: Path,
    sink: Sink = ignore,
) -> dict[int, int]:
    """The known image whose picture each new one shows, by row; where there are several, one of the first kind.

    Args:
        files: absolute paths of A images, all of which can be decoded.
        x_AD: features of each, of norm 1.
        known: rows of each kind, such as test and labelled images; NEIGHBOURS are proposed of each kind.
        new: rows that are compared with them.
        cache: folder of `facts.sqlite`.
        sink: takes progress events.
    """
    proposals = [np.empty((0, 2), np.int64)]
    for rows in (rows for rows in known if len(rows)):
        for start in range(0, len(new), BLOCK):
            block = new[start : start + BLOCK]
            far_BN = -(x_AD[block] @ x_AD[rows].T)
            nearest_BK = np.argpartition(far_BN, min(NEIGHBOURS, len(rows)) - 1, axis=1)[:, :NEIGHBOURS]
            proposals.append(np.column_stack([np.repeat(block, nearest_BK.shape[1]), rows[nearest_BK.ravel()]]))
    pair_L2 = np.concatenate(proposals)
    read = np.unique(pair_L2)
    shown = ingest(Path("/"), [files[row] for row in read], preparations=[SMALL], cache=cache)
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    small = {int(row): one.images[0] if one.images else blank for row, one in zip(read, shown, strict=True)}
    same_L = same_pictures((pair_L2[:, 0], pair_L2[:, 1]), small.__getitem__, sink=sink) >= SAME
    return {int(row): int(other) for row, other in pair_L2[same_L][::-1]}  # the first of each row stays


def same_pictures(pairs: Pairs, small: Callable[[int], np.ndarray], *, sink: Sink = ignore) -> np.ndarray:
    """float (L,) correlation of each pair's fitted pictures; 0 where no place and turn is promising.

    Args:
        pairs: rows, see `proposed`.
        small: row -> its picture squashed to (SIDE, SIDE, 3), uint8.
        sink: takes progress events.
    """
    both = np.concatenate([np.column_stack(pairs), np.column_stack(pairs[::-1])])
    order = np.argsort(both[:, 0], kind="stable")
    same_L = np.zeros(len(pairs[0]))
    wholes = np.split(order, np.flatnonzero(np.diff(both[order, 0])) + 1)
    for some in track(wholes, "compare", len(wholes), sink):
        if len(some):
            whole = small(int(both[some[0], 0]))
            parts = [small(int(row)) for row in both[some, 1]]
            np.maximum.at(same_L, some % len(same_L), _on_parts(whole, parts))
    return same_L


def _on_parts(whole_HWC: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """How well each of the others, turned as it fits best, lies on a part of `whole`."""
    window_WX = _unit(_windows(whole_HWC))
    coarse = _coarse(np.stack(others))
    turned_JTX = np.stack([turn(coarse) for turn in TURNS], axis=1)
    corr_JTW = (_unit(turned_JTX.reshape(-1, *coarse.shape[1:])) @ window_WX.T).reshape(len(others), len(TURNS), -1)
    found = np.zeros(len(others))
    for j in np.flatnonzero(corr_JTW.max(axis=(1, 2)) >= PROMISING):
        turn, window = divmod(int(corr_JTW[j].argmax()), len(PLACES))
        found[j] = fitted(whole_HWC, TURNS[turn](others[int(j)][None])[0], PLACES[window])
    return found


def fitted(whole_HWC: np.ndarray, part_HWC: np.ndarray, place: tuple[float, float, float]) -> float:
    """Correlation in colour and detail of `part` and the part of `whole` on which an affine map lays it best.

    Args:
        whole_HWC, part_HWC: small pictures.
        place: share of the side, top and left of the window from which the fit starts.
    """
    from scipy.ndimage import gaussian_filter

    whole, part = (gaussian_filter(picture.astype(np.float32), (1, 1, 0)) for picture in (whole_HWC, part_HWC))
    target_XC = part[_INSIDE, _INSIDE].reshape(-1, 3)
    share, top, left = place
    # Sample i of the part has its centre at share (i + 1/2) + top SIDE of the whole.
    middle = (share - 1) / 2
    map_23 = np.array([[share, 0, top * SIDE + middle], [0, share, left * SIDE + middle]])
    for step in range(STEPS):
        value_XC, slope_2XC = _sampled(whole, map_23 @ _WHERE_3X)
        if step == HALFWAY and _common(value_XC, target_XC) < HOPELESS:
            return 0.0
        map_23 = map_23 + _step(value_XC, slope_2XC, target_XC)
    if not LEAST < np.linalg.det(map_23[:, :2]) < MOST:
        return 0.0
    value_XC, _ = _sampled(whole, map_23 @ _WHERE_3X)
    return min(_common(value_XC, target_XC), _common(_detail(value_XC), _detail(target_XC)))


def _common(one_XC: np.ndarray, other_XC: np.ndarray) -> float:
    """Correlation of pixels and colours."""
    return float(_unit(one_XC[None])[0] @ _unit(other_XC[None])[0])


def _detail(value_XC: np.ndarray) -> np.ndarray:
    """What is left without the large shapes, which pictures of one kind of thing share."""
    from scipy.ndimage import gaussian_filter

    side = _INSIDE.stop - _INSIDE.start
    return np.asarray(value_XC - gaussian_filter(value_XC.reshape(side, side, 3), (DETAIL, DETAIL, 0)).reshape(-1, 3))


def _step(value_XC: np.ndarray, slope_2XC: np.ndarray, target_XC: np.ndarray) -> np.ndarray:
    """Change of the map (2, 3) that brings values nearer to the target, up to brightness and contrast.

    target - value ~ slope_0 (d_0 . where) + slope_1 (d_1 . where), over all pixels and colours: least squares for d.
    """
    away_XC = (target_XC - target_XC.mean()) * (value_XC.std() / max(float(target_XC.std()), 1e-6))
    away_XC -= value_XC - value_XC.mean()
    design_6Y = (slope_2XC[:, None] * _WHERE_3X[None, :, :, None]).reshape(6, -1)
    gram_66 = design_6Y @ design_6Y.T
    gram_66[np.diag_indices(6)] = 1.001 * gram_66.diagonal() + 1e-6
    return np.asarray(np.linalg.solve(gram_66, design_6Y @ away_XC.ravel())).reshape(2, 3)


def _sampled(image_HWC: np.ndarray, where_2X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (X, C) between pixels, and their slopes (2, X, C) down and right; beyond the edge the edge goes on."""
    inside_2X = np.clip(where_2X, 0, SIDE - 1.001)
    low_2X = inside_2X.astype(np.int64)
    (down_X1, right_X1), (y_X, x_X) = (inside_2X - low_2X)[:, :, None].astype(np.float32), low_2X
    a, b = image_HWC[y_X, x_X], image_HWC[y_X, x_X + 1]
    c, d = image_HWC[y_X + 1, x_X], image_HWC[y_X + 1, x_X + 1]
    upper, lower = a + right_X1 * (b - a), c + right_X1 * (d - c)
    slope_right = (b - a) + down_X1 * ((d - c) - (b - a))
    return upper + down_X1 * (lower - upper), np.stack([lower - upper, slope_right])


def _windows(whole_HWC: np.ndarray) -> np.ndarray:
    """Each place's window, (W, COARSE, COARSE, 3)."""
    rows_PSCH = np.tensordot(_LINES, whole_HWC.astype(np.float32), axes=(2, 0)).swapaxes(2, 3)
    window_WSCS = rows_PSCH[_TOP] @ _LINES[_LEFT, None].swapaxes(2, 3)
    return np.asarray(window_WSCS.swapaxes(2, 3))


def _coarse(picture_JHWC: np.ndarray) -> np.ndarray:
    """(J, COARSE, COARSE, 3) means of blocks."""
    block = SIDE // COARSE
    return np.asarray(picture_JHWC.reshape(-1, COARSE, block, COARSE, block, 3).mean(axis=(2, 4), dtype=np.float32))


def _unit(value: np.ndarray) -> np.ndarray:
    """Rows less their mean, of norm 1, flat pictures less: colours count, as all channels share one mean."""
    flat = value.reshape(len(value), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), FLAT * flat.shape[1] ** 0.5))


def _line(share: float, start: float) -> np.ndarray:
    """(COARSE, SIDE) that averages a window along one side."""
    edge = SIDE * (start + share * np.arange(COARSE + 1) / COARSE)
    pixel = np.arange(SIDE)
    part = np.minimum(edge[1:, None], pixel + 1) - np.maximum(edge[:-1, None], pixel)
    part = np.maximum(part, 0)
    return np.asarray(part / part.sum(axis=1, keepdims=True), np.float32)


def _turn(quarters: int, mirrored: bool) -> Callable[[np.ndarray], np.ndarray]:
    return lambda picture_JHWC: np.rot90(picture_JHWC[:, :, ::-1] if mirrored else picture_JHWC, quarters, axes=(1, 2))


TURNS = [_turn(quarters, mirrored) for mirrored in (False, True) for quarters in range(4)]
_STARTS = [(share, (1 - share) * k / max(num - 1, 1)) for share, num in SHARES.items() for k in range(num)]
_LINES = np.stack([_line(share, start) for share, start in _STARTS])
_PLACED = [(i, j) for i, j in product(range(len(_STARTS)), repeat=2) if _STARTS[i][0] == _STARTS[j][0]]
_TOP, _LEFT = (np.array(side) for side in zip(*_PLACED, strict=True))
PLACES = [(_STARTS[i][0], _STARTS[i][1], _STARTS[j][1]) for i, j in _PLACED]
_INSIDE = slice(round(CENTRE * SIDE), SIDE - round(CENTRE * SIDE))
_WHERE_3X = np.stack([*np.mgrid[_INSIDE, _INSIDE].reshape(2, -1), np.ones((_INSIDE.stop - _INSIDE.start) ** 2)]).astype(
    np.float32
)
