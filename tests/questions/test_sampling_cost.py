import pytest
import torch

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Split
from genbench.data import load, prepare
from genbench.questions.sampling_cost import run as sampling_cost
from genbench.questions.sampling_cost.settings import Settings as SamplingCost
from genbench.questions.training import Bench

MODELS = ("made", "pixelcnn", "pixelrnn", "realnvp", "vae")


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mnist5k_binary")
    spec = dataset_spec("mnist5k_binary").model_copy(update={"split": Split(train=20, validation=10, test=10)})
    prepare(spec, folder)
    bench = Bench(
        {"mnist5k_binary": load(folder)}, lambda m, d: recipe(model_spec(m), dataset_spec(d)), torch.device("cpu"), print
    )
    settings = SamplingCost(sides=[8, 12], seeds=2, batch=4)
    return sampling_cost.run(settings, bench)["costs"].set_index(["model", "side"])


def test_a_row_per_model_side_and_seed(costs):
    assert len(costs) == len(MODELS) * 2 * 2 and set(costs["dataset"]) == {"mnist5k_binary"}
    assert (costs[["train_seconds", "sample_seconds"]] > 0).all(axis=None)
    counted = costs.drop(columns=["dataset", "seed", "train_seconds", "sample_seconds"])
    repeated = counted.groupby(level=[0, 1]).nunique()
    assert (repeated == 1).all(axis=None)  # counts are exact: seeds agree


@pytest.mark.parametrize("model", MODELS)
def test_passes_are_the_methods(costs, model):
    """A sample takes a pass per pixel where conditionals come one after the other, a single one of a flow or a decoder; memories
    run once a row in training, too, and between the rows of a sample."""
    for side in (8, 12):
        one = costs.loc[(model, side)].iloc[0]
        assert one["train_passes"] == (side if model == "pixelrnn" else 1)
        serial = {"made": side**2, "pixelcnn": side**2, "pixelrnn": side**2 + side - 1}
        assert one["sample_passes"] == serial.get(model, 1)


def test_flops_by_hand(costs):
    """MADE runs its whole network for every pixel, forward only; training runs it forward and back, two or three times that."""
    net = recipe(model_spec("made"), dataset_spec("mnist5k_binary")).net
    for side in (8, 12):
        d, width = side**2, net["width"]
        forward = 2 * (d * width + (net["depth"] - 1) * width**2 + width * 2 * d)
        one = costs.loc[("made", side)].iloc[0]
        assert one["sample_flops"] == pytest.approx(d * forward)
        assert one["train_flops"] == pytest.approx(3 * forward - 2 * d * width)  # no gradient by the images


def test_sampling_by_rows_costs_less_than_by_images(costs):
    """A pass over one row costs as many FLOPs as one over the image divided by its rows; the stack above, once a row."""
    one = costs.loc[("pixelcnn", 12)].iloc[0]
    assert one["sample_flops"] < 12**2 * one["train_flops"] / 3 / 4


def test_bad_sides_are_one_line():
    with pytest.raises(ValueError, match="multiple of 4"):
        SamplingCost(sides=[8, 30])
