"""A class number and a seed -> a drawn image, for `pretrain_embedded.py`: no photograph, no download.

A class is a number: its generator `gene` draws what makes the class (exponents, angles, parts, colours), `rng` draws
what varies from image to image (pose, light, ground, copies). Eight families after "Pre-training without Natural
Images" (Kataoka et al., 2020), "Learning to See by Looking at Noise" (Baradad et al., 2021) and "Procedural Image
Programs" (Baradad et al., 2022). Axes: H W pixels (SIDE each), L leaves or parts, P points. Coordinates u, v run over
about [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SIDE = 128
NUM_CLASSES = 1024

# What a family draws: a height in [0, 1] (shaded and looked up in the class's palette), and a mask in {0, 1}.
Drawn = tuple[np.ndarray, np.ndarray]
Family = Callable[[np.random.Generator, np.random.Generator, np.ndarray, np.ndarray], Drawn]


def noise(rng: np.random.Generator, slope: float = 2.0, *, angle: float = 0.0, stretch: float = 1.0) -> np.ndarray:
    """(H, W) noise in [0, 1] whose amplitude falls as frequency**(-slope/2), stretched along `angle`."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij")
    along = fx * math.cos(angle) + fy * math.sin(angle)
    across = fy * math.cos(angle) - fx * math.sin(angle)
    frequency = np.hypot(along * stretch, across / stretch)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * frequency ** (-slope / 2)
    return squash(np.fft.irfft2(spectrum, s=(SIDE, SIDE)))


def squash(field_HW: np.ndarray) -> np.ndarray:
    """Any field to [0, 1], robust to outliers."""
    scaled_HW: np.ndarray = (field_HW - field_HW.mean()) / (field_HW.std() + 1e-6)
    return (0.5 + scaled_HW / 4).clip(0, 1)


