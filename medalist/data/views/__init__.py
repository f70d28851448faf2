"""Augmentation: images as they might have been taken, drawn anew each epoch, by policies written in recipes.

    policy = Policy.parse("flip | shift_scale_rotate(limit=15) | random_erasing")
    pixels_HWC = policy(image_HWC, Draw(seed=0, epoch=3, image="cat.7"), target)

`contract` says what an operation keeps to; `grammar` reads the text, `draws` gives each operation its random numbers,
`policy` applies it, `schedule` says how strongly. Operations, a family a file:

    fitting    crop, squash, letterbox, random_resized_crop, random_scale_crop: bring the image to the network's size
    mirrors    flip, vertical_flip
    warps      shift_scale_rotate, rotation, shift, zoom, crop_and_pad
    light      brightness, contrast, brightness_contrast, contrast_normalisation, gamma, posterize
    colours    saturation, hue, clahe
    noise      gauss_noise, additive_gaussian_noise, jpeg
    blurs      gaussian_blur, blur
    erasing    random_erasing
    trivial    trivial_augment

A new one is a decorated function in one of these, or in a file of its own that is named in the import below.
"""

from __future__ import annotations

from medalist.data.views import blurs, colours, erasing, fitting, light, mirrors, noise, trivial, warps
from medalist.data.views.contract import ops
from medalist.data.views.draws import Draw
from medalist.data.views.policy import Policy
from medalist.data.views.schedule import strength_of

__all__ = [
    "Draw",
    "Policy",
    "blurs",
    "colours",
    "erasing",
    "fitting",
    "light",
    "mirrors",
    "noise",
    "ops",
    "strength_of",
    "trivial",
    "warps",
]
