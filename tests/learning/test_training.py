import dataclasses
import logging
import re
from itertools import pairwise

import pytest
import torch
from made_trainings import SIDE, make_config, make_data, make_run

from askance.config import NetworkConfig, TrainingConfig
from askance.errors import ConfigError, FormatError, TrainingError
from askance.learning.architecture import Shape, crop_size, make_networks, require_halvable, unet_depth
from askance.learning.checkpoints import hash_weights, load_progress
from askance.learning.fabric import make_fabric
from askance.learning.training import step_count, train

CONFIGS = [("unet", "askance"), ("unet", "luc"), ("pix2pix", "cgan"), ("unet", "souly"), ("pix2pix", "pix2pix")]


class Stopped(KeyboardInterrupt):
    """Somebody's Ctrl-C."""


def _stop_at(number):
    def report(step):
        if step.number >= number:
            raise Stopped

    return report


def _run(generator="unet", objective="askance", **changes):
    batch = 8 if objective == "souly" else 4  # of which half is unlabelled or a pseudo-label
    return make_run(config=make_config(objective=objective, batch=batch, unlabelled=0.25), generator=generator, **changes)


@pytest.mark.parametrize(("generator", "objective"), CONFIGS)
def test_the_loss_falls_on_a_toy_task(generator, objective):
    seen = []
    run = _run(generator, objective, steps=60, report=lambda step: seen.append(step.losses["pixelwise"]))
    trained = train(run)
    assert len(seen) == 3
    assert trained.losses["pixelwise"] == seen[-1] < 0.8 * seen[0]
    made = objective == "souly"
    assert set(trained.states) == ({"G", "imager"} if made else {"G", "D"})
    assert set(trained.losses) == {"pixelwise", *(("telling", "imager") if made else ("adversarial", "discriminator"))}
    assert trained.slices_per_s > 0


def test_without_an_adversarial_term_there_is_no_discriminator():
    trained = train(make_run(steps=2, config=make_config(adversarial=0)))
    assert set(trained.states) == {"G"}
    assert set(trained.losses) == {"pixelwise"}


@pytest.mark.parametrize(("generator", "objective"), CONFIGS)
def test_the_same_run_gives_the_same_weights_and_another_seed_others(generator, objective):
    first, again = (hash_weights(train(_run(generator, objective)).states) for _ in range(2))
    assert first == again != hash_weights(train(_run(generator, objective, seed=4)).states)


@pytest.mark.parametrize(("generator", "objective"), CONFIGS)
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(tmp_path, generator, objective):
    file = tmp_path / "progress"
    whole = train(_run(generator, objective, steps=7))
    for stop in (3, 5):
        with pytest.raises(Stopped):
            train(_run(generator, objective, steps=7, progress_file=file, save_every_s=0, report=_stop_at(stop)))
        assert load_progress(file)[1]["step"] == stop - 1
    resumed = train(_run(generator, objective, steps=7, progress_file=file, save_every_s=0))
    assert hash_weights(resumed.states) == hash_weights(whole.states)
    assert resumed.losses == whole.losses


def test_a_training_that_had_ended_is_not_made_again(tmp_path):
    run = make_run(steps=3, progress_file=tmp_path / "progress", save_every_s=0)
    ended, again = train(run), train(dataclasses.replace(run, report=_stop_at(0)))
    assert hash_weights(again.states) == hash_weights(ended.states)
    assert again.losses == ended.losses


def test_progress_of_another_label_set_is_not_gone_on_with(tmp_path):
    file = tmp_path / "progress"
    train(make_run(steps=3, progress_file=file, save_every_s=0, fingerprint="old"))
    fresh = train(make_run(steps=3, progress_file=file, fingerprint="new", seed=9))
    assert hash_weights(fresh.states) == hash_weights(train(make_run(steps=3, seed=9)).states)


