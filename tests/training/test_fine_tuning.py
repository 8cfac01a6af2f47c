"""How far a fine-tuning goes away from its parent, and what it refuses."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_scribe.training.checkpoint import Tensors
from napari_scribe.training.fine_tuning import (
    BEGUN_AGAIN,
    CORRECTED,
    KNOWN_KIND,
    NEW,
    NEW_KIND,
    SHRUNK,
    Caution,
    FineTuning,
    begin_again,
    between,
    choose,
)
from napari_scribe.training.judge import knows_more_than_a_constant
from napari_scribe.training.regions import Batch

ZERO, ONE = {"w": torch.zeros(1)}, {"w": torch.ones(1)}


def batch(n: int) -> Batch:
    return Batch(torch.zeros(n, 1, 4, 4), torch.zeros(n, 1, 4, 4), torch.ones(n, 1, 4, 4))


CAREFUL = Caution(NEW_KIND.shares, NEW_KIND.unchecked_share, replay_weight=KNOWN_KIND.replay_weight)
PAINT, REPLAY = [batch(2)], [batch(4)]


def chosen(
    on_paint: Callable[[float], float],
    on_replay: Callable[[float], float] | None = None,
    caution: Caution = CAREFUL,
    paint: Sequence[Batch] = PAINT,
) -> FineTuning:
    """Choose by losses that depend on one weight, 0 for the parent and 1 for what was learnt."""

    def loss_of(weights: Tensors, batches: Sequence[Batch]) -> float:
        at = float(weights["w"])
        return on_replay(at) if on_replay and batches is REPLAY else on_paint(at)

    replay = REPLAY if on_replay else []
    return choose(ZERO, ONE, paint, replay, loss_of, caution)


@given(st.floats(0, 1))
def test_weights_lie_between_two_networks(share: float) -> None:
    parent = {"w": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)}
    tuned = {"w": torch.tensor([3.0, -2.0]), "count": torch.tensor(9)}
    result = between(parent, tuned, share)
    assert torch.allclose(result["w"], torch.tensor([1 + 2 * share, 2 - 4 * share]))
    assert int(result["count"]) == 9


def test_the_share_is_where_the_loss_is_lowest() -> None:
    assert chosen(lambda w: 1 + (w - 0.5) ** 2).share == 0.5
    assert chosen(lambda w: 2 - w) == FineTuning(1.0, (2.0, 1.0))


def test_what_is_no_better_on_paint_is_refused() -> None:
    refused = chosen(lambda w: 1 + w, lambda w: 2 - w)
    assert refused == FineTuning(0.0, (1.0, 2.0), (2.0, 1.0))
    assert "1.000 before, 2.000 with what was learnt" in refused.in_words()
    assert "learnt before: 2.000 before, 1.000 with what was learnt." in refused.in_words()
    assert "not sure enough" not in refused.in_words()
    assert chosen(lambda w: float("nan") if w else 1.0).share == 0


def test_images_of_a_known_kind_hardly_get_worse() -> None:
    """However much better held-out paint gets, and half way at most."""
    assert chosen(lambda w: 2 - w, lambda w: 0.1, KNOWN_KIND).share == 0.5
    assert chosen(lambda w: 2 - w, lambda w: 0.1 + 0.015 * w, KNOWN_KIND).share == 0.25
    assert chosen(lambda w: 2 - w, lambda w: 0.1 + 0.1 * w, KNOWN_KIND).share == 0


def test_corrections_take_the_result_a_quarter_of_the_way() -> None:
    """Whether the corrected places get better or not, and if what was known gets worse."""
    better = chosen(lambda w: 2 - w, lambda w: 0.1 + 0.1 * w, CORRECTED)
    assert better == FineTuning(0.25, (2.0, 1.75), (0.1, 0.125))
    worse = chosen(lambda w: 2 + w, None, CORRECTED)
    assert worse == FineTuning(0.25, (2.0, 2.25))
    assert "learnt all the same" in worse.in_words()
    assert "all the same" not in better.in_words()


@pytest.mark.parametrize("damage", [8.0, math.inf, math.nan])
def test_corrections_that_do_damage_are_refused(damage: float) -> None:
    refused = chosen(lambda w: 2 + damage * w if w else 2, None, CORRECTED)
    assert refused.share == 0 and refused.paint is not None
    assert chosen(lambda w: 2 - w, lambda w: 1 + damage * w if w else 1, CORRECTED).share == 0


def test_where_nothing_is_held_out_it_goes_half_way_unless_that_does_damage() -> None:
    halfway = chosen(lambda w: 1.0, lambda w: 1 + 0.1 * w, KNOWN_KIND, paint=[])
    assert halfway == FineTuning(0.5, None, (1.0, 1.05))
    assert chosen(lambda w: 1.0, lambda w: 1 + 9 * w, KNOWN_KIND, paint=[]).share == 0
    assert chosen(lambda w: 1.0, None, CORRECTED, paint=[]) == FineTuning(0.25)


def test_what_began_again_is_taken_whole_or_not_at_all() -> None:
    """Half way to it lies a valley: both networks are better than what lies between them."""
    assert chosen(lambda w: 2 - w if w in (0, 1) else 0.5, None, BEGUN_AGAIN).share == 1
    assert chosen(lambda w: 2 + w if w in (0, 1) else 0.5, None, BEGUN_AGAIN).share == 0


def test_a_network_that_begins_again_keeps_some_of_what_it_was() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    new = copy.deepcopy(network)
    new[0].reset_parameters()
    begin_again(network, new)
    wanted = SHRUNK * before["0.weight"] + NEW * new[0].weight
    assert torch.allclose(network[0].weight, wanted)
    others = {name for name, now in network.state_dict().items() if now.equal(before[name])}
    assert others == {*before} - {"0.weight"}


def test_few_held_out_objects_have_to_say_more() -> None:
    """What one object says may be chance; 25 that say the same are right."""
    refused = chosen(lambda w: 1 - 0.05 * w, paint=[batch(1)])
    assert refused == FineTuning(0.0, (1.0, 0.95))
    assert "1.000 before, 0.950 with what was learnt. The gain" in refused.in_words()
    assert chosen(lambda w: 1 - 0.05 * w, paint=[batch(25)]).share == 1
    assert chosen(lambda w: 1 - 0.2 * w, paint=[batch(1)]).share == 1


def test_what_harms_more_than_it_helps_is_refused() -> None:
    """A little better on two objects, and worse on replay."""
    assert chosen(lambda w: 1 - 0.1 * w, lambda w: 1 + 0.2 * w).share == 0
    assert chosen(lambda w: 1 - 0.1 * w, lambda w: 1 + 0.2 * max(0, w - 0.5)).share == 0.5
    assert chosen(lambda w: 1 + 0.1 * w, lambda w: 1 - w).share == 0


def test_on_another_kind_of_image_a_loss_on_replay_is_only_said() -> None:
    tuning = chosen(lambda w: 2 - 1.8 * w, lambda w: 0.1 + 0.05 * w, NEW_KIND)
    assert tuning.share == 1
    words = tuning.in_words()
    assert "2.000, now 0.200" in words and "0.100, now 0.150" in words
    assert "worse on what it knew" in words
    assert "worse" not in chosen(lambda w: 2 - w, lambda w: 0.1).in_words()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_an_answer_has_to_beat_the_best_constant(dimensions: int) -> None:
    def squares(logits: torch.Tensor, values: torch.Tensor, weights: torch.Tensor, _: None):
        return ((logits - values).square() * weights).mean()

    generator = torch.Generator().manual_seed(1)
    answer = torch.rand((2, 1, *[24] * dimensions), generator=generator)
    known = (torch.rand(answer.shape, generator=generator) < 0.1).float()
    noise = torch.rand(answer.shape, generator=generator)
    right = Batch(answer, 0.8 * answer + 0.2 * noise, known)
    wrong = Batch(answer, noise, known)
    learnt_how_much = Batch(answer, torch.full_like(answer, 0.7), known)
    assert knows_more_than_a_constant([answer], [right], squares)
    assert not knows_more_than_a_constant([answer], [wrong], squares)
    assert not knows_more_than_a_constant([answer * 0 + 0.69], [learnt_how_much], squares)
