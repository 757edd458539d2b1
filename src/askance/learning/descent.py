"""The one training loop, for every network and objective. Resumes exactly: a step depends on (seed, step) and weights."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from askance.errors import TrainingError
from askance.learning.batches import Batch
from askance.learning.task import Step, StepLosses, Task, Trained
from askance.learning.underway import Underway, begin, model_states, move_averages, save

_LOOK_EVERY = 20  # steps between looks at the losses: each look waits for the device


def descend(task: Task) -> Trained:
    """Networks trained as ``task`` says, from its start or from where a killed training had come to.

    Raises:
        TrainingError: a loss that is not a number.
    """
    training = begin(task)
    first, before, speed = training.step, training.seconds, 0.0
    began = saved = time.perf_counter()
    with _own_randomness(training.fabric):
        while not training.has_ended(task):
            torch.manual_seed(_step_seed(task.seed, training))
            batch = task.batches(training.step)
            losses = task.losses(training.networks, _mine(training.fabric, batch))
            _update(training, losses, training.rate(task))
            move_averages(training, task.average)
            training.step += 1
            _note(training, losses, task)
            seconds = time.perf_counter() - began
            training.seconds, speed = before + seconds, (training.step - first) * len(batch.images) / seconds
            due = time.perf_counter() - saved >= task.save_every_s
            if due or training.step % _LOOK_EVERY == 0 or training.has_ended(task):
                _look(training, losses, task, speed)
            if due:
                save(training, task)
                saved = time.perf_counter()
    return Trained(
        model_states(training),
        training.losses,
        training.seconds,
        speed,
        training.precision,
        training.step,
        tuple(training.curve.means),
        training.flat_at,
    )


@contextmanager
def _own_randomness(fabric: Fabric) -> Iterator[None]:
    """Dropout draws from torch's global generator, which is put back as it was."""
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        yield


def _step_seed(seed: int, training: Underway) -> int:
    """Of the step's dropout: other in every step and process, the same when the step is made again."""
    return int(np.random.SeedSequence((seed, training.step, training.fabric.global_rank)).generate_state(1)[0])


def _mine(fabric: Fabric, batch: Batch) -> Batch:
    """This process's share of the batch, on its device."""
    part = slice(fabric.global_rank, None, fabric.world_size)
    return Batch(
        *(fabric.to_device(tensor[part]) for tensor in (batch.images, batch.labels, batch.weights, batch.annotated))
    )


def _update(training: Underway, losses: StepLosses, rate: float) -> None:
    """One step of each network, by the gradient of its own loss alone."""
    for optimizer in training.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("rate_share", 1.0)
    for number, (name, loss) in enumerate(losses.by_network.items(), start=1):
        weights = list(training.networks[name].parameters())
        training.fabric.backward(loss, inputs=weights, retain_graph=number < len(losses.by_network))
    for optimizer in training.optimizers.values():
        optimizer.step()


def _note(training: Underway, losses: StepLosses, task: Task) -> None:
    """Note the step's loss, the mean over the processes, so that all of them see the same plateau."""
    if task.plateau:
        loss = torch.stack([value.detach() for value in losses.by_network.values()]).sum()
        mean = cast(Tensor, training.fabric.all_reduce(loss, reduce_op="mean"))
        training.note_loss(float(mean), task.plateau)


def _look(training: Underway, losses: StepLosses, task: Task, slices_per_s: float) -> None:
    training.losses = {name: float(value) for name, value in losses.parts.items()}
    for name, value in training.losses.items():
        if not math.isfinite(value):
            raise TrainingError(f"step {training.step} of {task.steps}: the {name} loss is {value}; {task.remedy}")
    if task.report:
        task.report(Step(training.step, task.steps, training.losses, slices_per_s))
