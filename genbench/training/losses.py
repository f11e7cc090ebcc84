"""Losses of a model's players and their gradients, on fresh batches, for all replicas at once."""

from torch import Tensor

from genbench.data.space import Space
from genbench.training.costs import StepCost, count_step
from genbench.training.replicas import Replicas

__all__ = ["Losses"]


class Losses:
    """Draws batches of training data and evaluates the players' losses on them.

    Arguments:
        replicas: the models. train: raw examples (n, ...), on the replicas' device. space: maps these to what the models see.
        batch: examples per draw and replica. labels: classes (n,) int64 of the examples, for models that are class-conditional.
    """

    def __init__(self, replicas: Replicas, train: Tensor, space: Space, batch: int, labels: Tensor | None = None):
        self.replicas, self.train, self.space, self.batch, self.labels = replicas, train, space, batch, labels

    def draw(self) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch (K, batch, ...) in model space for every replica, and the noise of one update."""
        noise = self.replicas.draw(len(self.train), self.batch, self.train.shape[1:], self.space.dequantises)
        index = noise.pop("index")
        x = self.space.encode(self.train[index], noise.pop("dequantise", None))
        if self.labels is not None:
            noise["label"] = self.labels[index]
        return x.to(self.replicas.dtype), noise

    def gradients(self, player: str) -> tuple[Tensor, list[list[Tensor]]]:
        """Losses (K,) of a player on a fresh batch and the gradients of its parameters; updates the models' buffers."""
        x, noise = self.draw()
        model, hp = self.replicas.model, self.replicas.hp
        if hasattr(model, f"prepare_{player}"):
            noise = {**noise, **self.replicas.step(f"prepare_{player}", x, noise, hp)}
        loss, grads = self.replicas.gradients(f"loss_{player}", player, x, noise, hp)
        if hasattr(model, f"state_{player}"):
            self.replicas.set_buffers(self.replicas.step(f"state_{player}", noise, hp))
        return loss, grads

    def cost(self) -> StepCost:
        """What an update of all players costs, by running it once; there must be one replica, run by the loop."""
        model = self.replicas.model
        turns = [player for player, count in model.players.items() for _ in range(count)]
        return count_step(model, lambda: [self.gradients(player) for player in turns], self.batch)
