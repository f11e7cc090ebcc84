"""Print how many seeds of each adversarial model find all modes of a ring and the classes of 8x8 digits with their recipes.

Usage: python tests/benchmarks/gans.py [--datasets ring8 digits] [--models ...] [--seeds 10] [--updates 1000]
       [--recipe '{"hp": {"lr": 0.001}}']

A ring's trial succeeds with 8 of 8 modes and 80 % of 2,500 samples within 3 standard deviations of one; a digits' trial with 9
of 10 classes, each with a tenth of its fair share of 1,000 samples or more by a classifier. Diverged trials are failures.
All models have the budget of the default study on these sets, 1,000 updates of the generator. "quality" is a median over seeds:
the share near a mode, or the divergence of the classes' shares in nats. "CPU s" are of a seed, with training and judging.
"""

import argparse
import functools
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Budget, Recipe
from genbench.data import load, prepare, space
from genbench.metrics.cards import scores
from genbench.metrics.encoder import accuracy, extract, train_encoder
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images, Points
from genbench.models import MODELS
from genbench.training.trainer import Switches, Trainer

ADVERSARIAL = [name for name in MODELS if model_spec(name).family == "gan"]
BATCH = {"ring8": 256, "digits": 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=list(BATCH), choices=list(BATCH))
    parser.add_argument("--models", nargs="+", default=ADVERSARIAL, choices=ADVERSARIAL)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--recipe", type=json.loads, default={}, help="JSON that overrides the recipes of all models")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for dataset in args.datasets:
        spec = dataset_spec(dataset)
        with tempfile.TemporaryDirectory() as folder:
            prepare(spec, Path(folder))
            data = load(Path(folder))
        judge = judge_points(data.density()) if spec.kind == "points" else judge_images(data)
        print(f"\n{dataset}: {args.updates} updates of {BATCH[dataset]} examples, {args.seeds} seeds, {torch.__version__}")
        print(f"{'model':10} {'successes':>9} {'found, seed by seed':32} {'quality':>8} {'CPU s':>7}")
        for name in args.models:
            start, (found, quality, good) = time.process_time(), trials(name, spec, data, judge, args)
            seconds = (time.process_time() - start) / args.seeds
            middle = statistics.median(quality) if quality else float("nan")
            line = f"{name:10} {good:>5}/{args.seeds:<3} {' '.join(map(str, found)):32} {middle:8.2f} {seconds:7.1f}"
            print(line, flush=True)


def trials(name, spec, data, judge, args):
    """What each seed found ("-" if it diverged), quality of those that did not, and the number of successes."""
    parts = recipe(model_spec(name), spec, Recipe(**args.recipe))
    make = functools.partial(MODELS[name], spec.shape, spec.levels, **parts.net)
    seen = space(data, MODELS[name].space[spec.kind])
    size = parts.train.get("replicas", Switches.replicas)
    results = []
    for first in range(0, args.seeds, size):
        seeds = range(first, min(first + size, args.seeds))
        trainer = Trainer(
            make, seeds, [parts.hp] * len(seeds), data.splits["train"], data.splits["validation"], seen, BATCH[spec.name],
            Budget(unit="updates", value=args.updates), Switches(**parts.train),
        )  # fmt: skip
        results += trainer.run()
    found = []
    for seed, result in enumerate(results):
        if result.model is None:
            found.append(("-", None, False))
        else:
            generator = torch.Generator().manual_seed(1000 + seed)
            found.append(judge(lambda n, r=result, g=generator: seen.decode(r.model.sample(n, g))))
    return [s[0] for s in found], [s[1] for s in found if s[1] is not None], Counter(s[2] for s in found)[True]


def judge_points(density):
    """Modes found, and the share of samples near one."""

    def judge(draw):
        met, near = (s.value for s in scores(Points(draw(2500), density=density), ("modes", "high_quality")))
        return int(met), near, met == 8 and near >= 0.8

    return judge


def judge_images(data):
    """Classes covered, and the divergence of the classes' shares from those of test images in nats."""
    pairs = [(data.splits[s], data.labels[s]) for s in ("train", "validation", "test")]
    encoder = train_encoder(*pairs[0], classes=data.classes, levels=data.levels, seed=0, validation=pairs[1])
    print(f"classifier's accuracy on test images: {accuracy(encoder, *pairs[2]):.3f}")
    features, logits = extract(encoder, pairs[2][0])
    reference = Reference(encoder.name, "test", features, torch.bincount(logits.argmax(1), minlength=data.classes))

    def judge(draw):
        seen = Images(*extract(encoder, draw(1000)), reference)
        covered, kl = (s.value for s in scores(seen, ("classes_covered", "class_kl")))
        return int(covered), kl, covered >= 9

    return judge


if __name__ == "__main__":
    main()
