"""Print how fast genbench trains beside Pythae, normflows and torchebm, on the same networks, data and batches.

Usage: pip install -e '.[libraries]' && python tests/benchmarks/libraries.py [--only vae,realnvp,...] [--rounds 7] [--profile]

Theirs is what their documentation shows: Pythae's own trainer, a loop over `forward_kld` for normflows, one over
`ContrastiveDivergence` for torchebm, with torch.optim.Adam and data in memory. Ours is a trial's whole training by the Trainer:
random streams, averaged weights, history, divergence checks; only looking at held-out data is left out on both sides. Both
have one thread. From equal weights, data and noise the losses of both are printed first: they must agree (Glow's rotations
are each side's own, so its losses are only near each other). Then both run so many updates in turn; medians of CPU milliseconds
per update are printed, and the median and range of the ratio over rounds.
`--profile` prints where the time of ours goes: what is in matrix products and convolutions can't be saved.
"""

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import Tensor, nn

from genbench.config.budget import Budget
from genbench.data.space import SPACES, Space, Standard
from genbench.models import MODELS
from genbench.training.replicas import build
from genbench.training.trainer import Switches, Trainer

LR = 1e-3


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Contest:
    """One model of ours against a library's: `theirs(contest)` gives its module, a loss of a batch and what runs the updates."""

    name: str
    library: str
    model: str
    net: dict
    shape: tuple[int, ...]
    levels: int | None
    batch: int
    updates: int  # of a round
    theirs: Callable[["Contest"], tuple[nn.Module, Callable[[Tensor], Tensor], Callable[[], None]]]
    hp: dict | None = None

    @property
    def cls(self):
        """Without the looks at held-out data that choose a checkpoint: theirs has none."""
        return type(self.model, (MODELS[self.model],), {"selects": False})

    def make(self):
        return self.cls(self.shape, self.levels, **self.net)

    @property
    def space(self) -> Space:
        kind = SPACES[self.cls.space["images" if self.levels else "points"]]
        return Standard(self.shape, None, (0.0,) * len(self.shape), 1.0) if kind is Standard else kind(self.shape, self.levels)

    def raw(self, n: int) -> Tensor:
        """Random data: speed does not depend on the values."""
        if self.levels is None:
            return torch.randn(n, *self.shape, generator=gen())
        return torch.randint(self.levels, (n, *self.shape), generator=gen()).to(torch.uint8)

    def encoded(self, n: int) -> Tensor:
        """The same in the model's space."""
        raw = self.raw(n)
        return self.space.encode(raw, torch.rand(raw.shape, generator=gen(1)) if self.space.dequantises else None)

    def trainer(self) -> Trainer:
        data = self.raw(self.batch * self.updates)
        return Trainer(
            self.make, [0], [{"lr": LR, **(self.hp or {})}], data, data[: self.batch], self.space, self.batch,
            Budget(unit="updates", value=self.updates), Switches(schedule="constant"),
        )  # fmt: skip


def batches(contest: Contest) -> list[Tensor]:
    """A round's data, cut beforehand: the least that a loop can do."""
    return list(contest.encoded(contest.batch * contest.updates).split(contest.batch))


def loop(contest: Contest, module: nn.Module, loss: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """A plain training loop."""
    adam, data = torch.optim.Adam(module.parameters(), lr=LR), batches(contest)

    def run() -> None:
        for x in data:
            adam.zero_grad()
            value = loss(x)
            if not (torch.isnan(value) | torch.isinf(value)):
                value.backward()
                adam.step()

    return run


def noise(contest: Contest, x: Tensor) -> dict[str, Tensor]:
    """An update's noise, the same for both."""
    return {name: value[0] for name, value in build(contest.make, 0).noise((1, len(x)), gen(2)).items()}


# ---- Pythae


def pythae_vae(contest: Contest):
    """Its VAE and BaseTrainer around networks of ours."""
    import tempfile

    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.INFO)
    ours, latent = build(contest.make, 0), contest.net["latent"]

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net = ours.net["encoder"]

        def forward(self, x):
            mean, log_std = self.net(2 * x.flatten(1) - 1).chunk(2, -1)  # as ours sees it
            return ModelOutput(embedding=mean, log_covariance=2 * log_std)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = ours.net["decoder"]

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))

    config = VAEConfig(input_dim=contest.shape, latent_dim=latent, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())

    def loss(x: Tensor) -> Tensor:
        plain, model._sample_gauss = model._sample_gauss, lambda mean, std: (mean + std * noise(contest, x)["z"], None)
        value = model({"data": (x + 1) / 2}).loss
        model._sample_gauss = plain
        return value

    data = (torch.cat(batches(contest)) + 1) / 2
    settings = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(), num_epochs=1, learning_rate=LR, no_cuda=True,
        per_device_train_batch_size=contest.batch, optimizer_cls="Adam",
    )  # fmt: skip
    trainer = BaseTrainer(model, BaseDataset(data, torch.zeros(len(data))), training_config=settings)
    trainer.prepare_training()
    trainer.callback_handler.callbacks = []  # the progress bar
    return model, loss, lambda: trainer.train_step(1)


# ---- torchebm