def petals(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """A superformula outline (Gielis 2003) with rings and rays inside."""
    lobes, n1 = gene.integers(2, 14), gene.uniform(0.4, 3)
    n2, n3, rings, rays = gene.uniform(0.5, 4), gene.uniform(0.5, 4), gene.uniform(0.5, 4), gene.uniform(0, 1)
    theta, rho = np.arctan2(v, u), np.hypot(u, v)
    outline = (np.abs(np.cos(lobes * theta / 4)) ** n2 + np.abs(np.sin(lobes * theta / 4)) ** n3 + 1e-3) ** (-1 / n1)
    inside = rho / (0.9 * outline / outline.max())
    height = 0.5 + 0.25 * np.cos(2 * np.pi * rings * inside) + 0.25 * rays * np.cos(lobes * theta)
    return height, inside < 1


def fractal(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """Density of an iterated function system of 2 to 5 contractions (the chaos game on 400 orbits)."""
    num_maps = gene.integers(2, 6)
    turn, shrink = gene.uniform(-np.pi, np.pi, (num_maps, 2)), gene.uniform(0.35, 0.8, (num_maps, 2))
    cos, sin = np.cos(turn), np.sin(turn)
    maps = np.stack([shrink[:, 0] * cos[:, 0], -shrink[:, 1] * sin[:, 1], shrink[:, 0] * sin[:, 0],
                     shrink[:, 1] * cos[:, 1]], axis=1).reshape(-1, 2, 2)  # fmt: skip
    shift = gene.uniform(-1, 1, (num_maps, 2))
    point_P2, orbit = rng.uniform(-1, 1, (400, 2)), []
    for step in range(40):
        choice = rng.integers(num_maps, size=len(point_P2))
        point_P2 = np.einsum("pij,pj->pi", maps[choice], point_P2) + shift[choice]
        if step >= 8:
            orbit.append(point_P2)
    cloud = np.concatenate(orbit)
    low, high = np.quantile(cloud, [0.01, 0.99], axis=0)
    cell = np.clip((cloud - low) / (high - low + 1e-6) * 64, 0, 63).astype(int)
    density = np.log1p(np.bincount(cell[:, 0] * 64 + cell[:, 1], minlength=64 * 64).reshape(64, 64))
    inside = (np.abs(u) < 1) & (np.abs(v) < 1)
    column, row = (np.clip((axis + 1) * 32, 0, 63).astype(int) for axis in (u, v))
    height = density[row, column] / density.max()
    return height, inside & (height > 0)


def texture(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """Stretched coloured noise, folded into ridges, veins or blots."""
    slope, angle, stretch = gene.uniform(0.5, 4), gene.uniform(0, np.pi), gene.uniform(1, 3)
    fold, sharp = gene.integers(4), gene.uniform(2, 12)
    field = noise(rng, slope, angle=angle + rng.normal(0, 0.2), stretch=stretch)
    folded = (
        field,
        np.abs(2 * field - 1),
        0.5 + 0.5 * np.sin(sharp * 2 * field),
        1 / (1 + np.exp(-sharp * 2 * (field - 0.5))),
    )[fold]
    return folded, np.ones_like(u, bool)


def waves(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """One to four gratings summed or multiplied (stripes, checks, quasi-crystals), straight or around the centre."""
    count, polar, product, sharp = gene.integers(1, 5), gene.random() < 0.3, gene.random() < 0.4, gene.uniform(0.5, 6)
    x, y = (np.arctan2(v, u) * 2, np.hypot(u, v) * 2) if polar else (u, v)
    angle, frequency = gene.uniform(0, np.pi, count), gene.uniform(4, 24, count)
    if polar:
        frequency = np.round(frequency / 4)
        angle = np.where(gene.random(count) < 0.5, 0, np.pi / 2)
    phase = rng.uniform(0, 2 * np.pi, count)
    grating = [
        np.sin(f * (x * math.cos(a) + y * math.sin(a)) + p) for f, a, p in zip(frequency, angle, phase, strict=True)
    ]
    field = np.prod(grating, axis=0) if product else np.sum(grating, axis=0) / math.sqrt(count)
    return 1 / (1 + np.exp(-sharp * field)), np.ones_like(u, bool)


def cells(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """Worley cells: distance to the nearest seed, to the border, or a flat value a cell."""
    count, norm, kind, squeeze = gene.integers(6, 28), gene.integers(3), gene.integers(3), gene.uniform(1, 2.5)
    seed_P2, value_P = rng.uniform(-1.3, 1.3, (count, 2)), rng.random(count)
    du, dv = np.abs(u[..., None] - seed_P2[:, 0]) * squeeze, np.abs(v[..., None] - seed_P2[:, 1])
    distance = (np.hypot(du, dv), du + dv, np.maximum(du, dv))[norm]
    nearest = np.partition(distance, 1, axis=-1)
    scale = math.sqrt(count) / 2
    flat = value_P[distance.argmin(-1)]
    border = np.clip((nearest[..., 1] - nearest[..., 0]) * scale * 2, 0, 1)
    height = (np.clip(nearest[..., 0] * scale, 0, 1), border, 0.8 * flat * (border > 0.15) + 0.1)[kind]
    return height, np.ones_like(u, bool)


def leaves(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """Dead leaves: superellipses of the class's roundness, slimness and size, thrown on each other."""
    power, slim, size, spread = (
        gene.uniform(0.6, 6),
        gene.uniform(0.25, 1),
        gene.uniform(0.12, 0.45),
        gene.uniform(0, 3),
    )
    rim, covered = gene.random(), np.ones_like(u, bool)
    if gene.random() < 0.5:
        covered = np.hypot(u, v) < 0.9
    height = np.full_like(u, 0.05)
    for _ in range(int(min(60, 6 / size**2))):
        (x, y), angle = rng.uniform(-1.2, 1.2, 2), rng.normal(0, spread)
        along = ((u - x) * math.cos(angle) + (v - y) * math.sin(angle)) / size
        across = ((v - y) * math.cos(angle) - (u - x) * math.sin(angle)) / (size * slim)
        inside = np.abs(along) ** power + np.abs(across) ** power
        hit = inside < 1
        height[hit] = rng.uniform(0.2, 0.9) + rim * 0.3 * (inside[hit] - 0.5)
    return np.clip(height, 0, 1), covered


def parts(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """An object of three to seven jointed parts (ovals, boxes, diamonds), each with its own tone and bulge."""
    height, mask = np.zeros_like(u), np.zeros_like(u, bool)
    mirrored = gene.random() < 0.5
    for _ in range(gene.integers(3, 8)):
        x, y, angle = gene.uniform(-0.6, 0.6), gene.uniform(-0.6, 0.6), gene.uniform(0, np.pi)
        length, width, power, tone = (
            gene.uniform(0.2, 0.6),
            gene.uniform(0.08, 0.35),
            gene.choice([1, 2, 8]),
            gene.random(),
        )
        angle, length = angle + rng.normal(0, 0.15), length * rng.uniform(0.85, 1.15)
        for side in (1, -1) if mirrored else (1,):
            along = ((side * u - x) * math.cos(angle) + (v - y) * math.sin(angle)) / length
            across = ((v - y) * math.cos(angle) - (side * u - x) * math.sin(angle)) / width
            inside = np.abs(along) ** power + np.abs(across) ** power
            hit = inside < 1
            height[hit] = 0.7 * tone + 0.3 * (1 - inside[hit])
            mask |= hit
    return height, mask


def curves(gene: np.random.Generator, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> Drawn:
    """A closed or open Fourier curve drawn as a tube."""
    harmonics, thick, closed = 4, gene.uniform(0.05, 0.16), gene.random() < 0.6
    weight = gene.normal(0, 1, (2, 2, harmonics)) / np.arange(1, harmonics + 1) + rng.normal(0, 0.06, (2, 2, harmonics))
    time = np.linspace(0, 2 * np.pi if closed else np.pi, 48)[:, None] * np.arange(1, harmonics + 1)
    curve_2P = np.einsum("dth,tph->dp", weight, np.stack([np.sin(time), np.cos(time)]))
    curve_2P = 0.8 * (curve_2P - curve_2P.mean(1, keepdims=True)) / np.abs(curve_2P).max()
    square = (u[..., None] - curve_2P[0]) ** 2 + (v[..., None] - curve_2P[1]) ** 2
    inside = np.sqrt(square.min(-1)) / thick
    return np.clip(0.6 * square.argmin(-1) / 48 + 0.4 * (1 - inside), 0, 1), inside < 1


FAMILIES: tuple[Family, ...] = (petals, fractal, texture, waves, cells, leaves, parts, curves)
GROUNDS: tuple[Family, ...] = (texture, waves, cells)  # cover the whole image


def draw(label: int, seed: int) -> np.ndarray:
    """One (SIDE, SIDE, 3) uint8 image of class `label`: a posed, painted, lit thing before a ground."""
    gene, rng = np.random.default_rng([1, label]), np.random.default_rng([2, label, seed])
    u, v = posed_grid(rng)
    if rng.random() < 0.2:
        u, v = repeated(u, rng), repeated(v, rng)
    height, mask = FAMILIES[label % len(FAMILIES)](gene, rng, u, v)
    # The class's own colours most of the time, any others else: neither shape nor colour alone is enough.
    colours = palette(gene if rng.random() < 0.8 else rng) + rng.normal(0, 0.05, 3)
    thing = light(paint(height, colours), height, rng)
    behind = ground(rng) if not mask.all() else height
    image = np.where(mask[..., None], thing, light(paint(behind, palette(rng)), behind, rng))
    image = image * (0.6 + 0.8 * noise(rng, 4.0))[..., None] + rng.normal(0, rng.uniform(0, 0.04), image.shape)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def repeated(axis_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coordinates folded so that a thing stands there once to thrice, as goods do on a shelf."""
    folded_HW: np.ndarray = (axis_HW * rng.integers(1, 4) + 1) % 2 - 1
    return folded_HW


def ground(rng: np.random.Generator) -> np.ndarray:
    """A height that fills the image: noise, or one time in three a pattern of a class that is in no list."""
    if rng.random() < 0.65:
        return noise(rng, rng.uniform(1, 4))
    u, v = posed_grid(rng)
    return GROUNDS[rng.integers(len(GROUNDS))](rng, rng, u, v)[0]


def posed_grid(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates turned, scaled, sheared, shifted and bent a little."""
    axis = np.linspace(-1, 1, SIDE)
    v, u = np.meshgrid(axis, axis, indexing="ij")
    angle, zoom = rng.normal(0, 0.35), rng.uniform(0.9, 1.8)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.array([[1, rng.normal(0, 0.15)], [0, rng.uniform(0.8, 1.25)]]) * zoom
    bend = rng.uniform(0, 0.5)
    u, v = u + bend * (noise(rng, 5.0) - 0.5), v + bend * (noise(rng, 5.0) - 0.5)
    shift = rng.normal(0, 0.15, 2)
    return matrix[0, 0] * u + matrix[0, 1] * v + shift[0], matrix[1, 0] * u + matrix[1, 1] * v + shift[1]


def palette(gene: np.random.Generator) -> np.ndarray:
    """(4, 3) colours, dark to light, around two hues."""
    base, other = (grey + (gene.random(3) - grey) * gene.uniform(0.2, 1) for grey in gene.random(2))
    mix = np.linspace(0, 1, 4)[:, None]
    palette_43: np.ndarray = base * (1 - mix) + other * mix + gene.normal(0, 0.12, (4, 3))
    return palette_43


def paint(height: np.ndarray, palette_43: np.ndarray) -> np.ndarray:
    """Look heights up in a palette, with linear steps: (H, W) -> (H, W, 3)."""
    position = np.clip(height, 0, 0.999) * (len(palette_43) - 1)
    low = position.astype(int)
    part = (position - low)[..., None]
    colour_HW3: np.ndarray = palette_43[low] * (1 - part) + palette_43[low + 1] * part
    return colour_HW3


def light(colour: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shade by the slope of `height` towards a lamp at a random angle."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 3)
    dy, dx = np.gradient(height)
    slope_HW = strength * (dx * math.cos(angle) + dy * math.sin(angle))
    lit_HW3: np.ndarray = colour * (1 + np.clip(slope_HW, -0.6, 0.6))[..., None]
    return lit_HW3
