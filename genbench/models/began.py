"""The boundary equilibrium GAN: a critic that is an autoencoder."""

import torch
from torch import Tensor, nn

from genbench.models.adversarial import Adversarial
from genbench.nets import MLP

__all__ = ["BEGAN"]


class AutoEncoder(nn.Module):
    """(B, features) -> (B, features) through a code; both halves are perceptrons."""

    def __init__(self, features: int, code: int, width: int, depth: int):
        super().__init__()
        self.encoder = MLP(features, code, width, depth, "leaky_relu")
        self.decoder = MLP(code, features, width, depth, "leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class BEGAN(Adversarial):
    """With L(x) = |x - critic(x)|, averaged over coordinates, the critic minimises L(x) - k L(G(z)), the generator L(G(z)).

    After each update of the critic k moves by rate_k (gamma L(x) - L(G(z))) within [0, 1]: it holds the balance
    E L(G(z)) = gamma E L(x); a small gamma buys likeness for variety. The authors' gamma lies in [0, 1]; above 1 the critic must
    copy fakes worse than data, and with k at its bound the game is about E L(x) - E L(G(z)), which nothing bounds from below.
    The balance needs both errors before the update, so that the critic runs forward once more here than in the authors' code.

    References:
        BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017), arXiv 1703.10717

    Arguments:
        latent: dimension of z. width, depth: of the generator and of either half of the critic. code: 0 stands for `latent`.
    """

    name = "began"
    hp = {"gamma": 0.5, "rate_k": 0.001}

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 3, code: int = 0, critic_steps: int = 1
    ):
        super().__init__(shape, levels)
        self.latent = latent
        self.players = self.players | {"critic": critic_steps}
        self.critic = AutoEncoder(self.dim, code or latent, width, depth)
        self.generator = MLP(latent, self.dim, width, depth, "leaky_relu")
        self.register_buffer("k", torch.zeros(()))

    def error(self, x: Tensor) -> Tensor:
        """L (B,) of flat examples."""
        return (x - self.critic(x)).abs().mean(-1)

    def score(self, x):
        return -self.error(x)

    def prepare_critic(self, x, noise, hp):
        fake = self.generate(noise["z"])
        balance = hp["gamma"] * self.error(self.flat(x)).mean() - self.error(fake).mean()
        return {"fake": fake, "k": (self.k + hp["rate_k"] * balance).clamp(0, 1)}

    def loss_critic(self, x, noise, hp):
        return (self.error(self.flat(x)) - self.k * self.error(noise["fake"])).mean()

    def state_critic(self, noise, hp):
        return {"k": noise["k"]}

    def loss_generator(self, x, noise, hp):
        return self.error(self.generate(noise["z"])).mean()

    def diagnose(self, x, noise, hp):
        """Adds k, and convergence: the authors' measure L(x) + |gamma L(x) - L(G(z))|, in units of the data."""
        real, fake = self.error(self.flat(x)).mean(), self.error(self.generate(noise["z"])).mean()
        out = super().diagnose(x, noise, hp)
        return out | {"k": self.k.clone(), "convergence": real + (hp["gamma"] * real - fake).abs()}
