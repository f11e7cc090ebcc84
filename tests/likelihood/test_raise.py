"""Annealed and conservative likelihoods against enumeration and closed forms."""

import itertools
import math

import pytest
import torch

from genbench.likelihood.partition import HMCPath, ais_log_z, walk
from genbench.likelihood.reverse import raise_log_prob


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def bits(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


class RBMPath:
    """Restricted Boltzmann machines with b times the weights, b from 0 to 1, hidden units summed out; moved by block Gibbs."""

    def __init__(self, weights, visible, hidden, count, generator):
        self.weights, self.visible, self.hidden, self.count, self.generator = weights, visible, hidden, count, generator
        self.log_z0 = sum(weights.shape) * math.log(2)

    @classmethod
    def random(cls, visible, hidden, scale, count, seed=0):
        g = gen(seed)
        parts = [torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((visible, hidden), visible, hidden)]
        return cls(scale * parts[0], 0.5 * parts[1], 0.5 * parts[2], count, gen(seed + 1))

    def log_f(self, v, b):
        return b * v @ self.visible + torch.nn.functional.softplus(b * (v @ self.weights + self.hidden)).sum(-1)

    def start(self, n):
        return torch.randint(2, (n, len(self.visible)), generator=self.generator).double()

    def at(self, x):
        return x

    def log_target(self, v):
        return self.log_f(v, 1.0)

    def ratio(self, v, i):
        return self.log_f(v, i / self.count) - self.log_f(v, (i - 1) / self.count)

    def move(self, v, i):
        h = torch.bernoulli((i / self.count * (v @ self.weights + self.hidden)).sigmoid(), generator=self.generator)
        return torch.bernoulli((i / self.count * (h @ self.weights.T + self.visible)).sigmoid(), generator=self.generator)

    def coarser(self):
        return RBMPath(self.weights, self.visible, self.hidden, self.count // 2, self.generator)

    def log_z(self):
        """By enumeration of the hidden units."""
        h = bits(len(self.hidden))
        terms = h @ self.hidden + torch.nn.functional.softplus(h @ self.weights.T + self.visible).sum(-1)
        return float(terms.logsumexp(0))

    def exact(self, n):
        v = bits(len(self.visible))
        rows = torch.multinomial(self.log_target(v).softmax(0), n, replacement=True, generator=self.generator)
        return v[rows]

    def annealed_distribution(self):
        """Probabilities of the last state of the annealing, by matrices of transitions among all visible states."""
        v, h = bits(len(self.visible)), bits(len(self.hidden))

        def probabilities(logits, states):
            return (logits.unsqueeze(1) * states - torch.nn.functional.softplus(logits).unsqueeze(1)).sum(-1).exp()

        distribution = torch.full((len(v),), 1 / len(v), dtype=torch.float64)
        for i in range(1, self.count + 1):
            b = i / self.count
            up = probabilities(b * (v @ self.weights + self.hidden), h)
            distribution = distribution @ up @ probabilities(b * (h @ self.weights.T + self.visible), v)
        return v, distribution


def test_t11_enumerations_of_either_layer_agree():
    path = RBMPath.random(16, 10, 0.5, 10)
    assert path.log_z() == pytest.approx(float(path.log_target(bits(16)).logsumexp(0)), abs=1e-10)


def test_t11_weights_are_unbiased_in_both_directions():
    """Few and coarse temperatures: the mean weight is the ratio of constants all the same."""
    path = RBMPath.random(5, 4, 1.5, 4)
    log_ratio, n = path.log_z() - path.log_z0, 40000
    for log_w, expected in (
        (walk(path, path.start(n)), log_ratio),
        (walk(path, path.at(path.exact(n)), back=True), -log_ratio),
    ):
        w = (log_w - expected).exp()
        assert float(w.mean()) == pytest.approx(1, abs=4 * float(w.std()) / n**0.5)
        assert float(w.std()) > 0.3  # not for want of anything to average


def test_t11_ais_of_a_boltzmann_machine():
    path = RBMPath.random(16, 10, 0.5, 1000)
    found = ais_log_z(path, 300, path.exact(300))
    assert abs(found.value - path.log_z()) < 4 * found.se < 0.05
    assert abs(found.gap) < 0.05 and found.ess > 0.9 and found.usable


def test_t11_raise_is_the_distribution_of_the_annealing():
    """Enumerated: the mean weight at each state is that state's probability at the end of a coarse annealing, not p."""
    path = RBMPath.random(4, 3, 2.0, 4)
    v, distribution = path.annealed_distribution()
    assert float(distribution.sum()) == pytest.approx(1, abs=1e-12)
    n = 20000
    found = raise_log_prob(path, v, n)
    assert found.shape == (16,) and found.dtype == torch.float64
    state = path.at(v.repeat_interleave(n, 0))
    log_w = (path.log_target(state) - path.log_z0 + walk(path, state, back=True)).reshape(16, n)
    for est, weights, exact in zip(found, log_w, distribution.log(), strict=True):
        assert abs(float(est - exact)) < 5 * float((weights - exact).exp().std()) / n**0.5
    assert float((distribution.log() - (path.log_target(v) - path.log_z())).abs().max()) > 0.1
    assert float(found.exp().sum()) == pytest.approx(1, abs=0.02)


def test_t11_raise_is_conservative_and_approaches_the_truth():
    """A strong machine: below log p on average where the annealing is coarse, within .05 nats where it is fine."""
    path = RBMPath.random(16, 10, 1.5, 10)
    v = path.exact(100)
    exact = path.log_target(v) - path.log_z()
    gaps = {}
    for count, chains in ((10, 20), (100, 20), (1000, 20)):
        path.count = count
        gap = exact - raise_log_prob(path, v, chains)
        gaps[count] = float(gap.mean())
        assert gaps[count] > -3 * float(gap.std()) / len(v) ** 0.5
    assert gaps[10] > 2 * gaps[100] > 0 and abs(gaps[1000]) < 0.05


@pytest.mark.parametrize("base", [{"gaussian": (0.0, 1.0)}, {"half": 2.0}], ids=["gaussian", "box"])
def test_raise_of_a_gaussian_energy(base):
    """With HMC: raise below, the log-density with an annealed constant above, both near the truth with many temperatures."""
    dim, mean, std = 6, 0.4, 0.4
    path = {"energy": lambda x: 0.5 * ((x - mean) / std).square().sum(-1), "gradient": lambda x: (x - mean) / std**2, "dim": dim}
    x = mean + std * torch.randn(60, dim, generator=gen(1))
    exact = -path["energy"](x) - dim * (math.log(std) + 0.5 * math.log(2 * math.pi))
    gaps = {}
    for temperatures in (10, 300):
        made = HMCPath(**path, generator=gen(), temperatures=temperatures, **base)
        gap = exact - raise_log_prob(made, x, 8)
        gaps[temperatures] = float(gap.mean())
        assert gaps[temperatures] > -3 * float(gap.std()) / len(x) ** 0.5
    assert gaps[10] > 0.5 and abs(gaps[300]) < 0.1


def test_raise_does_not_see_a_constant_added_to_the_energy():
    """The distribution of the annealing's last state does not depend on it."""
    energy, gradient = (lambda x: 0.5 * x.square().sum(-1)), (lambda x: x)
    x = torch.randn(20, 3, generator=gen(1))
    plain, shifted = (
        raise_log_prob(HMCPath(u, gradient, 3, gen(), gaussian=(0.0, 2.0), temperatures=20), x, 4)
        for u in (energy, lambda x: energy(x) + 8.0)
    )
    torch.testing.assert_close(shifted, plain, rtol=0, atol=0.3)  # float32 may decide a proposal otherwise
    assert float((shifted - plain).mean()) == pytest.approx(0, abs=0.03)
