"""The three loops of ``gan_step.py``: each trains for a while and gives back the time of the steps after its warm-up.

The textbook's is pix2pix's as in pytorch-CycleGAN-and-pix2pix (``pix2pix_model.optimize_parameters``) around a Dataset that
augments slice by slice with torch. MONAI's is ``GanTrainer`` with MONAI's own transforms; its closures do what
its documentation leaves to the user in a conditional GAN.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from ignite.engine import Events
from monai.data import DataLoader as MonaiLoader
from monai.data import Dataset as MonaiDataset
from monai.engines import GanTrainer
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandBiasFieldd,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from monai.utils import set_determinism
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from askance.config import NetworkConfig, TrainingConfig
from askance.learning.architecture import Shape, make_networks
from askance.learning.augmentation import STRENGTHS
from askance.learning.batches import TrainingData
from askance.learning.training import Run, train

SIDE, CHANNELS, CLASSES, WIDTH, BATCH = 128, 1, 4, 32, 8
PIXELWISE = 100.0  # Isola's lambda
STRONG = STRENGTHS["strong"]
SHAPE = Shape(CHANNELS, CLASSES, (SIDE, SIDE))
NETWORK = NetworkConfig(generator="pix2pix", width=WIDTH, discriminator_width=WIDTH)


@dataclass(frozen=True)
class Slices:
    """Images (N, 1, SIDE, SIDE) float32 and labels (N, SIDE, SIDE) uint8, memory-mapped."""

    arrays: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def images(self, slice_ids: list[str]) -> NDArray[np.float32]:
        """As askance's slice cache gives them."""
        return self.arrays[[int(slice_id.rsplit("/", 1)[1]) for slice_id in slice_ids]]


Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Task:
    """What a loop has to do in one turn."""

    slices: Slices
    precision: Precision
    warm_up: int
    steps: int
    workers: int
    seed: int

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16-mixed")


@dataclass(frozen=True)
class Turn:
    """Seconds on the clock, and of processor time over all threads, which other work on the machine hardly touches."""

    seconds: float
    processor_s: float


class Stopwatch:
    """Told when a step begins; ``read`` gives the time since the first one after the warm-up began."""

    def __init__(self, warm_up: int) -> None:
        self._warm_up, self._steps, self._began = warm_up, 0, Turn(math.nan, math.nan)

    def begin_step(self) -> None:
        if self._steps == self._warm_up:
            self._began = Turn(time.perf_counter(), time.process_time())
        self._steps += 1

    def read(self) -> Turn:
        return Turn(time.perf_counter() - self._began.seconds, time.process_time() - self._began.processor_s)


@dataclass(frozen=True)
class TimedSource:
    """The slices, with a stopwatch that hears of every step: askance asks for the images of one step at its beginning."""

    slices: Slices
    watch: Stopwatch

    def images(self, slice_ids: list[str]) -> NDArray[np.float32]:
        self.watch.begin_step()
        return self.slices.images(slice_ids)


def askance(task: Task) -> Turn:
    """The loop of ``askance.learning.training``."""
    watch, count = Stopwatch(task.warm_up), len(task.slices.labels)
    data = TrainingData(
        slice_ids=tuple(f"case/2/{number}" for number in range(count)),
        labels=task.slices.labels,
        weights=np.ones((count, 1, 1), np.float32),
        pseudo=np.zeros(count, bool),
        extents=np.full((count, 2), SIDE),
    )
    config = TrainingConfig(
        objective="pix2pix",
        batch=BATCH,
        crop=(SIDE, SIDE),
        learning_rate=2e-4,
        weight_decay=0.0,
        adversarial=1.0,
        pixelwise=PIXELWISE,
        augment="strong",
        precision=task.precision,
    )
    train(Run(data, TimedSource(task.slices, watch), SHAPE, NETWORK, config, task.seed, task.warm_up + task.steps))
    return watch.read()


