"""torch-fidelity's public entry against genbench's metrics, and the traps that the wrapper closes."""

import pytest
import torch

from genbench.metrics.cards import scores
from genbench.metrics.encoder import Encoder, extract
from genbench.metrics.order import canonical
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images
from genbench.metrics.torchfidelity import cache_name, check_keys, measure


def gaussian(n, d, seed, mean=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + mean


def ours_of(x, y, logits=None, seed=0):
    keys = ("fid", "kid", "precision", "recall", "inception_score")
    return {score.metric: score.value for score in scores(Images(x, logits, Reference("e", "test", y), seed=seed), keys)}


def encoder(seed):
    torch.manual_seed(seed)
    return Encoder((1, 8, 8), classes=10, levels=17, features=8).eval()


def test_t03_features_through_torchfidelity_give_our_values():
    a, b = gaussian(300, 16, 1, 0.2, 1.1), gaussian(300, 16, 2)
    theirs = measure(
        generated=a, reference=b, cuda=False, fid=True, kid=True, prc=True, kid_subsets=1, kid_subset_size=300, batch_size=100
    )
    ours = ours_of(a, b)
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)  # theirs is in float32
    assert ours["precision"] == pytest.approx(theirs["precision"], abs=1e-6)
    assert ours["recall"] == pytest.approx(theirs["recall"], abs=1e-6)
    assert 0 < ours["recall"] != ours["precision"] < 1  # so that a swap would show


def test_t03_images_through_torchfidelity_give_our_values():
    net = encoder(0)
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randint(0, high, (200, 1, 8, 8), generator=generator).to(torch.uint8) for high in (14, 17))
    _, _, a = canonical(*extract(net, a), a)  # in the order that our scores shuffle
    theirs = measure(generated=a, reference=b, cuda=False, encoder=net, fid=True, isc=True, rng_seed=3)
    features, logits = extract(net, a)
    ours = ours_of(features, extract(net, b)[0], logits, 3)
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)
    assert ours["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert all(p.requires_grad for p in net.parameters())  # the caller's network is left alone


def test_t06_cache_name_changes_with_data_number_and_weights():
    a = gaussian(20, 4, 1)
    changed = a.clone()
    changed[3, 2] += 1e-6
    names = [cache_name(x, e) for x in (a, changed, a[:19], a.double()) for e in (encoder(0).name, encoder(1).name)]
    assert len(set(names)) == 8 and names[0] == cache_name(a.clone(), encoder(0).name)


def test_t06_cache_gives_no_stale_features(tmp_path):
    a, b, c = gaussian(60, 4, 1), gaussian(60, 4, 2), gaussian(60, 4, 3, mean=1.0)
    cached = [measure(generated=a, reference=x, cuda=False, cache=tmp_path, fid=True) for x in (b, c, b)]
    fresh = [measure(generated=a, reference=x, cuda=False, fid=True) for x in (b, c, b)]
    assert list(tmp_path.iterdir()) and cached == fresh and fresh[0] != fresh[1]


def test_unknown_options_are_refused():
    check_keys(fid=True, kid_subset_size=10)
    with pytest.raises(ValueError, match="kid_subset_sise.*allowed.*kid_subset_size"):
        measure(generated=gaussian(20, 4, 1), reference=gaussian(20, 4, 2), cuda=False, kid_subset_sise=10)
    with pytest.raises(ValueError, match="input2"):
        check_keys(input2="cifar10-train")
