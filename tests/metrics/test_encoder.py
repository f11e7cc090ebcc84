import urllib.error

import pytest
import torch
from sklearn.datasets import load_digits

from genbench.config.errors import UserError
from genbench.metrics.encoder import (
    Encoder,
    StackedEncoder,
    _warped,
    accuracy,
    extract,
    inception_encoder,
    load_encoder,
    save_encoder,
    train_encoder,
    train_stacked_encoder,
    weights_hash,
)
from genbench.metrics.inception import Inception
from genbench.results.files import read_json, write_json


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(7))
    images, labels = (
        torch.tensor(data.images).to(torch.uint8)[:, None][order],
        torch.tensor(data.target)[order],
    )
    return {
        "train": (images[:1257], labels[:1257]),
        "validation": (images[1257:1437], labels[1257:1437]),
        "test": (images[1437:], labels[1437:]),
    }


@pytest.fixture(scope="module")
def encoder(digits):
    entries = []
    encoder = train_encoder(
        *digits["train"],
        classes=10,
        levels=17,
        seed=0,
        epochs=15,
        validation=digits["validation"],
        log=entries.append,
    )
    assert [e["epoch"] for e in entries] == list(range(15))
    # the best epoch is kept, not the last
    assert accuracy(encoder, *digits["validation"]) == pytest.approx(max(e["accuracy"] for e in entries))
    return encoder


def test_encoder_learns_digits(encoder, digits):
    assert accuracy(encoder, *digits["test"]) > 0.98


def test_features_are_standardised_by_training_data(encoder, digits):
    features, logits = extract(encoder, digits["train"][0])
    assert features.shape == (1257, 64) and logits.shape == (1257, 10)
    assert features.dtype == logits.dtype == torch.float32
    assert features.mean(0).abs().max() < 1e-4 and (features.std(0) - 1).abs().max() < 1e-3
    assert (features < 0).any()  # before the ReLU


def test_save_and_load_give_identical_features(encoder, digits, tmp_path):
    save_encoder(encoder, tmp_path, {"accuracy": 0.5})
    again = load_encoder(tmp_path)
    for x, y in zip(extract(encoder, digits["test"][0]), extract(again, digits["test"][0]), strict=True):
        assert torch.equal(x, y)
    facts = read_json(tmp_path / "encoder.json")
    assert facts == {
        "accuracy": 0.5,
        "features": 64,
        "classes": 10,
        "levels": 17,
        "shape": [1, 8, 8],
        "seed": 0,
        "hash": weights_hash(encoder),
    }
    assert again.name == encoder.name == f"genbench-cnn-{facts['hash']}" and again.seed == 0
    write_json(tmp_path / "encoder.json", {**facts, "hash": "00000000"})
    with pytest.raises(UserError, match="not those"):
        load_encoder(tmp_path)
    with pytest.raises(UserError, match="not found"):
        load_encoder(tmp_path / "nowhere")


def test_extraction_does_not_depend_on_batch_size_or_dtype(encoder, digits):
    images = digits["test"][0]
    features, logits = extract(encoder, images)
    for batch in (1, 7, 360):
        others = extract(encoder, images, batch=batch)
        assert torch.allclose(features, others[0], atol=1e-5) and torch.allclose(logits, others[1], atol=1e-4)
    assert torch.equal(extract(encoder, images.float())[0], features)


def test_training_is_repeatable_and_leaves_the_random_stream_alone(digits):
    images, labels = digits["train"][0][:200], digits["train"][1][:200]
    before = torch.get_rng_state()
    hashes = [weights_hash(train_encoder(images, labels, classes=10, levels=17, seed=seed, epochs=1)) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 16, 9)])