class TextbookDataset(Dataset[tuple[Tensor, Tensor]]):
    """One augmented slice: image (1, SIDE, SIDE) and one-hot label (CLASSES, SIDE, SIDE)."""

    def __init__(self, slices: Slices) -> None:
        self._slices = slices

    def __len__(self) -> int:
        return len(self._slices.labels)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        image = torch.from_numpy(np.array(self._slices.arrays[number]))
        label = torch.from_numpy(np.array(self._slices.labels[number]))
        image, label = _turned(image, label)
        onehot = F.one_hot(label, CLASSES).permute(2, 0, 1).float()
        return _recoloured(image), onehot


def textbook(task: Task) -> Turn:
    """Pix2pix's alternating steps as they are commonly written."""
    generator, discriminator = _networks(task)
    g_optimizer, d_optimizer = (Adam(n.parameters(), 2e-4, betas=(0.5, 0.999)) for n in (generator, discriminator))
    bce, watch = nn.BCEWithLogitsLoss(), Stopwatch(task.warm_up)
    loader = DataLoader(TextbookDataset(task.slices), BATCH, shuffle=True, num_workers=task.workers, drop_last=True)
    batches = _endless(loader)
    for _ in range(task.warm_up + task.steps):
        watch.begin_step()
        image, truth = next(batches)
        with task.autocast():
            fake = generator(image).softmax(1)
        _set_requires_grad(discriminator, True)
        d_optimizer.zero_grad()
        with task.autocast():
            on_fake, on_real = discriminator(image, fake.detach()), discriminator(image, truth)
            d_loss = (bce(on_fake, torch.zeros_like(on_fake)) + bce(on_real, torch.ones_like(on_real))) * 0.5
        d_loss.backward()
        d_optimizer.step()
        _set_requires_grad(discriminator, False)
        g_optimizer.zero_grad()
        with task.autocast():
            verdict = discriminator(image, fake)
            g_loss = bce(verdict, torch.ones_like(verdict)) + PIXELWISE * F.l1_loss(fake, truth)
        g_loss.backward()
        g_optimizer.step()
        g_loss.item(), d_loss.item()
    return watch.read()


def _networks(task: Task) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(task.seed)
    networks = make_networks(SHAPE, NETWORK, TrainingConfig(crop=(SIDE, SIDE)))
    return networks["G"].train(), networks["D"].train()


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def _set_requires_grad(network: nn.Module, wanted: bool) -> None:
    for parameter in network.parameters():
        parameter.requires_grad = wanted


def _turned(image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """One random rotation, scale and flip of a slice."""
    angle = math.radians(float(torch.empty(1).uniform_(-STRONG.rotation, STRONG.rotation)))
    scale = math.exp(float(torch.empty(1).uniform_(-STRONG.scale, STRONG.scale)))
    flips = [-1.0 if float(torch.rand(1)) < 0.5 else 1.0 for _ in range(2)]
    theta = scale * torch.tensor(
        [
            [flips[0] * math.cos(angle), -math.sin(angle) * flips[1], 0.0],
            [flips[0] * math.sin(angle), math.cos(angle) * flips[1], 0.0],
        ]
    )
    grid = F.affine_grid(theta[None], [1, 1, SIDE, SIDE], align_corners=False)
    turned = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)[0]
    return turned, F.grid_sample(label[None, None].float(), grid, mode="nearest", align_corners=False)[0, 0].long()


def _recoloured(image: Tensor) -> Tensor:
    """A slice with random gamma, contrast, bias field and noise."""
    low, high = image.min(), image.max()
    gamma = math.exp(float(torch.empty(1).uniform_(-STRONG.gamma, STRONG.gamma)))
    image = ((image - low) / (high - low).clamp(min=1e-3)) ** gamma * (high - low) + low
    factor = math.exp(float(torch.empty(1).uniform_(-STRONG.contrast, STRONG.contrast)))
    image = image * factor + float(torch.empty(1).uniform_(-STRONG.contrast, STRONG.contrast))
    coarse = torch.empty(1, 1, 4, 4).uniform_(-STRONG.bias_field, STRONG.bias_field).exp()
    image = image * F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True)[0]
    return image + torch.randn_like(image) * float(torch.rand(1)) * STRONG.noise


