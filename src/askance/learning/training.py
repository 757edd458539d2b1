"""The one training loop, for every preset and objective. Resumes exactly: a step depends on (seed, step) and the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from askance.config import NetworkConfig, TrainingConfig
from askance.errors import ConfigError, TrainingError
from askance.learning.batches import Batch, Batches, ImageSource, TrainingData
from askance.learning.checkpoints import load_progress, restore, save_progress
from askance.learning.fabric import make_fabric
from askance.learning.objectives import OBJECTIVES, Losses, compute_losses
from askance.networks.discriminator import PatchGAN
from askance.networks.generator import Pix2PixUNet, UNet

States = dict[str, dict[str, Tensor]]

_AVERAGE = "average of "  # before a network's name in the file of progress
_LARGE = 96  # pixels from which a slice is worked on in blocks of 2 x 2
_NARROWEST = 4  # channels at full size
_LOOK_EVERY = 20  # steps between looks at the losses: each look waits for the device


@dataclass(frozen=True)
class Shape:
    """What networks are made for: image channels, classes, and the working grid's rows and columns."""

    channels: int
    classes: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """What a progress bar shows: step of steps, losses by name, slices per second since the start of this process."""

    number: int
    steps: int
    losses: Mapping[str, float]
    slices_per_s: float


@dataclass(frozen=True)
class Run:
    """One training: its data, settings and seed, the weights it starts from, and where its progress is kept.

    ``fingerprint`` names the label set and settings; progress with another fingerprint is not gone on with. Progress is
    saved every ``save_every_s`` seconds, 0: after every step.
    """

    data: TrainingData
    source: ImageSource
    shape: Shape
    network: NetworkConfig
    training: TrainingConfig
    seed: int
    steps: int
    pseudo_share: float = 0.0
    start: States | None = None
    progress_file: Path | None = None
    fingerprint: str = ""
    save_every_s: float = 30.0
    report: Callable[[Step], None] | None = None


@dataclass(frozen=True)
class Trained:
    """Weights by network name (``G``, ``D``), the last losses, seconds, slices per second of this process."""

    states: States
    losses: Mapping[str, float]
    seconds: float
    slices_per_s: float


@dataclass
class _Loop:
    """What changes from step to step."""

    fabric: Fabric
    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    averages: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)


def train(run: Run) -> Trained:
    """Networks trained on ``run.data``, from ``run.start`` or from scratch, or from where a killed run had come to.

    Raises:
        TrainingError: a loss that is not a number, or nothing labelled.
        ConfigError: a grid or crop that G cannot be made for.
    """
    loop = _prepare(run)
    crop = crop_size(run.shape, run.network, run.training)
    batches = Batches(run.data, run.source, run.training.model_copy(update={"crop": crop}), run.pseudo_share, run.seed)
    first, began, saved = loop.step, time.perf_counter(), time.perf_counter()
    with _own_randomness(loop.fabric):
        while loop.step < run.steps:
            torch.manual_seed(_step_seed(run.seed, loop))
            batch = _mine(loop.fabric, batches[loop.step])
            losses = compute_losses(loop.networks["G"], loop.networks.get("D"), batch, run.training)
            _update(loop, losses, _rate(loop.step, run))
            _average(loop, run.training.average)
            loop.step += 1
            due = time.perf_counter() - saved >= run.save_every_s
            if due or loop.step % _LOOK_EVERY == 0 or loop.step == run.steps:
                _look(loop, losses, run, (loop.step - first) * run.training.batch / (time.perf_counter() - began))
            if due:
                _save(loop, run)
                saved = time.perf_counter()
    seconds = time.perf_counter() - began
    return Trained(_states(loop), loop.losses, seconds, (loop.step - first) * run.training.batch / max(seconds, 1e-9))


def step_count(labelled: int, config: TrainingConfig, warm: bool) -> int:
    """Steps of a training on ``labelled`` slices; a warm start takes its share of them."""
    steps = min(max(config.epochs * math.ceil(labelled / config.batch), config.min_steps), config.max_steps)
    return max(1, round(steps * config.warm_share)) if warm else steps


