"""How much sooner a training step is replayed than run, by model, dataset and number of trials that train together.

    python tests/benchmarks/traced.py [--models ns_gan vae ...] [--datasets ring8 digits] [--together 1 4] [--batch 64]

Recipes' own networks on random data of the dataset's shape, on one thread. Steps that are run and steps that are replayed take
turns; CPU milliseconds per update and trial, the least of three rounds, and the seconds that tracing took. A table in Markdown.
"""

import argparse
import time

import torch

from genbench.checks.clock import trainer
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.training.trainer import Trainer

STEPS = 8  # of a round


def made(model: str, dataset: str, count: int, batch: int, traced: bool) -> Trainer:
    """A trainer of so many trials of a model's recipe."""
    parts = recipe(model_spec(model), dataset_spec(dataset)).model_dump(mode="json")
    parts["train"]["replicas"] = count
    common = dict(id="", dataset=dataset, model=model, family="", batch=batch, budget={"unit": "updates", "value": 1000})
    trials = [Trial(**common, seed=seed, **parts, dataset_spec="", code="") for seed in range(count)]
    out = trainer(trials)
    out.replicas.traced = traced
    out.model.train()
    return out


def spent(trained: Trainer, steps: int) -> float:
    """CPU-seconds of steps."""
    start = time.process_time()
    for _ in range(steps):
        trained.step()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ns_gan", "wgan_gp", "vae", "ebm", "realnvp", "cnf", "ddpm"])
    parser.add_argument("--datasets", nargs="+", default=["ring8", "digits"])
    parser.add_argument("--together", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| model, dataset, trials together | run, ms | replayed, ms | ratio | tracing, s |\n|---|---|---|---|---|")
    for dataset in arguments.datasets:
        for model in arguments.models:
            for count in arguments.together:
                run, replayed = (made(model, dataset, count, arguments.batch, traced) for traced in (False, True))
                tracing = spent(replayed, 1) - spent(run, 1)
                rounds = [(spent(run, STEPS), spent(replayed, STEPS)) for _ in range(3)]
                a, b = (1e3 * min(each) / STEPS / count for each in zip(*rounds, strict=True))
                print(f"| {model}, {dataset}, {count} | {a:.2f} | {b:.2f} | {a / b:.2f} | {tracing:.1f} |", flush=True)


if __name__ == "__main__":
    main()
