"""Cards of metrics on data whose manifold is known."""

from genbench.metrics.card import Card

__all__ = ["CARDS"]

LUCIC = "Lucic et al. 2018, arXiv:1711.10337 (their code for these metrics was never released)"
DELTA = (
    "On the manifold means within a squared distance delta: 0.75 for 28x28 images with values in 0..1 as in the paper, in "
    "proportion to the number of pixels for other sizes (stricter for small images: an edge's error grows with the side only)."
)
SHARE = "half of Wilson's interval for a share, which is not 0 where all or none succeed"
INVERSION = (
    "Latents may leave the region where the prior has its mass (the setting `latent_radius` is about 1 inside it), so an example "
    "can count as covered that the model all but never generates."
)
CARDS = (
    Card(
        key="manifold_precision",
        title="Precision on the manifold",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Share of generated images that lie on the data's known manifold. " + DELTA,
        range="0 to 1",
        floor="1 for real images; what the search for the nearest point of the manifold finds of the test images is the setting "
        "`ceiling`.",
        uncertainty=f"Standard error over the generated images: {SHARE}.",
        traps="One perfect image repeated gets 1: read it with the recall. Counts all or nothing at delta: a shape shifted by a "
        "pixel fails like noise (`median_distance` in the settings tells them apart). The distance is an upper bound, found by "
        "optimisation. Of polygons, centring and the circle through all vertices belong to the manifold, too.",
        source=LUCIC,
    ),
    Card(
        key="manifold_recall",
        title="Recall by inversion",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Share of test images that the generator can reproduce: the least squared error over its latents is at most delta. "
        + DELTA,
        range="0 to 1",
        floor="1 for a generator that reaches the whole manifold, if the inversion succeeds; `inversion_control` says how "
        "often it does.",
        uncertainty=f"Standard error over the test images: {SHARE}. It is shared by models scored on the same images, and "
        "leaves out the inversion's random starts.",
        traps="Confounds modes that are not covered with an optimiser that fails and with the number of latent dimensions: not "
        "measurable where the control is below 0.9 (`measurable` in the settings). Only for models with a deterministic map from "
        "latents to images. " + INVERSION,
        source=LUCIC,
    ),
    Card(
        key="inversion_control",
        title="Inversion control",
        unit="share",
        direction="none",
        applies="images",
        group="Manifold",
        what="Share of a model's own fresh samples that the inversion of its generator finds again within delta.",
        range="0 to 1",
        floor="1: every one of these samples has a latent that gives it exactly.",
        uncertainty=f"Standard error over the samples: {SHARE}.",
        traps="Says whether manifold_recall can be believed and nothing about the model's quality: a collapsed generator gets 1.",
        source="a control on the inversion of Lucic et al. 2018, arXiv:1711.10337",
        ranked=False,
    ),
    Card(
        key="manifold_f1",
        title="F1 on the manifold",
        unit="share",
        direction="higher",
        applies="images",
        group="Manifold",
        what="Harmonic mean of manifold_precision and manifold_recall.",
        range="0 to 1",
        floor="That of its two parts: 1 for a perfect generator whose inversion succeeds.",
        uncertainty="Standard error by the delta method from those of precision (over generated images) and recall (over test "
        "images), taken as independent.",
        traps="Those of both parts; not measurable where the inversion's control is below 0.9.",
        source=LUCIC,
    ),
)