def make_networks(shape: Shape, network: NetworkConfig, training: TrainingConfig) -> dict[str, nn.Module]:
    """Untrained G, and D where the objective is adversarial, from torch's global generator.

    Raises:
        ConfigError: a grid or crop that G cannot be made for.
    """
    crop_size(shape, network, training)
    networks: dict[str, nn.Module] = {
        "G": _unet(shape, network)
        if network.generator == "unet"
        else Pix2PixUNet(shape.channels, shape.classes, network.width, shape.size)
    }
    if training.adversarial > 0:
        networks["D"] = PatchGAN(shape.channels, shape.classes, network.discriminator_width, shape.size)
    if network.generator == "pix2pix":
        for module in networks.values():
            module.apply(_isola_weights)
    return networks


def _unet(shape: Shape, network: NetworkConfig) -> UNet:
    stem = network.stem or (2 if min(shape.size) >= _LARGE else 1)
    width = network.width if stem == 2 else max(_NARROWEST, network.width // 2)
    return UNet(shape.channels, shape.classes, width, unet_depth(shape.size) - stem // 2, stem)


def crop_size(shape: Shape, network: NetworkConfig, training: TrainingConfig) -> tuple[int, int]:
    """Rows and columns that G and D train on: ``training.crop`` within the grid; pix2pix, made for one size, the whole grid.

    Raises:
        ConfigError: a grid or crop that G's poolings cannot halve.
    """
    if network.generator == "pix2pix":
        return shape.size
    crop = (min(training.crop[0], shape.size[0]), min(training.crop[1], shape.size[1]))
    stride = 2 ** unet_depth(shape.size)
    for name, sides in (("grid.size", shape.size), ("training.crop", crop)):
        if min(sides) < stride or any(side % stride for side in sides):
            raise ConfigError(f"{name} {sides}: the unet halves it to a {stride}th; wanted multiples of {stride}")
    return crop


def unet_depth(size: tuple[int, int]) -> int:
    """How often the unet halves a slice, its stem included: four times, or as often as leaves three whole pixels."""
    depth = 4
    while depth > 1 and (size[0] % 2**depth or size[1] % 2**depth or min(size) < 3 * 2**depth):
        depth -= 1
    return depth


def _isola_weights(module: nn.Module) -> None:
    """Normal, mean 0, deviation 0.02 (Isola 2017, sec. 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _prepare(run: Run) -> _Loop:
    saved = load_progress(run.progress_file) if run.progress_file else None
    if saved and saved[1]["fingerprint"] != run.fingerprint:
        saved = None
    fabric = make_fabric(saved[1]["precision"] if saved else run.training.precision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        modules = make_networks(run.shape, run.network, run.training)
    for name, state in (run.start or {}).items():
        if name in modules:
            modules[name].load_state_dict(state)
    loop = _Loop(fabric, {}, {})
    for name, module in modules.items():
        _set_up(loop, name, module, run, saved[0] if saved else None)
    if saved:
        loop.step, loop.losses = saved[1]["step"], saved[1]["losses"]
    return loop


def _set_up(loop: _Loop, name: str, module: nn.Module, run: Run, tensors: Mapping[str, Tensor] | None) -> None:
    """Bring a network and its optimiser to the device, in channels-last order, faster on CPUs (docs/log.md)."""
    if tensors is not None:
        prefix = f"{name}."
        module.load_state_dict({key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)})
    module = module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config, betas = run.training, OBJECTIVES[run.training.objective].betas
    optimizer = AdamW(
        module.parameters(), lr=config.learning_rate, betas=betas, weight_decay=config.weight_decay, fused=True
    )
    loop.networks[name], loop.optimizers[name] = loop.fabric.setup(module, optimizer)
    if config.average:
        loop.averages[name] = {key: value.detach().clone() for key, value in module.state_dict().items()}
    if tensors is not None:
        restore(name, loop.optimizers[name], tensors)
        for key, average in loop.averages.get(name, {}).items():
            average.copy_(tensors[f"{_AVERAGE}{name}.{key}"])


@contextmanager
def _own_randomness(fabric: Fabric) -> Iterator[None]:
    """Dropout draws from torch's global generator, which is put back as it was."""
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        yield


def _step_seed(seed: int, loop: _Loop) -> int:
    """Of the step's dropout: other in every step and process, the same when the step is made again."""
    return int(np.random.SeedSequence((seed, loop.step, loop.fabric.global_rank)).generate_state(1)[0])


def _mine(fabric: Fabric, batch: Batch) -> Batch:
    """This process's share of the batch, on its device."""
    part = slice(fabric.global_rank, None, fabric.world_size)
    return Batch(
        *(fabric.to_device(tensor[part]) for tensor in (batch.images, batch.labels, batch.weights, batch.annotated))
    )


def _update(loop: _Loop, losses: Losses, rate: float) -> None:
    """One step of D and of G, each by the gradient of its own loss alone."""
    for optimizer in loop.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = rate
    if losses.discriminator is not None:
        weights = list(loop.networks["D"].parameters())
        loop.fabric.backward(losses.discriminator, inputs=weights, retain_graph=True)
    loop.fabric.backward(losses.generator, inputs=list(loop.networks["G"].parameters()))
    for optimizer in loop.optimizers.values():
        optimizer.step()


@torch.no_grad()
def _average(loop: _Loop, horizon: int) -> None:
    """Move each weight's and statistic's running mean a step on: over about ``horizon`` steps, fewer at the start."""
    share = 1 - min(1 - 1 / horizon, (1 + loop.step) / (10 + loop.step)) if horizon else 0.0
    for name, average in loop.averages.items():
        state = loop.networks[name].state_dict()
        moving = [key for key, value in average.items() if value.is_floating_point()]
        torch._foreach_lerp_([average[key] for key in moving], [state[key] for key in moving], share)


def _rate(step: int, run: Run) -> float:
    """Learning rate: constant for the objective's share and then linear to zero, or a warm-up of 5 % and then a cosine."""
    done, constant = step / run.steps, OBJECTIVES[run.training.objective].constant
    if constant:
        return run.training.learning_rate * min(1.0, (1 - done) / (1 - constant))
    if done < 0.05:
        return run.training.learning_rate * (step + 1) / (0.05 * run.steps + 1)
    return run.training.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))


