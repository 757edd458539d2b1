"""The loop with a task that is no cGAN: one network of three dimensions, another optimiser, an end on a plateau."""

import dataclasses

import pytest
import torch
from torch import nn

from askance.errors import TrainingError
from askance.learning.batches import Batch
from askance.learning.checkpoints import hash_weights, load_progress
from askance.learning.descent import descend
from askance.learning.plateau import Plateau
from askance.learning.task import StepLosses, Task


class Stopped(KeyboardInterrupt):
    """Somebody's Ctrl-C."""


def _networks():
    return {"N": nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.Dropout(0.2), nn.Conv3d(4, 2, 1))}


def _optimizer(module):
    first, last = module[0].parameters(), module[2].parameters()
    groups = [{"params": list(first)}, {"params": list(last), "rate_share": 0.0}]
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def _batch(step):
    images = torch.randn((2, 1, 4, 4, 4), generator=torch.Generator().manual_seed(step))
    return Batch(images, (images[:, 0] > 0).to(torch.uint8), torch.ones(2, 1, 1), torch.ones(2, dtype=torch.bool))


def _losses(networks, batch):
    loss = nn.functional.cross_entropy(networks["N"](batch.images), batch.labels.long())
    return StepLosses({"N": loss}, {"entropy": loss.detach()})


def _task(**changes):
    fields = {
        "networks": _networks,
        "optimizer": _optimizer,
        "batches": _batch,
        "losses": _losses,
        "rate": lambda step: 0.1,
        "seed": 1,
        "steps": 12,
        "remedy": "lower the rate",
        "precision": "32-true",
        "memory_format": torch.channels_last_3d,
    }
    return Task(**{**fields, **changes})


def _flat_after(stretch, **more):
    return Plateau(stretch, fall=1.0, **more)  # nothing falls by all of it: flat as soon as there is enough to tell


def test_a_network_of_three_dimensions_learns():
    seen = []
    trained = descend(_task(steps=60, report=lambda step: seen.append((step.number, step.losses["entropy"]))))
    assert [number for number, _ in seen] == [20, 40, 60]
    assert trained.losses == {"entropy": seen[-1][1]}
    assert seen[-1][1] < seen[0][1]
    assert (trained.steps, trained.means) == (60, ())


def test_a_parameter_group_learns_at_its_share_of_the_rate():
    torch.manual_seed(0)
    start = {"N": _networks()["N"].state_dict()}
    trained = descend(_task(start=start)).states["N"]
    assert torch.equal(trained["2.weight"], start["N"]["2.weight"])
    assert not torch.equal(trained["0.weight"], start["N"]["0.weight"])


def test_the_rate_is_asked_for_at_every_step():
    asked = []
    descend(_task(steps=3, rate=lambda step: asked.append(step) or 0.1))
    assert asked == [0, 1, 2]


def test_a_training_ends_on_a_plateau_and_says_after_how_many_steps():
    seen = []
    trained = descend(_task(steps=100, plateau=_flat_after(4), report=lambda step: seen.append(step.number)))
    assert (trained.steps, len(trained.means), trained.flat_at) == (12, 3, 12)
    assert seen == [12]


def test_after_the_plateau_the_rate_falls_to_zero_over_the_cooldown(monkeypatch):
    rates = []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or step(self))
    trained = descend(_task(steps=100, plateau=_flat_after(2, cooldown=4)))
    assert (trained.steps, trained.flat_at) == (10, 6)
    assert rates == pytest.approx([0.1] * 7 + [0.075, 0.05, 0.025])


def test_a_training_that_never_becomes_flat_ends_at_its_limit():
    trained = descend(_task(steps=9, plateau=Plateau(2, fall=-1e9)))
    assert (trained.steps, trained.flat_at, len(trained.means)) == (9, None, 4)


def test_the_means_are_those_of_the_losses_of_every_step():
    losses = []

    def noting(networks, batch):
        made = _losses(networks, batch)
        losses.append(float(made.parts["entropy"]))
        return made

    means = descend(_task(steps=6, losses=noting, plateau=Plateau(3))).means
    assert means == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:]) / 3])


@pytest.mark.parametrize("stop", [2, 9, 14])
def test_a_training_stopped_before_its_plateau_ends_on_the_same_one_with_the_same_weights(tmp_path, stop):
    def report(step):
        if step.number >= stop:
            raise Stopped

    plateau = _flat_after(4, cooldown=5)
    task = _task(steps=100, plateau=plateau, progress_file=tmp_path / "progress", save_every_s=0)
    whole = descend(_task(steps=100, plateau=plateau))
    with pytest.raises(Stopped):
        descend(dataclasses.replace(task, report=report))
    saved = load_progress(tmp_path / "progress")[1]
    assert saved["step"] == stop - 1
    resumed = descend(task)
    assert resumed.seconds > saved["seconds"] > 0, "what was spent before the kill is counted"
    assert resumed.precision == "32-true"
    assert hash_weights(resumed.states) == hash_weights(whole.states)
    assert (resumed.steps, resumed.means, resumed.flat_at) == (whole.steps, whole.means, 12)


def test_a_loss_that_is_not_a_number_is_named_with_the_tasks_own_remedy():
    def broken(networks, batch):
        made = _losses(networks, batch)
        return StepLosses(made.by_network, {"entropy": made.parts["entropy"] * float("nan")})

    with pytest.raises(TrainingError, match="step 12 of 12: the entropy loss is nan; lower the rate"):
        descend(_task(losses=broken))