def test_a_progress_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "progress").write_bytes(b"no such thing")
    with pytest.raises(FormatError, match="delete it to train from the start"):
        train(make_run(progress_file=tmp_path / "progress"))


def test_a_training_leaves_torchs_own_randomness_alone():
    state = torch.random.get_rng_state()
    train(_run("pix2pix", "pix2pix", steps=2))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_loss_that_is_not_a_number_stops_the_training_before_it_is_saved(tmp_path):
    config = make_config(learning_rate=1e30)
    run = make_run(steps=40, config=config, progress_file=tmp_path / "progress", save_every_s=0)
    with pytest.raises(TrainingError, match=r"step \d+ of 40: the \w+ loss is .*; lower training.learning_rate"):
        train(run)
    tensors, _ = load_progress(tmp_path / "progress")
    assert all(torch.isfinite(value).all() for key, value in tensors.items() if key == "G.head.bias")


def test_a_warm_start_goes_on_from_the_given_weights():
    start = train(make_run(steps=3)).states
    frozen = make_config(learning_rate=1e-30, weight_decay=0.0)
    warm = train(make_run(steps=1, config=frozen, start=start, seed=8)).states
    weights = {name: {key: value for key, value in state.items() if "weight" in key} for name, state in start.items()}
    assert all(torch.equal(warm[name][key], weights[name][key]) for name in weights for key in weights[name])


def test_after_its_part_of_the_steps_a_training_has_no_pseudo_label_left():
    weights = [
        train(make_run(steps=4, pseudo_share=share, pseudo_until=until)).states["G"]["head.weight"]
        for share, until in ((0.0, 1.0), (0.5, 0.0), (0.5, 0.5), (0.5, 1.0))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[2], weights[3])


def test_a_training_without_a_truth_in_its_share_of_the_batch_goes_on():
    data, source = make_data(6, pseudo=5)
    run = make_run(steps=3, data=data, source=source, pseudo_share=1.0)
    assert train(run).losses["pixelwise"] > 0


@pytest.mark.parametrize(
    ("labelled", "warm", "expected"), [(16, False, 2400), (1600, False, 5000), (8000, False, 8000), (16, True, 800)]
)
def test_steps_follow_the_labelled_slices_within_bounds(labelled, warm, expected):
    assert step_count(labelled, TrainingConfig(), warm) == expected


@pytest.mark.parametrize(("size", "depth"), [((256, 256), 4), ((40, 64), 3), ((48, 48), 4), ((32, 32), 3), ((36, 30), 1)])
def test_the_unet_is_as_deep_as_the_grid_lets_it(size, depth):
    assert unet_depth(size) == depth


@pytest.mark.parametrize("size", [(320, 320), (16, 48), (24, 32), (47, 40), (30, 512)])
def test_grids_that_are_small_or_multiples_of_16_are_taken(size):
    require_halvable(size)


@pytest.mark.parametrize("generator", ["unet", "pix2pix"])
@pytest.mark.parametrize(
    ("size", "nearest"),
    [((250, 250), "(240, 240) or (256, 256)"), ((500, 512), "(496, 512) or (512, 512)"), ((24, 56), "(24, 48) or (24, 64)")],
)
def test_a_large_grid_that_would_make_toys_of_the_networks_is_refused_with_the_nearest_sizes(size, nearest, generator):
    with pytest.raises(ConfigError, match=rf"grid\.size {re.escape(str(size))}.*multiples of 16.*{re.escape(nearest)}"):
        make_networks(Shape(1, 2, size), NetworkConfig(generator=generator), make_config())


def test_pix2pix_trains_on_whole_slices_and_the_unet_on_crops():
    shape, training = Shape(1, 2, (256, 256)), TrainingConfig()
    assert crop_size(shape, NetworkConfig(generator="pix2pix"), training) == (256, 256)
    assert crop_size(shape, NetworkConfig(), training) == (96, 96)
    assert make_networks(shape, NetworkConfig(generator="pix2pix", width=4), training)["D"].receptive_field == 70


