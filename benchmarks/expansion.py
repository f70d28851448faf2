"""More images for half a set: how well screening tells right from wrong, and whether judging tells help from harm.

    python benchmarks/expansion.py --data mushrooms8 --strangers cats-dogs flowers102 --backbone NAME --cards DIR

DATA keeps half of its labelled images, clusters of duplicates whole; the other half is the source, a folder a class. Of
each class one in six is put under another class's name, and as many strangers, images of other sets, are added; so are
copies of a twentieth as many test images (three fifths of the size) and training images (mirrored). Precision and
recall are of images under their own names. Judged, each against the run without: what was let in; everything but copies
(no looks); and, unscreened, the same images under shuffled names.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from medalist.data.decode import decode
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, ImageTable
from medalist.expansion.expand import Asked, expand
from medalist.expansion.judge import judge, sentence, verdict_of  # noqa: F401
from medalist.expansion.written import EXTRA, REFUSED
from medalist.pipeline.way import read
from medalist.recipe import load_recipe
from medalist.submissions.strangers import read_csv  # type: ignore[attr-defined]