def torchebm_cd(contest: Contest):
    """Its contrastive divergence and Langevin sampler on an energy of ours."""
    from torchebm.core import BaseModel
    from torchebm.losses import ContrastiveDivergence
    from torchebm.samplers import LangevinDynamics

    ours = build(contest.make, 0)

    class Energy(BaseModel):
        def __init__(self):
            super().__init__()
            self.net = ours.net

        def forward(self, x):
            return self.net(x).squeeze(-1) + x.square().sum(-1) / (2 * ours.base**2)

    energy = Energy()
    sampler = LangevinDynamics(energy, step_size=ours.step)
    cd = ContrastiveDivergence(energy, sampler, k_steps=ours.steps, energy_reg_weight=0.0)

    def loss(x: Tensor) -> Tensor:
        """With the chains that ours has from the same noise; the base measure is no part of a gradient."""
        chains = ours.prepare_net(x, noise(contest, x), {})["chains"]
        return (energy.net(x) - energy.net(chains)).mean()

    return energy, loss, loop(contest, energy, lambda x: cd(x)[0])


# ---- normflows


def normflows_realnvp(contest: Contest):
    """Affine coupling blocks of perceptrons and swapped halves, as in its README."""
    import normflows as nf

    dim, width, layers = contest.shape[0], contest.net["width"], contest.net["layers"]
    flows = []
    for _ in range(layers):
        net = nf.nets.MLP([dim // 2, *[width] * contest.net["depth"], dim], init_zeros=True)
        flows += [nf.flows.AffineCouplingBlock(net), nf.flows.Permute(dim, mode="swap")]
    model = nf.NormalizingFlow(nf.distributions.DiagGaussian(dim, trainable=False), flows)
    return model, model.forward_kld, loop(contest, model, model.forward_kld)


def normflows_glow(contest: Contest):
    """Its Glow blocks at several scales, as in its notebook."""
    import normflows as nf

    scales, steps, width = (contest.net[key] for key in ("scales", "steps", "width"))
    channels, side, _ = contest.shape
    q0, flows, merges = [], [], []
    for scale in range(scales):  # the last listed is nearest to the data
        inner = 2 ** (scales - scale)
        own = nf.flows.GlowBlock, (channels * 2 * inner, width)
        flows.append([own[0](*own[1], split_mode="channel", scale=True) for _ in range(steps)] + [nf.flows.Squeeze()])
        half = channels * inner * (2 if scale == 0 else 1)
        q0.append(nf.distributions.DiagGaussian((half, side // inner, side // inner), trainable=False))
        if scale > 0:
            merges.append(nf.flows.Merge())
    model = nf.MultiscaleFlow(q0, flows, merges, class_cond=False)
    return model, model.forward_kld, loop(contest, model, model.forward_kld)


CONTESTS = [
    Contest(
        "VAE 784-512-512-40, Bernoulli", "Pythae", "vae",
        {"latent": 40, "width": 512, "depth": 2, "decoder": "bernoulli"}, (1, 28, 28), 2, 128, 40, pythae_vae,
    ),
    Contest(
        "RealNVP 8 x (64, 64), plane", "normflows", "realnvp",
        {"layers": 8, "width": 64, "depth": 2}, (2,), None, 256, 100, normflows_realnvp,
    ),
    Contest(
        "RealNVP 8 x (128, 128), 64 coordinates", "normflows", "realnvp",
        {"layers": 8, "width": 128, "depth": 2}, (64,), None, 128, 60, normflows_realnvp,
    ),
    Contest(
        "Glow 2 scales x 4 steps, 32 channels, 28x28", "normflows", "glow",
        {"scales": 2, "steps": 4, "width": 32, "prior": "standard"}, (1, 28, 28), 256, 32, 10, normflows_glow,
    ),
    Contest(
        "Glow 2 scales x 8 steps, 64 channels, 28x28", "normflows", "glow",
        {"scales": 2, "steps": 8, "width": 64, "prior": "standard"}, (1, 28, 28), 256, 32, 5, normflows_glow,
    ),
    Contest(
        "CD-10, energy 3 x 128, plane", "torchebm", "cd_ebm",
        {"width": 128, "depth": 3, "steps": 10, "step": 0.01}, (2,), None, 256, 60, torchebm_cd,
    ),
]  # fmt: skip


def check(contest: Contest) -> str:
    """Parameters of both, and their losses of one batch from equal weights and noise."""
    ours = build(contest.make, 0)
    x = contest.encoded(contest.batch)
    module, loss, _ = contest.theirs(contest)
    given = noise(contest, x)
    if hasattr(ours, "prepare_net"):
        given |= ours.prepare_net(x, given, {})
    hp = {name: torch.tensor(value) for name, value in ours.hp.items()}
    ours.begin(x, gen())
    with torch.no_grad():
        values = float(ours.loss_net(x, given, hp)), float(loss(x))
    counts = [sum(p.numel() for p in each.parameters()) for each in (ours, module)]
    return "parameters {:,} and {:,}, losses {:.5f} and {:.5f}".format(*counts, *values)


def measure(contest: Contest, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds per update of theirs and of ours, round by round; the first round warms up."""
    _, _, theirs = contest.theirs(contest)
    found = []
    for _ in range(rounds + 1):
        times = []
        for run in (theirs, contest.trainer().run):
            start = time.process_time()
            run()
            times.append(1000 * (time.process_time() - start) / contest.updates)
        found.append(tuple(times))
    return found[1:]


def profile(contest: Contest) -> None:
    """Where the processor's time of ours goes, by operation."""
    trainer = contest.trainer()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        trainer.run()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(c.model for c in CONTESTS), help="models, by their names in genbench")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for contest in (c for c in CONTESTS if c.model in args.only.split(",")):
        print(f"{contest.name}, batch {contest.batch}: genbench and {contest.library}: {check(contest)}")
        found = measure(contest, args.rounds)
        ratios = [a / b for a, b in found]
        a, b = (statistics.median(each) for each in zip(*found, strict=True))
        print(
            f"  {contest.library} {a:.2f} ms, genbench {b:.2f} ms per update, "
            f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )
        if args.profile:
            profile(contest)


if __name__ == "__main__":
    main()