def monai(task: Task) -> Turn:
    """MONAI's GanTrainer, with the conditions and targets of the batch at hand in its closures."""
    set_determinism(None)
    generator, discriminator = _networks(task)
    watch, loader = Stopwatch(task.warm_up), _monai_loader(task)
    seen: dict[str, Tensor] = {}

    def truths(batch: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        seen["image"] = batch["image"].as_tensor() if hasattr(batch["image"], "as_tensor") else batch["image"]
        labels = batch["label"].as_tensor() if hasattr(batch["label"], "as_tensor") else batch["label"]
        seen["truth"] = F.one_hot(labels[:, 0].long(), CLASSES).permute(0, 3, 1, 2).float()
        return seen["truth"]

    def infer(image: Tensor, network: nn.Module) -> Tensor:
        with task.autocast():
            return network(image).softmax(1)

    def d_loss(fake: Tensor, truth: Tensor) -> Tensor:
        with task.autocast():
            on_fake, on_real = discriminator(seen["image"], fake.detach()), discriminator(seen["image"], truth)
            return (F.softplus(on_fake).mean() + F.softplus(-on_real).mean()) * 0.5

    def g_loss(fake: Tensor) -> Tensor:
        with task.autocast():
            verdict = discriminator(seen["image"], fake)
            return F.softplus(-verdict).mean() + PIXELWISE * F.l1_loss(fake, seen["truth"])

    trainer = GanTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        epoch_length=task.warm_up + task.steps,
        train_data_loader=loader,
        g_network=generator,
        g_optimizer=Adam(generator.parameters(), 2e-4, betas=(0.5, 0.999)),
        g_loss_function=g_loss,
        g_inferer=infer,
        g_prepare_batch=lambda **_: seen["image"],
        g_update_latents=False,
        d_network=discriminator,
        d_optimizer=Adam(discriminator.parameters(), 2e-4, betas=(0.5, 0.999)),
        d_loss_function=d_loss,
        d_prepare_batch=truths,
        decollate=False,
        optim_set_to_none=True,
    )
    trainer.add_event_handler(Events.GET_BATCH_STARTED, watch.begin_step)
    trainer.run()
    return watch.read()


def _monai_loader(task: Task) -> MonaiLoader:
    keys, modes = ["image", "label"], ["bilinear", "nearest"]
    quarter = math.radians(STRONG.rotation)
    augment = Compose(
        [
            RandAffined(keys, prob=1.0, rotate_range=quarter, scale_range=STRONG.scale, mode=modes, padding_mode="zeros"),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandFlipd(keys, prob=0.5, spatial_axis=1),
            RandAdjustContrastd("image", prob=1.0, gamma=(math.exp(-STRONG.gamma), math.exp(STRONG.gamma))),
            RandScaleIntensityd("image", prob=1.0, factors=STRONG.contrast),
            RandShiftIntensityd("image", prob=1.0, offsets=STRONG.contrast),
            RandBiasFieldd("image", prob=1.0, coeff_range=(0.0, STRONG.bias_field)),
            RandGaussianNoised("image", prob=1.0, std=STRONG.noise),
        ]
    )
    items = [{"image": image, "label": label[None]} for image, label in zip(task.slices.arrays, task.slices.labels)]
    data = MonaiDataset(items, augment)
    return MonaiLoader(data, batch_size=BATCH, shuffle=True, num_workers=task.workers, drop_last=True)


#: The loops by name.
LOOPS: dict[str, Callable[[Task], Turn]] = {"textbook": textbook, "monai": monai, "askance": askance}
