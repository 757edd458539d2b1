import pytest
import torch

from askance.learning import fabric
from askance.learning.checkpoints import load_progress


@pytest.fixture
def flags(monkeypatch):
    """A CPU that says it has bf16 instructions."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


@pytest.mark.parametrize(("gain", "expected"), [(2.0, True), (0.5, False), (1.05, False)])
def test_bf16_is_taken_where_a_trial_shows_that_it_is_faster(flags, monkeypatch, gain, expected):
    monkeypatch.setattr(fabric, "_bf16_gain", lambda: gain)
    assert fabric.has_fast_bf16() is expected


def test_without_bf16_instructions_nothing_is_tried(flags, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(fabric, "_bf16_gain", lambda: pytest.fail("tried"))
    assert fabric.has_fast_bf16() is False


def test_the_trial_gives_a_ratio():
    assert 0.01 < fabric._bf16_gain() < 100


def test_a_training_goes_on_in_the_precision_in_which_it_began(tmp_path, monkeypatch):
    from made_trainings import make_config, make_run

    from askance.learning.training import train

    file, config = tmp_path / "progress", make_config(precision="auto")
    for gain in (0.5, 2.0):
        monkeypatch.setattr(fabric, "has_fast_bf16", lambda gain=gain: gain > 1)
        train(make_run(steps=3, config=config, progress_file=file, save_every_s=0))
        assert load_progress(file)[1]["precision"] == "32-true"
