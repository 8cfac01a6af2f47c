"""Hold all that changes while a network learns, and save it to continue later."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..errors import InputError
from ..networks import Network
from ..recipe import Training

Tensors = dict[str, Tensor]
WARM_UP = 20
"""Steps in which the learning rate of a fine-tuning grows: the optimizer knows no scales yet."""


@dataclass(frozen=True)
class Checkpoint:
    """Hold everything that a stopped training needs to continue exactly.

    Parameters
    ----------
    tensors
        Network, average, best weights, optimizer and random states.
    numbers
        Steps done, best validation, and what else is no tensor.
    """

    tensors: Tensors
    numbers: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Return it as safetensors, with the numbers as JSON among the metadata: data, no code."""
        return save_tensors(self.tensors, metadata={"numbers": json.dumps(self.numbers)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Read what `to_bytes` wrote.

        Raises
        ------
        InputError
            If these bytes are not a checkpoint, or are damaged.
        """
        try:
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            return cls(load_tensors(data), json.loads(header["__metadata__"]["numbers"]))
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                "This is no checkpoint of a training, or it is damaged. Train anew."
            ) from error


def check_checkpoint(resume: object) -> None:
    """Check that what a training continues from is a checkpoint, or None.

    Raises
    ------
    InputError
        If it is something else.
    """
    if resume is not None and not isinstance(resume, Checkpoint):
        raise InputError(
            f"resume is of type {type(resume).__name__}: give the checkpoint of a job, such as "
            "resume=job.checkpoint; to fine-tune a model, use start."
        )


class TrainState:
    """Hold a network while it learns.

    Parameters
    ----------
    network
        Trained in place, on the device.
    recipe
        Optimizer, learning rate and decay.
    seed
        Seed of every random number of the training.
    dtype
        Precision of the convolutions: the gradients of float16 need scaling.

    Attributes
    ----------
    index, seconds
        Steps done, and the seconds that they took, up to the last end of the training.
    average
        Polynomial-decay average of the weights (Shamir and Zhang 2013,
        https://arxiv.org/abs/1212.1824), over about the last tenth of the training. The training
        may end at any step.
    first_loss
        Loss of the first step, of a network that has learnt nothing yet. None before that step,
        and if the training started from a model.
    steps_before
        Steps of earlier trainings, if this one is the fine-tuning of a model.
    parent
        Weights of the model that is fine-tuned; None if there is none.
    is_known_kind
        Whether that model has learnt from such images, so that small steps are enough.
    has_begun_again
        Whether it knows nothing of them, so that its weights were made smaller and perturbed.
    is_corrected
        Whether most of what was painted at the start was corrected in a prediction.
    best, best_loss, best_index
        Weights of the average with the lowest validation loss, that loss, and the steps done then;
        None if nothing validates.
    ended_early
        Whether the training is over because validations in a row were no better.
    """

    def __init__(
        self, network: Network, recipe: Training, seed: int, dtype: torch.dtype = torch.float32
    ) -> None:
        self.network = network
        self.average = copy.deepcopy(network).eval()
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(seed)
        device = next(network.parameters()).device.type
        self.optimizer = optimizer_of(network, recipe)
        self.scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
        self.index = 0
        self.seconds = 0.0
        self.first_loss: float | None = None
        self.steps_before = 0
        self.parent: Tensors | None = None
        self.is_known_kind = False
        self.has_begun_again = False
        self.is_corrected = False
        self.best: Tensors | None = None
        self.best_loss: float | None = None
        self.best_index: int | None = None
        self.ended_early = False

    def set_learning_rate(self) -> None:
        """Set the size of the next step of a fine-tuning; that of a new training is constant."""
        if self.parent is None:
            return
        rate = self.recipe.learning_rate
        if self.is_known_kind:
            rate *= self.recipe.fine_tuning
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1.0, (self.index + 1) / WARM_UP)

    def update_average(self) -> None:
        """Update the average with the network's weights, after each step.

        `torch.optim.swa_utils.AveragedModel` gives the same numbers with as much code: it counts
        the steps a second time, and has other names in checkpoints.
        """
        share = (self.recipe.averaging + 1) / (self.index + self.recipe.averaging)
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        averages, new = zip(*((a, b) for a, b in pairs if a.is_floating_point()), strict=True)
        torch._foreach_lerp_(list(averages), list(new), min(1.0, share))

    def keep_if_best(self, loss: float) -> bool:
        """Keep the average as the best one if its validation loss is the lowest so far."""
        if not math.isfinite(loss) or (self.best_loss is not None and loss >= self.best_loss):
            return False
        self.best = {k: v.detach().clone() for k, v in self.average.state_dict().items()}
        self.best_loss, self.best_index = loss, self.index
        return True

    def keep_parent(self, steps: int) -> None:
        """Keep the present weights: those that a fine-tuning starts from.

        Parameters
        ----------
        steps
            How many steps they were trained before.
        """
        self.steps_before = steps
        self.parent = {k: v.detach().clone() for k, v in self.average.state_dict().items()}

    def result(self) -> Tensors:
        """Return the best weights, or the average if nothing validates."""
        if self.best is None or self.best_loss is None:
            return dict(self.average.state_dict())
        return self.best

    def checkpoint(self) -> Checkpoint:
        """Return a copy of everything, on the CPU."""
        parts: dict[str, Tensors] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best or {},
            "optimizer": self._optimizer_tensors(),
            "random": {"generator": self.generator.get_state()},
        }
        tensors = {
            f"{part}/{name}": tensor.detach().to("cpu", copy=True).contiguous()
            for part, named in parts.items()
            for name, tensor in named.items()
        }
        numbers = {
            "index": self.index,
            "seconds": self.seconds,
            "first_loss": self.first_loss,
            "steps_before": self.steps_before,
            "best_loss": self.best_loss,
            "best_index": self.best_index,
            "is_known_kind": self.is_known_kind,
            "has_begun_again": self.has_begun_again,
            "is_corrected": self.is_corrected,
            "scaler": self.scaler.state_dict(),
            "optimizer": self.recipe.optimizer,
        }
        return Checkpoint(tensors, numbers)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint of the same network.

        Another optimizer than the checkpoint's begins without a past.
        """
        parts: dict[str, Tensors] = {}
        for name, tensor in checkpoint.tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = tensor
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        device = next(self.network.parameters()).device
        # In checkpoints from before, the best weights may still be the parent's.
        is_own = not checkpoint.numbers.get("best_is_parent", False)
        best = parts.get("best") if is_own else None
        self.best = {k: v.to(device) for k, v in best.items()} if best else None
        self.index = checkpoint.numbers["index"]
        self.seconds = checkpoint.numbers.get("seconds", 0.0)
        self.first_loss = checkpoint.numbers.get("first_loss")
        self.steps_before = checkpoint.numbers.get("steps_before", 0)
        self.is_known_kind = bool(checkpoint.numbers.get("is_known_kind", False))
        self.has_begun_again = bool(checkpoint.numbers.get("has_begun_again", False))
        self.is_corrected = bool(checkpoint.numbers.get("is_corrected", False))
        self.best_loss = checkpoint.numbers["best_loss"] if is_own else None
        self.best_index = checkpoint.numbers.get("best_index") if is_own else None
        # Checkpoints from before it was recorded are of AdamW.
        if checkpoint.numbers.get("optimizer", "adamw") == self.recipe.optimizer:
            self._restore_optimizer(parts.get("optimizer", {}))
        if scaler := checkpoint.numbers.get("scaler"):
            self.scaler.load_state_dict(scaler)
        self.generator.set_state(parts["random"]["generator"])

    def _optimizer_tensors(self) -> Tensors:
        state = self.optimizer.state_dict()["state"]
        # Without momentum, SGD keeps None.
        return {
            f"{i}.{k}": v for i, entry in state.items() for k, v in entry.items() if v is not None
        }

    def _restore_optimizer(self, tensors: Tensors) -> None:
        """Load the state of the optimizer from tensors named ``number of the weight.key``."""
        state: dict[int, Tensors] = {}
        groups = self.optimizer.state_dict()["param_groups"]
        weights = self.optimizer.param_groups[0]["params"]
        for name, tensor in tensors.items():
            i, _, key = name.partition(".")
            # Fused steps go through memory in order: moments need the layout of their weights.
            is_moment = tensor.shape == weights[int(i)].shape
            copied = (
                torch.empty_like(weights[int(i)]).copy_(tensor) if is_moment else tensor.clone()
            )
            state.setdefault(int(i), {})[key] = copied
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def optimizer_of(network: Network, recipe: Training) -> torch.optim.Optimizer:
    """Return the optimizer that a recipe names, for the weights of a network."""
    weights, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    is_fused = next(network.parameters()).device.type in ("cpu", "cuda")
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, rate, recipe.momentum, weight_decay=decay, fused=is_fused)
    return torch.optim.AdamW(weights, rate, weight_decay=decay, fused=is_fused)
