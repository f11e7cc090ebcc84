"""The order that examples come in changes no number."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genbench.data.points import ring8
from genbench.jobs import manifold
from genbench.metrics import memorisation, neighbours, references
from genbench.metrics.cards import METRICS, scores
from genbench.metrics.order import canonical, drawn
from genbench.metrics.references import Reference, Training
from genbench.metrics.sets import Images, Manifold, Points

RING = ring8()
KEYS = [key for key, card in METRICS.items() if card.needs != "density"]
LIMITS = ((neighbours, "LIMIT"), (memorisation, "KEPT"), (references, "MAX_BINNED"))  # 10,000 of each


def permuted(seed, *parts):
    order = torch.randperm(len(parts[0]), generator=torch.Generator().manual_seed(seed))
    return [part[order] for part in parts]


def points(seed):
    """More points of both sides than W1, MMD and the classifier look at."""
    samples, reference = (torch.from_numpy(RING.sample(np.random.default_rng(n), n)) for n in (2300, 2200))
    real = permuted(seed + 2, torch.cat([samples[:30], reference]))[0]  # that some samples repeat
    return Points(
        *permuted(seed, samples), *permuted(seed + 1, reference), RING, "test", seed=3, splits={"train": real, "test": reference}
    )


def images(seed):
    """More images of both sides than any metric looks at under the limits of the test; some images are equal."""
    rng = torch.Generator().manual_seed(0)
    made, real, train, held = (torch.randint(0, 3, (n, 1, 2, 4), generator=rng) for n in (400, 300, 350, 90))
    mix = torch.randn(8, 8, generator=rng)

    def seen(x):
        features = x.flatten(1).float() @ mix
        return features, 3 * features[:, :5]

    labels = torch.randint(0, 5, (400,), generator=rng)
    made, labels, *both = permuted(seed, made, labels, *seen(made))
    real, train, held = (permuted(seed + place, x)[0] for place, x in enumerate((real, train, held), start=1))
    reference = Reference("e", "test", seen(real)[0], torch.bincount(seen(real)[1].argmax(1), minlength=5), 0.99)
    training = Training.fit("e", train, seen(train)[0], seen(held)[0], most=250, others=(held, seen(held)[0]))
    near = Manifold(
        lambda x: (x - x.round()).flatten(1).square().sum(1),
        made / 2,
        permuted(seed + 4, drawn(real, 20))[0] / 2,
        lambda z: (z @ mix[:2]).sigmoid().reshape(-1, 1, 2, 4),
        2,
        torch.Generator().manual_seed(1),
        delta=0.5,
    )
    return Images(*both, reference, made, training, labels, near, seed=3, splits={"train": train, "held out": held})


@pytest.mark.parametrize("key", KEYS)
def test_the_order_of_samples_and_of_real_examples_changes_no_number(key, monkeypatch):
    for module, name in LIMITS:
        monkeypatch.setattr(module, name, 200)
    kinds = {"points": (points,), "images": (images,), "both": (points, images)}[METRICS[key].applies]
    for make in kinds:
        one, *others = ([(s.value, s.se or 0, s.n) for s in scores(make(seed), [key])] for seed in (0, 10, 20))
        many = METRICS[key].key != "modes_seen"  # five classes are too few
        assert len(one) == many
        for other in others:
            assert len(other) == many and np.allclose(other, one, rtol=1e-9, atol=0)


def test_known_manifolds_meet_the_same_images_in_any_order():
    x = torch.arange(3000).reshape(-1, 1, 1, 1) % 251

    def found(seed):
        data = SimpleNamespace(levels=256, splits={"test": permuted(seed, x)[0]}, projection=lambda: torch.Tensor)
        return manifold.known_manifold(permuted(seed + 1, x)[0], data)

    one, two = found(0), found(5)
    assert len(one.made) == manifold.SAMPLES and len(one.test) == manifold.INVERTED
    assert torch.equal(one.made, two.made) and torch.equal(one.test, two.test)


def test_labels_go_with_equal_images():
    x, labels = torch.zeros(6, 2), torch.tensor([2, 0, 1, 1, 0, 2])
    kept, _, numbered = canonical(x, None, labels)
    assert numbered.tolist() == [0, 0, 1, 1, 2, 2] and torch.equal(kept, x)
    with pytest.raises(ValueError, match="6, 5"):
        canonical(x, labels[:5])


def test_a_subset_is_drawn_at_random():
    """Whatever the content, each row is equally often in it: order by content alone would take the smallest."""
    x = torch.arange(40.0)[:, None]
    often = torch.zeros(40)
    for seed in range(2000):
        often[drawn(x, 10, seed)[:, 0].long()] += 1
    assert float((often - 500).abs().max()) < 4.5 * (2000 * 0.25 * 0.75) ** 0.5
    assert torch.equal(drawn(x, 40, 1), x) and len(drawn(x, 39, 1).unique()) == 39
