"""A training under way: networks, optimisers and running means, begun, saved, and gone on with as if never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from askance.learning.checkpoints import load_progress, restore, save_progress
from askance.learning.fabric import in_memory_order, make_fabric
from askance.learning.plateau import Curve, Plateau
from askance.learning.task import States, Task

_AVERAGE = "average of "  # before a network's name in the file of progress


@dataclass
class Underway:
    """What changes from step to step."""

    fabric: Fabric
    networks: dict[str, nn.Module] = field(default_factory=dict)
    optimizers: dict[str, Optimizer] = field(default_factory=dict)
    averages: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    curve: Curve = field(default_factory=Curve)
    flat_at: int | None = None
    seconds: float = 0.0

    @property
    def precision(self) -> str:
        """What it computes with, as Fabric calls it."""
        return str(self.fabric.strategy.precision.precision)

    def has_ended(self, task: Task) -> bool:
        """Whether no step is left, or none would help."""
        return self.step >= task.steps or (self.flat_at is not None and self._cooled(task) >= 1)

    def rate(self, task: Task) -> float:
        """The learning rate of the next step."""
        return task.rate(self.step) * (1 - self._cooled(task))

    def note_loss(self, loss: float, plateau: Plateau) -> None:
        """Take in the loss of the step just made, and whether with it the curve is flat."""
        self.curve.add(loss, self.step, plateau.stretch)
        if self.flat_at is None and plateau.reached(self.curve.means):
            self.flat_at = self.step

    def _cooled(self, task: Task) -> float:
        """The part of the cooldown that is over, 0 before it."""
        if self.flat_at is None or task.plateau is None:
            return 0.0
        return (self.step - self.flat_at) / task.plateau.cooldown if task.plateau.cooldown else 1.0


def begin(task: Task) -> Underway:
    """The training at its first step, or where a killed one had come to."""
    saved = load_progress(task.progress_file) if task.progress_file else None
    if saved and saved[1]["fingerprint"] != task.fingerprint:
        saved = None
    training = Underway(make_fabric(saved[1]["precision"] if saved else task.precision))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        modules = task.networks()
    for name, state in (task.start or {}).items():
        if name in modules:
            modules[name].load_state_dict(state)
    for name, module in modules.items():
        _set_up(training, name, module, task, saved[0] if saved else None)
    if saved:
        training.step, training.losses, training.seconds = saved[1]["step"], saved[1]["losses"], saved[1].get("seconds", 0.0)
        training.curve, training.flat_at = Curve(**saved[1].get("curve", {})), saved[1].get("flat_at")
    return training


def _set_up(training: Underway, name: str, module: nn.Module, task: Task, tensors: Mapping[str, Tensor] | None) -> None:
    """Bring a network and its optimiser to the device, in the task's order of memory, faster on CPUs (docs/log.md)."""
    if tensors is not None:
        prefix = f"{name}."
        module.load_state_dict({key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)})
    module = in_memory_order(module.train(), task.memory_format)
    training.networks[name], training.optimizers[name] = training.fabric.setup(module, task.optimizer(module))
    if task.average:
        training.averages[name] = {key: value.detach().clone() for key, value in module.state_dict().items()}
    if tensors is not None:
        restore(name, training.optimizers[name], tensors)
        for key, average in training.averages.get(name, {}).items():
            average.copy_(tensors[f"{_AVERAGE}{name}.{key}"])


@torch.no_grad()
def move_averages(training: Underway, horizon: int) -> None:
    """Move each weight's and statistic's running mean a step on: over about ``horizon`` steps, fewer at the start."""
    share = 1 - min(1 - 1 / horizon, (1 + training.step) / (10 + training.step)) if horizon else 0.0
    for name, average in training.averages.items():
        state = training.networks[name].state_dict()
        moving = [key for key, value in average.items() if value.is_floating_point()]
        torch._foreach_lerp_([average[key] for key in moving], [state[key] for key in moving], share)


def model_states(training: Underway) -> States:
    """The model's weights by network, the same in every process: batch norm's statistics are the first one's."""
    networks, averages = training.networks, training.averages
    states = {name: dict(averages.get(name) or network.state_dict()) for name, network in networks.items()}
    if training.fabric.world_size > 1:
        for name, network in networks.items():
            for key, _ in _bare(network).named_buffers():
                states[name][key].copy_(training.fabric.broadcast(states[name][key]))
    return states


def _bare(network: nn.Module) -> nn.Module:
    """The network without the wrappers of Fabric and of data parallelism, which put prefixes before its buffers' names."""
    return cast(nn.Module, network.module)


def save(training: Underway, task: Task) -> None:
    """Write the training to ``task.progress_file``, from the first of the processes."""
    if task.progress_file and training.fabric.is_global_zero:
        states: dict[str, Mapping[str, Tensor]] = {name: net.state_dict() for name, net in training.networks.items()}
        states |= {f"{_AVERAGE}{name}": average for name, average in training.averages.items()}
        about = {
            "step": training.step,
            "fingerprint": task.fingerprint,
            "losses": training.losses,
            "seconds": training.seconds,
            "precision": training.precision,  # goes on as it began, whatever "auto" would say now
            "curve": asdict(training.curve),
            "flat_at": training.flat_at,
        }
        save_progress(task.progress_file, states, training.optimizers, about)