def test_shapes(shape):
    images = torch.randint(0, 256, (20, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    encoder = train_encoder(images, torch.arange(20) % 4, classes=4, levels=256, seed=0, epochs=1)
    features, logits = extract(encoder, images)
    assert features.shape == (20, 64) and logits.shape == (20, 4) and torch.isfinite(features).all()


@pytest.fixture(scope="module")
def stacks(digits):
    """Three digits each, of the training and of the test part."""

    def stack(images, labels, n):
        chosen = torch.randint(len(images), (n, 3), generator=torch.Generator().manual_seed(n))
        return images[chosen, 0], labels[chosen] @ torch.tensor([100, 10, 1])

    return {"train": stack(*digits["train"], 2000), "test": stack(*digits["test"], 500)}


def test_stacked_encoder_looks_at_one_channel_after_another(encoder, stacks):
    whole, images = StackedEncoder(encoder, 3), stacks["test"][0]
    features, logits = extract(whole, images)
    assert features.shape == (500, whole.features) == (500, 192) and logits.shape == (500, whole.classes) == (500, 1000)
    parts = [extract(encoder, images[:, [channel]]) for channel in range(3)]
    assert torch.allclose(features, torch.cat([f for f, _ in parts], 1), atol=1e-5)
    a, b, c = (lg.softmax(1) for _, lg in parts)
    joint = torch.einsum("na,nb,nc->nabc", a, b, c).flatten(1)
    assert torch.allclose(logits.exp(), joint, atol=1e-5)
    assert torch.equal(logits.argmax(1), a.argmax(1) * 100 + b.argmax(1) * 10 + c.argmax(1))
    assert whole.name == f"{encoder.name}x3" and whole.levels == 17 and whole.seed == 0
    with pytest.raises(ValueError, match="trained on"):
        extract(whole, images[:, :2])


def test_stacked_encoder_is_trained_on_the_distinct_channels(stacks, digits, tmp_path):
    entries = []
    whole = train_stacked_encoder(*stacks["train"], classes=1000, levels=17, seed=3, epochs=8, validation=stacks["test"],
                                  log=entries.append)  # fmt: skip
    # errors of the three channels add up
    single = accuracy(whole.single, *digits["test"])
    assert single > 0.95 and accuracy(whole, *stacks["test"]) == pytest.approx(single**3, abs=0.03)
    assert len(entries) == 8
    save_encoder(whole, tmp_path, {"accuracy": 0.5})
    again = load_encoder(tmp_path)
    assert isinstance(again, StackedEncoder) and again.name == whole.name and again.seed == 3
    assert torch.equal(extract(again, stacks["test"][0])[0], extract(whole, stacks["test"][0])[0])
    assert read_json(tmp_path / "encoder.json")["stacked"] == 3
    # the order of the stacks does not matter, for their channels are sorted and distinct
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(0))
    options = {"classes": 1000, "levels": 17, "seed": 3, "epochs": 1, "validation": stacks["test"]}
    one, two = (train_stacked_encoder(*(t[i] for t in stacks["train"]), **options) for i in (order, order.flip(0)))
    assert one.name == two.name
    with pytest.raises(ValueError, match="3-th power"):
        train_stacked_encoder(*stacks["train"], **{**options, "classes": 10})


def test_augmentation_is_a_small_affine_map():
    generator = torch.Generator().manual_seed(0)
    flat = torch.full((50, 2, 9, 9), 7, dtype=torch.uint8)
    assert torch.allclose(_warped(flat, generator), flat.float())  # the border is repeated
    ramp = torch.arange(33.0).expand(400, 1, 33, 33)  # a plane stays one: its slopes tell the map
    inner = _warped(ramp, generator)[:, 0, 14:19, 14:19]
    across, down = inner.diff(dim=2).mean((1, 2)), inner.diff(dim=1).mean((1, 2))
    assert abs(across.mean() - 1) < 0.02 and 0.08 < across.std() < 0.12 and 0.08 < down.std() < 0.12
    assert 1.2 < (inner[:, 2, 2] - 16).std() < 2.1  # a tenth of 16.5 pixels


def test_bad_input_is_refused(encoder):
    with pytest.raises(ValueError, match="sizes"):
        Encoder((1, 4, 4), 10, 17)
    with pytest.raises(ValueError, match="trained on"):
        extract(encoder, torch.zeros(2, 1, 9, 8))
    with pytest.raises(ValueError, match="no images"):
        extract(encoder, torch.zeros(0, 1, 8, 8))
    with pytest.raises(ValueError, match="classes"):
        train_encoder(torch.zeros(4, 1, 8, 8), torch.arange(4), classes=3, levels=17, seed=0)


def test_inception_without_weights_is_a_user_error(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="not found"):
        inception_encoder(tmp_path / "none.pth")
    wrong = tmp_path / "wrong.pth"
    torch.save({"x": torch.zeros(1)}, wrong)
    with pytest.raises(UserError, match="not the weights"):
        inception_encoder(wrong)

    def offline(*args, **kwargs):
        raise urllib.error.URLError("offline")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match="cannot be downloaded"):
        inception_encoder()


def test_inception_never_unpickles_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UserError):
        inception_encoder(tmp_path / "evil.pth")
    assert not (tmp_path / "owned").exists()


def test_inception_gets_three_channels_of_bytes():
    class Spy(torch.nn.Module):
        def forward(self, x):
            self.seen = x
            return torch.zeros(len(x), 2048), torch.zeros(len(x), 1008)

    spy = Spy()
    spy.weight = torch.nn.Parameter(torch.zeros(1))
    features, logits = extract(Inception(spy, levels=17), torch.full((2, 1, 8, 8), 16, dtype=torch.uint8))
    assert spy.seen.shape == (2, 3, 8, 8) and spy.seen.dtype == torch.uint8 and int(spy.seen.min()) == 255
    assert features.shape == (2, 2048) and logits.shape == (2, 1008)