def _look(loop: _Loop, losses: Losses, run: Run, slices_per_s: float) -> None:
    loop.losses = {name: float(value) for name, value in losses.parts.items()}
    bad = [name for name, value in loop.losses.items() if not math.isfinite(value)]
    if bad:
        raise TrainingError(
            f"step {loop.step} of {run.steps}: the {bad[0]} loss is {loop.losses[bad[0]]}; "
            f"lower training.learning_rate (now {run.training.learning_rate}) or set training.precision = '32-true'"
        )
    if run.report:
        run.report(Step(loop.step, run.steps, loop.losses, slices_per_s))


def _states(loop: _Loop) -> States:
    """The model's weights by network, the same in every process: batch norm's statistics are the first one's."""
    states = {name: dict(loop.averages.get(name) or network.state_dict()) for name, network in loop.networks.items()}
    if loop.fabric.world_size > 1:
        for name, network in loop.networks.items():
            for key, _ in _bare(network).named_buffers():
                states[name][key].copy_(loop.fabric.broadcast(states[name][key]))
    return states


def _bare(network: nn.Module) -> nn.Module:
    """The network without the wrappers of Fabric and of data parallelism, which put prefixes before its buffers' names."""
    return cast(nn.Module, network.module)


def _save(loop: _Loop, run: Run) -> None:
    if run.progress_file and loop.fabric.is_global_zero:
        states: dict[str, Mapping[str, Tensor]] = {name: net.state_dict() for name, net in loop.networks.items()}
        states |= {f"{_AVERAGE}{name}": average for name, average in loop.averages.items()}
        precision = loop.fabric.strategy.precision.precision  # goes on as it began, whatever "auto" would say now
        about = {"step": loop.step, "fingerprint": run.fingerprint, "losses": loop.losses, "precision": precision}
        save_progress(run.progress_file, states, loop.optimizers, about)
