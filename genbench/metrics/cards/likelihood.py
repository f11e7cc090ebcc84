"""Cards of likelihoods and their surrogates."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

KINDS = (
    "Kinds speak of the log-likelihood: exact; lower_bound, so that the number shown is too large by an unknown amount; "
    "estimate, which can err either way. Kinds are never ranked against each other."
)
EXAMPLES = (
    "Standard error over the test examples: their standard deviation divided by sqrt(n); a bound's own noise is in it, its "
    "distance from the truth is not. Models are compared on the same examples, by paired differences, which are far more "
    "certain than this."
)
CHAINS = (
    "Standard error over the examples, with the chains' own noise in it; how far the bound is from the truth is the "
    "annealing gap's matter."
)
THEIS = "Theis et al. 2016, arXiv:1511.01844"
WU = "Wu et al. 2017, arXiv:1611.04273"

CARDS = (
    Card(
        key="nll",
        title="Negative log-likelihood",
        unit="nats",
        direction="lower",
        applies="points",
        group="Likelihood",
        what="Mean negative log-density of test points under the model, in the units of the data, exact or bounded as its kind "
        "says.",
        range="Any real number: a density exceeds 1 where the data are narrow.",
        floor="The entropy of the data, reached by the true density only: the true density's own value on the same points.",
        uncertainty=EXAMPLES + " An energy's log Z is one error common to all points (settings: log_z_se), not in it.",
        traps=KINDS + " It says little of samples: a model that mixes in 99 % noise loses at most 4.6 nats. One test point in a "
        "region without density weighs more than all others. It changes with the units of the data.",
        source=THEIS,
    ),
    Card(
        key="kl",
        title="KL(data || model)",
        unit="nats",
        direction="lower",
        applies="points",
        group="Likelihood",
        what="Divergence of the model's density from the true one: mean difference of their logarithms on the same test points.",
        range="0 to infinity; the mean over finitely many points can be a little negative.",
        floor="0 for the true density, without error, since the difference is taken point by point.",
        uncertainty="Standard error over the test points of the difference point by point, far smaller than that of the negative "
        "log-likelihood itself. An energy's log Z is one error common to all points (settings: log_z_se), not in it.",
        traps=KINDS + " With a lower bound the divergence is overestimated by the bound's gap. It forgives noise between the "
        "modes, unlike the divergence in the other direction, and punishes a missed mode without limit.",
        source=THEIS,
    ),
    Card(
        key="bpd",
        title="Bits per dimension",
        unit="bits/dim",
        direction="lower",
        applies="images",
        group="Likelihood",
        what="Mean negative log2-probability of the discrete test images per dimension, exact or bounded as its kind says.",
        range="0 to infinity; a uniform distribution over L grey levels gets log2 L: 8 for 256 levels, 4.09 for 17.",
        floor="The entropy rate of the data, which is unknown: no floor.",
        uncertainty=EXAMPLES + " An energy's log Z is one error common to all images (settings: log_z_se), not in it.",
        traps=KINDS + " Densities of dequantised images are lower bounds of the discrete probability, loose by what the "
        "uniform noise costs. Most of the bits are noise in the grey values, which no one sees: small differences "
        "say nothing of how samples look. It compares only at the same grey levels, size and preprocessing.",
        source=THEIS + "; Uria et al. 2013, arXiv:1306.0186",
    ),
    Card(
        key="nll_gap",
        title="Train-test gap",
        unit="nats or bits/dim",
        direction="lower",
        applies="both",
        group="Memorisation",
        what="Mean negative log-likelihood of test examples less that of training examples (nats for points, bits/dim for "
        "images): how much more the model knows of what it was trained on.",
        range="Any real number; near 0 without overfitting.",
        floor="0 in expectation for a model that does not depend on the training set; two random samples differ by their "
        "standard error.",
        uncertainty="Square root of the sum of the squared standard errors of both means, over examples.",
        traps="Zero is also what a model gets that has learnt nothing: read it beside the likelihood itself, which is why it is "
        "not ranked. Bounds have gaps of their own on both sides: a VAE's encoder can fit training images better than test "
        "images while the model itself does not overfit. Single training images can be memorised while the mean gap is small.",
        source="van den Burg and Williams 2021, arXiv:2106.03216",
        ranked=False,
    ),
    Card(
        key="ais_nll",
        title="Annealed likelihood",
        unit="nats",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Mean negative log-likelihood of test examples by annealed importance sampling from the encoder or the prior to the "
        "posterior of the latent variable: usually the tightest bound of a model with a decoder; nats per point or image.",
        range="Any real number for points, 0 to infinity for images.",
        floor="As for the likelihood that it bounds.",
        uncertainty=CHAINS,
        traps="A lower bound of the log-likelihood: too few temperatures make a model look worse. Judge it by the effective "
        "number of chains (settings: ess) and by the annealing gap; a high acceptance proves nothing. It is of few examples, so "
        "compare it with other bounds on those only.",
        source="Neal 2001, arXiv:physics/9803008; " + WU,
    ),
    Card(
        key="raise_nll",
        title="Likelihood by RAISE",
        unit="nats",
        direction="lower",
        applies="images",
        group="Likelihood",
        what="Mean negative log-likelihood of test images under an energy-based model by reverse annealing from each image, "
        "nats per image: a second opinion beside the likelihood by an annealed normalising constant.",
        range="Any real number.",
        floor="As for the likelihood.",
        uncertainty=CHAINS,
        traps="In expectation a bound on the likelihood under the law of the annealing chain's last state, and no bound under "
        "the energy's own law: where annealing misses a part of the mass, both estimates are too good by as much, and agree. "
        "Where they differ by more than a few nats, neither is the likelihood; that they agree proves nothing. Of few images.",
        source="Burda et al. 2015, arXiv:1412.8566",
    ),
    Card(
        key="long_bound",
        title="Bound of 1,000 steps",
        unit="nats or bits/dim",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Variational bound on the negative log-likelihood of test examples under a diffusion's chain of 1,000 steps, nats "
        "for points, bits/dim for images.",
        range="Any real number for points, 0 to infinity for images.",
        floor="As for the likelihood.",
        uncertainty="Standard error over test examples.",
        traps="Of a chain that nobody samples here: what it is better by than the bound of the sampling chain is the cost of "
        "that chain's few steps.",
        source="Ho et al. 2020, arXiv:2006.11239; Kingma et al. 2021, arXiv:2107.00630",
        ranked=False,
    ),
    Card(
        key="bdmc_gap",
        title="Annealing gap",
        unit="nats",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Upper less lower bound of the log-likelihood, by annealing in both directions, on examples drawn from the model "
        "itself, whose latent variables are known: the annealed bound's error is at most this, in expectation.",
        range="0 to infinity in expectation; noise can make it a little negative.",
        floor="0 for infinitely many temperatures. Below 1 nat is fine beside differences of several nats.",
        uncertainty="Standard error of the gap over the simulated examples.",
        traps="It judges the estimator, not the model. It holds for the model's own examples; where real ones lie far from "
        "those, annealing may do worse on them.",
        source="Grosse et al. 2015, arXiv:1511.02543; " + WU,
        ranked=False,
    ),
    Card(
        key="surrogate_nll",
        title="Likelihood with noise",
        unit="nats",
        direction="lower",
        applies="both",
        group="Surrogate likelihood",
        what="Mean negative log-likelihood of test examples under a model made of a generator without likelihood by adding "
        "Gaussian noise, N(G(z), sigma^2 I) with sigma chosen on validation examples, bounded by annealed importance "
        "sampling; nats per point, or per image of dequantised grey values.",
        range="Any real number.",
        floor="None: the noise is not part of the generator, so that even a perfect one does not get the data's entropy.",
        uncertainty=CHAINS + " The choice of sigma, by 8 chains of 100 temperatures, is not in it.",
        traps="Of another model than the one that makes the samples: never to be ranked with likelihoods. Sigma decides much of "
        "it (settings: sigma). A generator whose images lie on a thin manifold is charged for every test image off it. The "
        "bound is loose where annealing fails: see the annealing gap.",
        source=WU,
    ),
)
