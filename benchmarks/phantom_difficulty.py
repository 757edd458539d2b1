"""How hard the phantom is: mean Dice of a U-Net from one patient and from all, and of a forest on intensities.

A phantom that means something gives, on each seed: 0.45-0.75 from one patient, at least 0.85 from all, and a random
forest at most 0.50 on myocardium. Run ``python benchmarks/phantom_difficulty.py --seeds 0 1 2``; each arm appends one
line to ``results/phantom_difficulty.jsonl``. The arms share one signature (``Arm``), so another trainer is another function.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn

from askance.volumes.phantom.study import make_patients

RESULTS = Path(__file__).parent / "results" / "phantom_difficulty.jsonl"
CLASSES = 3
STEPS = 500
BATCH = 8


@dataclass(frozen=True)
class Volume:
    """Image with mean 0 and deviation 1, float32 (X, Y, Z), and its labels, uint8."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


#: Learns from volumes and labels the images of others, given a seed.
Arm = Callable[[list[Volume], list[NDArray[np.float32]], int], list[NDArray[np.uint8]]]


def phantom_volumes(seed: int, patients: int = 10) -> list[Volume]:
    """The volumes that ``make_phantom`` writes."""
    return [Volume(normalised(patient.image), patient.labels) for patient in make_patients(seed, patients)]


def normalised(image: NDArray[np.int16]) -> NDArray[np.float32]:
    return ((image - image.mean()) / image.std()).astype(np.float32)


class UNet(nn.Module):
    """A plain U-Net of four levels on axial slices."""

    def __init__(self, width: int = 16, levels: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in pairwise(widths))
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([skips[level], F.interpolate(x, scale_factor=2.0)], dim=1))
        return self.head(x)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    def half(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(*half(inputs), *half(outputs))


def unet(learn: list[Volume], images: list[NDArray[np.float32]], seed: int) -> list[NDArray[np.uint8]]:
    """The arm of a plain U-Net: cross-entropy and soft Dice, one-cycle AdamW, bf16."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    slices = torch.cat([_slices(volume.image) for volume in learn])
    labels = torch.cat([_slices(volume.labels.astype(np.int64)) for volume in learn])
    network = UNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        batch = torch.randint(len(slices), (BATCH,), generator=generator)
        x, y = augmented(slices[batch], labels[batch], generator)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(x.to(memory_format=torch.channels_last))
        loss = _loss(logits.float(), y[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return [_labelled(network.eval(), image) for image in images]


def _slices(volume: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, 2, 0)))[:, None]


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    probs, onehot = logits.softmax(dim=1), F.one_hot(labels, CLASSES).movedim(-1, 1).float()
    overlap, total = (probs * onehot).sum((0, 2, 3)), (probs + onehot).sum((0, 2, 3))
    return F.cross_entropy(logits, labels) + 1 - (2 * overlap / (total + 1)).mean()


def augmented(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flips, turns of up to 20 degrees, sizes of 0.85 to 1.15, contrast and brightness."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(x), generator=generator)

    angle, scale = draw(-0.35, 0.35), draw(0.85, 1.15)
    flip = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    cos, sin, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros(len(x))
    theta = torch.stack([torch.stack([cos * flip, -sin, zero], 1), torch.stack([sin * flip, cos, zero], 1)], 1)
    where = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, where, padding_mode="border", align_corners=False)
    y = F.grid_sample(y.float(), where, mode="nearest", align_corners=False).long()
    low = x.amin((1, 2, 3), keepdim=True)
    span = (x.amax((1, 2, 3), keepdim=True) - low).clamp_min(1e-3)
    gamma = draw(-0.35, 0.35).exp()[:, None, None, None]
    x = ((x - low) / span) ** gamma * span + low
    return x * draw(0.8, 1.2)[:, None, None, None] + draw(-0.2, 0.2)[:, None, None, None], y


@torch.no_grad()
def _labelled(network: nn.Module, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    labels = network(_slices(image)).argmax(dim=1).numpy().astype(np.uint8)
    return np.moveaxis(labels, 0, 2)


def forest(learn: list[Volume], images: list[NDArray[np.float32]], seed: int) -> list[NDArray[np.uint8]]:
    """The arm that sees intensities alone: each voxel's own and its neighbourhood's mean and deviation."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([_features(volume.image) for volume in learn])
    y = np.concatenate([volume.labels.ravel() for volume in learn])
    some = rng.choice(len(x), min(len(x), 60_000), replace=False)
    trees = RandomForestClassifier(40, min_samples_leaf=20, class_weight="balanced_subsample", random_state=seed)
    trees.fit(x[some], y[some])
    return [trees.predict(_features(image)).reshape(image.shape).astype(np.uint8) for image in images]


def _features(image: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = ndimage.uniform_filter(image, (5, 5, 1))
    square = ndimage.uniform_filter(image**2, (5, 5, 1))
    return np.stack([image, mean, np.sqrt(np.maximum(square - mean**2, 0))], axis=-1).reshape(-1, 3)


def dice_per_class(labels: NDArray[np.uint8], truth: NDArray[np.uint8]) -> list[float]:
    """Dice of every foreground class over one volume; every phantom holds every class."""
    pairs = [(labels == k, truth == k) for k in range(1, CLASSES)]
    return [2 * float((a & b).sum()) / float(a.sum() + b.sum()) for a, b in pairs]


def measure(arm: Arm, state: str, seed: int, volumes: list[Volume]) -> dict[str, object]:
    """One line: ``arm`` learns from the first patient or from all seven and is measured on the other three."""
    learn, test = volumes[:7], volumes[7:]
    taught = learn[:1] if state == "1patient" else learn
    start = time.perf_counter()
    found = arm(taught, [volume.image for volume in test], seed)
    dice = np.array([dice_per_class(labels, volume.labels) for labels, volume in zip(found, test, strict=True)])
    labelled, pool = (sum(volume.image.shape[2] for volume in part) for part in (taught, learn))
    return {
        "bench": "phantom_difficulty",
        "dataset": "phantom",
        "method": {unet: "plain_unet", forest: "forest"}[arm],
        "acquisition": None,
        "seed": seed,
        "fold": None,
        "state": state,
        "budget": labelled / pool,
        "labelled_slices": labelled,
        "pool_slices": pool,
        "dice": round(float(dice.mean()), 4),
        "dice_per_class": [round(float(value), 4) for value in dice.mean(axis=0)],
        "dice_per_volume": [round(float(value), 4) for value in dice.mean(axis=1)],
        "score_r": None,
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "commit": _commit(),
        "default": False,
    }


def _commit() -> str | None:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        volumes = phantom_volumes(seed)
        for arm, state in ((forest, "full"), (unet, "1patient"), (unet, "full")):
            line = measure(arm, state, seed, volumes)
            print(
                json.dumps(
                    {
                        key: line[key]
                        for key in ("method", "state", "seed", "dice", "dice_per_class", "dice_per_volume", "seconds")
                    }
                )
            )
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
