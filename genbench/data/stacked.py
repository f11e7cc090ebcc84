"""Stacked digits: three random digits as the channels of one image, hence a thousand classes to cover."""

from typing import TYPE_CHECKING

import numpy as np

from genbench.data.dataset import SPLITS
from genbench.data.images import Pool, fault, known, traits

if TYPE_CHECKING:
    from genbench.config.schema import DatasetSpec

__all__ = ["stacked"]

BASES = ("digits", "mnist5k", "mnist", "fashion_mnist")
TEST, VALIDATION = 0.2, 0.1  # shares of a base without an official test set; validation takes its share of any base


@traits(composed=True)
def stacked(spec: "DatasetSpec") -> dict[str, Pool]:
    """Images (3, H, W) whose channels are random images of another source, drawn from the spec's seed (Metz et al. 2017).

    Parameters of the spec: `base`, that source: digits, mnist5k, mnist or fashion_mnist. The label is the three classes as
    the digits of a number, the first channel's in front. All thousand come equally often (up to one), so that the modes'
    true distribution is uniform. The base's images are split before they are stacked: no image is in two splits.
    """
    import genbench.data as tables  # here: the tables import this module

    known(spec, {"base"})
    base = spec.parameters.get("base")
    if base not in BASES:
        raise fault(spec, "parameters.base", f"allowed: {', '.join(BASES)}; got {base!r}")
    inner = {"source": base, "shape": (1, *spec.shape[1:]), "classes": None, "parameters": {}}
    pool, test = tables.IMAGES[base](spec.model_copy(update=inner))
    rng = np.random.default_rng(spec.seed)
    order = rng.permutation(len(pool.images))
    if test is None:
        held, order = np.split(order, [round(TEST * len(order))])
        test = Pool(pool.images[held], pool.labels[held])
    held, rest = np.split(order, [round(VALIDATION * len(pool.images))])
    parts = (Pool(pool.images[rest], pool.labels[rest]), Pool(pool.images[held], pool.labels[held]), test)
    return {
        split: _stack(part, getattr(spec.split, split), np.random.default_rng([spec.seed, stream]))
        for stream, (split, part) in enumerate(zip(SPLITS, parts, strict=True))
    }


def _stack(pool: Pool, n: int, rng: np.random.Generator) -> Pool:
    """n stacks of images of a pool with the labels 0..9."""
    labels = rng.permutation(np.resize(rng.permutation(1000), n))
    digits = np.stack([labels // 100, labels // 10 % 10, labels % 10], 1)
    order, counts = np.argsort(pool.labels, kind="stable"), np.bincount(pool.labels, minlength=10)
    first = np.cumsum(counts) - counts
    chosen = order[first[digits] + rng.integers(0, counts[digits])]
    return Pool(pool.images[chosen, 0], labels)