@pytest.mark.parametrize(
    ("size", "crop", "message"),
    [((35, 48), (16, 16), r"grid\.size \(35, 48\)"), ((256, 256), (100, 128), r"training\.crop \(100, 128\)")],
)
def test_a_size_that_the_unet_cannot_halve_is_an_error_that_names_the_setting(size, crop, message):
    with pytest.raises(ConfigError, match=message + ".*wanted multiples of"):
        make_networks(Shape(1, 2, size), NetworkConfig(), make_config(crop=crop))


def test_pix2pix_starts_from_isolas_weights():
    modules = make_networks(Shape(1, 2, (SIDE, SIDE)), NetworkConfig(generator="pix2pix"), make_config())
    weights = torch.cat([value.flatten() for key, value in modules["G"].state_dict().items() if key.endswith("0.weight")])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)


def test_bf16_learns_the_toy_task_too():
    if not torch.cpu._is_avx512_bf16_supported() and not torch.cuda.is_available():
        pytest.skip("no bf16 in hardware: minutes instead of seconds")
    assert train(make_run(steps=60, config=make_config(precision="bf16-mixed"))).losses["pixelwise"] < 0.8


def test_the_fabric_is_silent_and_puts_logging_back(capfd):
    logger = logging.getLogger("lightning_fabric")
    before = logger.level
    make_fabric("bf16-mixed")
    assert capfd.readouterr() == ("", "")
    assert logger.level == before


def test_the_model_is_the_running_mean_of_the_weights(tmp_path):
    file, saved = tmp_path / "progress", []

    def look(step):
        if step.number > 1:
            saved.append(load_progress(file)[0])

    run = make_run(steps=30, config=make_config(average=5), progress_file=file, save_every_s=0, report=look)
    model = train(run).states["G"]
    saved.append(load_progress(file)[0])
    key = "head.weight"
    for number, (before, after) in enumerate(pairwise(saved), start=1):
        share = 1 - min(1 - 1 / 5, (1 + number) / (10 + number))
        mean = before[f"average of G.{key}"]
        expected = mean + share * (after[f"G.{key}"] - mean)
        torch.testing.assert_close(after[f"average of G.{key}"], expected)
    assert torch.equal(model[key], saved[-1][f"average of G.{key}"])
    assert not torch.equal(model[key], saved[-1][f"G.{key}"])


def test_without_a_running_mean_the_model_is_the_last_weights(tmp_path):
    file = tmp_path / "progress"
    model = train(make_run(steps=3, config=make_config(average=0), progress_file=file, save_every_s=0)).states["G"]
    tensors = load_progress(file)[0]
    assert all(torch.equal(value, tensors[f"G.{key}"]) for key, value in model.items())
    assert not any(key.startswith("average") for key in tensors)


def test_the_unet_is_half_as_wide_at_full_size_as_on_blocks():
    large, small = (
        make_networks(Shape(1, 2, (side, side)), NetworkConfig(width=8), TrainingConfig())["G"] for side in (96, 48)
    )
    assert (large.stem, large.down[0][0].out_channels) == (2, 8)
    assert (small.stem, small.down[0][0].out_channels, small.down[1][0].out_channels) == (1, 4, 8)


@pytest.mark.parametrize(
    ("crop", "batch", "message"),
    [((16, 16), 16, "D judges patches of 24 pixels"), ((32, 32), 1, None), ((16, 16), 1, "batch 1")],
)
def test_a_crop_that_d_or_batch_norm_cannot_take_is_told_before_the_training(crop, batch, message):
    shape, config = Shape(1, 2, (256, 256)), make_config(crop=crop, batch=batch)
    if message is None:
        assert crop_size(shape, NetworkConfig(), config) == crop
        return
    without = config if "D" in message else config.model_copy(update={"adversarial": 0.0})
    with pytest.raises(ConfigError, match=message):
        crop_size(shape, NetworkConfig(), without)
