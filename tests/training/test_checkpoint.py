"""What is kept for Continue, and the average of the weights."""

from __future__ import annotations

import json

import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.networks import UNet
from napari_scribe.networks.blocks import placed
from napari_scribe.recipe import Training
from napari_scribe.recipe import UNet as Recipe
from napari_scribe.training.checkpoint import Checkpoint, TrainState


def fresh(seed: int = 0, optimizer: str = "adamw") -> TrainState:
    torch.manual_seed(seed)
    network = placed(UNet(Recipe(depth=1, width=2), 1, 1), 2)
    return TrainState(network, Training(optimizer=optimizer), seed)


def learn(state: TrainState, n: int) -> None:
    """Steps on noise that comes from the state's own generator."""
    for _ in range(n):
        x = torch.randn(2, 1, 8, 8, generator=state.generator)
        state.network.train()
        state.optimizer.zero_grad(set_to_none=True)
        state.network(x).square().mean().backward()
        state.optimizer.step()
        state.index += 1
        state.update_average()


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return (
        one.numbers == other.numbers
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(one.tensors[k], other.tensors[k]) for k in one.tensors)
    )


@pytest.mark.parametrize("by_bytes", [False, True])
def test_a_restored_state_goes_on_bit_for_bit(by_bytes: bool):
    whole = fresh()
    learn(whole, 3)
    whole.keep_if_best(0.5)
    kept = whole.checkpoint()
    if by_bytes:
        kept = Checkpoint.from_bytes(kept.to_bytes())
    learn(whole, 4)
    other = fresh(seed=9)
    learn(other, 2)
    other.restore(kept)
    assert same(other.checkpoint(), kept)
    learn(other, 4)
    assert same(other.checkpoint(), whole.checkpoint())


def test_the_scale_of_float16_gradients_goes_on():
    """Gradients too large halve the scale; a restored state goes on with what was found."""
    state = fresh()
    half = TrainState(state.network, Training(), 0, torch.float16)
    for value in (1.0, 1e38, 1.0):  # the second overflows
        half.optimizer.zero_grad(set_to_none=True)
        loss = value * half.network(torch.ones(1, 1, 8, 8)).mean()
        half.scaler.scale(loss).backward()
        half.scaler.step(half.optimizer)
        half.scaler.update()
    kept = Checkpoint.from_bytes(half.checkpoint().to_bytes())
    other = TrainState(fresh(seed=9).network, Training(), 9, torch.float16)
    assert other.scaler.get_scale() == 2 * half.scaler.get_scale()
    other.restore(kept)
    assert other.scaler.state_dict() == half.scaler.state_dict()
    assert other.scaler.state_dict()["_growth_tracker"] == 1
    state.restore(kept)  # what needs no scale takes none
    assert state.scaler.state_dict() == {}
    numbers = {k: v for k, v in kept.numbers.items() if k != "scaler"}
    other.restore(Checkpoint(kept.tensors, numbers))  # from before it was kept


def test_a_checkpoint_does_not_change_with_what_comes_later():
    state = fresh()
    learn(state, 1)
    kept = state.checkpoint()
    before = kept.to_bytes()
    learn(state, 2)
    assert kept.to_bytes() == before
    other = fresh()
    other.restore(kept)
    learn(other, 2)
    assert kept.to_bytes() == before


@pytest.mark.parametrize(("before", "after"), [("adamw", "sgd"), ("sgd", "adamw")])
def test_another_optimizer_begins_without_a_past(before: str, after: str):
    first = fresh(optimizer=before)
    learn(first, 2)
    kept = first.checkpoint()
    other = fresh(optimizer=after)
    other.restore(kept)
    assert other.optimizer.state_dict()["state"] == {} and other.index == 2
    learn(other, 1)
    keys = {key for entry in other.optimizer.state_dict()["state"].values() for key in entry}
    assert keys == ({"momentum_buffer"} if after == "sgd" else {"step", "exp_avg", "exp_avg_sq"})


def test_a_checkpoint_from_before_the_optimizer_was_recorded_is_of_adamw():
    first = fresh()
    learn(first, 2)
    kept = first.checkpoint()
    numbers = {k: v for k, v in kept.numbers.items() if k != "optimizer"}
    for name, has_state in (("adamw", True), ("sgd", False)):
        other = fresh(optimizer=name)
        other.restore(Checkpoint(kept.tensors, numbers))
        assert bool(other.optimizer.state_dict()["state"]) == has_state


def test_bytes_hold_data_and_no_code():
    state = fresh()
    learn(state, 1)
    data = state.checkpoint().to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["numbers"])["index"] == 1


@pytest.mark.parametrize("data", [b"", b"junk", bytes(100), b"\x05\0\0\0\0\0\0\0hello"])
def test_bytes_that_hold_no_checkpoint(data: bytes):
    with pytest.raises(InputError, match="checkpoint"):
        Checkpoint.from_bytes(data)


def test_truncated_bytes():
    data = fresh().checkpoint().to_bytes()
    for n in range(0, len(data), len(data) // 20):
        with pytest.raises(InputError, match="checkpoint"):
            Checkpoint.from_bytes(data[:n])


def test_the_lowest_validation_is_kept():
    state = fresh()
    assert state.keep_if_best(0.5)
    best = {k: v.clone() for k, v in state.result().items()}
    learn(state, 2)
    assert not state.keep_if_best(0.5)
    assert not state.keep_if_best(0.7)
    assert all(torch.equal(v, best[k]) for k, v in state.result().items())
    assert state.keep_if_best(0.4)
    average = state.average.state_dict()
    assert all(torch.equal(v, average[k]) for k, v in state.result().items())


def test_a_training_that_blew_up_is_never_the_best():
    state = fresh()
    assert not state.keep_if_best(float("nan"))
    assert state.best is None
    assert state.keep_if_best(0.5)
    assert not state.keep_if_best(float("nan"))
    assert state.best_loss == 0.5


def test_without_validation_the_average_is_given():
    state = fresh()
    learn(state, 2)
    average = state.average.state_dict()
    assert all(torch.equal(v, average[k]) for k, v in state.result().items())


def test_the_average_follows_the_weights():
    """Polynomial decay: after n steps of a straight walk it is nearer to its end than its start."""
    state = fresh()
    name = "head.bias"
    values = []
    for i in range(1, 101):
        state.index = i
        with torch.no_grad():
            state.network.get_parameter(name).fill_(float(i))
        state.update_average()
        values.append(state.average.get_parameter(name).item())
    assert values[0] == 1  # the first step is taken whole
    power = state.recipe.averaging
    reference = 0.0
    for i in range(1, 101):
        share = min(1.0, (power + 1) / (i + power))
        reference += share * (i - reference)
    assert values[-1] == pytest.approx(reference, rel=1e-5)
    assert 85 < values[-1] < 100
