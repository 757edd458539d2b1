import json
import os

import pytest
import torch
from safetensors import SafetensorError
from torch import nn
from torch.optim import AdamW

from askance.errors import FormatError, StudyError
from askance.learning import checkpoints
from askance.learning.checkpoints import hash_weights, load_progress, load_weights, restore, save_progress, save_weights


@pytest.fixture
def states():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    return {"G": generator.state_dict(), "D": nn.Conv2d(2, 1, 4).state_dict()}


def _trained(network, steps, optimizer=None):
    """Steps of a fused AdamW on losses that depend on the step alone."""
    optimizer = optimizer or AdamW(network.parameters(), lr=0.1, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.ones(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
    return optimizer


def _network(seed=0):
    torch.manual_seed(seed)
    return nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)


def _corrupt(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def test_weights_are_saved_where_folders_cannot_be_opened(tmp_path, states, monkeypatch):
    opened = os.open

    def on_windows(path, *rest, **named):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", on_windows)
        patch.setattr(os, "name", "nt")
        save_weights(tmp_path / "model", states, {})
    assert load_weights(tmp_path / "model")[0].keys() == states.keys()


def test_a_models_weights_come_back_with_what_is_said_of_them(tmp_path, states):
    digest = save_weights(tmp_path / "m", states, {"steps": 7})
    loaded, info = load_weights(tmp_path / "m")
    assert info == {"steps": 7, "weights_sha256": digest}
    assert hash_weights(loaded) == digest == hash_weights(states)
    assert all(torch.equal(loaded[name][key], states[name][key]) for name in states for key in states[name])


def test_a_model_saved_again_replaces_the_whole_folder(tmp_path, states):
    save_weights(tmp_path / "m", states, {})
    save_weights(tmp_path / "m", {"G": states["G"]}, {})
    assert set(load_weights(tmp_path / "m")[0]) == {"G"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_a_killed_save_left_behind_does_not_stand_in_the_way(tmp_path, states):
    (tmp_path / "m.part").mkdir()
    (tmp_path / "m.part" / "E.safetensors").write_bytes(b"half")
    save_weights(tmp_path / "m", states, {})
    assert set(load_weights(tmp_path / "m")[0]) == {"G", "D"}


@pytest.mark.parametrize("keep", [0, 4, 100])
def test_a_truncated_model_is_an_error_that_names_its_folder(tmp_path, states, keep):
    save_weights(tmp_path / "m", states, {})
    _corrupt(tmp_path / "m" / "G.safetensors", keep)
    with pytest.raises(FormatError, match=r"/m: no model can be read here"):
        load_weights(tmp_path / "m")


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_model_json_that_is_none_is_an_error(tmp_path, states, text):
    save_weights(tmp_path / "m", states, {})
    (tmp_path / "m" / "model.json").write_text(text)
    with pytest.raises(FormatError, match="no model can be read here"):
        load_weights(tmp_path / "m")


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(FormatError, match=r"wanted a folder with model\.json"):
        load_weights(tmp_path)


def test_weights_that_are_not_those_named_are_an_error(tmp_path, states):
    save_weights(tmp_path / "m", states, {})
    save_weights(tmp_path / "other", {"G": {key: value + 1 for key, value in states["G"].items()}}, {})
    (tmp_path / "other" / "G.safetensors").replace(tmp_path / "m" / "G.safetensors")
    with pytest.raises(FormatError, match=r"not those that model\.json names"):
        load_weights(tmp_path / "m")


def test_a_model_without_one_of_its_networks_is_an_error(tmp_path, states):
    save_weights(tmp_path / "m", states, {})
    (tmp_path / "m" / "D.safetensors").unlink()
    with pytest.raises(FormatError, match=r"not those that model\.json names"):
        load_weights(tmp_path / "m")


def test_model_json_is_plain_json(tmp_path, states):
    digest = save_weights(tmp_path / "m", states, {"losses": {"pixelwise": 0.5}})
    assert json.loads((tmp_path / "m" / "model.json").read_text()) == {
        "losses": {"pixelwise": 0.5},
        "weights_sha256": digest,
    }


def test_the_hash_does_not_depend_on_memory_order_but_on_every_value(states):
    digest = hash_weights(states)
    contiguous = {name: {key: value.contiguous() for key, value in state.items()} for name, state in states.items()}
    assert hash_weights(dict(reversed(contiguous.items()))) == digest
    states["G"]["1.num_batches_tracked"] += 1
    assert hash_weights(states) != digest


def test_a_training_goes_on_from_its_progress_as_if_it_had_not_stopped(tmp_path):
    whole = _network()
    _trained(whole, 6)
    stopped = _network()
    optimizer = _trained(stopped, 4)
    save_progress(tmp_path / "p", {"G": stopped.state_dict()}, {"G": optimizer}, {"step": 4})
    tensors, about = load_progress(tmp_path / "p")
    assert about == {"step": 4}
    resumed = _network(seed=1)
    resumed.load_state_dict({key[2:]: value for key, value in tensors.items() if key.startswith("G.")})
    optimizer = AdamW(resumed.parameters(), lr=0.1, fused=True)
    restore("G", optimizer, tensors)
    _trained(resumed, 2, optimizer)
    assert hash_weights({"G": resumed.state_dict()}) == hash_weights({"G": whole.state_dict()})


def test_there_is_no_progress_before_the_first_save(tmp_path):
    assert load_progress(tmp_path / "p") is None


@pytest.mark.parametrize("keep", [0, 5, 60, 400])
def test_a_truncated_progress_is_an_error_that_names_its_file(tmp_path, keep):
    network = _network()
    save_progress(tmp_path / "p", {"G": network.state_dict()}, {"G": _trained(network, 1)}, {"step": 1})
    _corrupt(tmp_path / "p", keep)
    with pytest.raises(FormatError, match=r"/p: the checkpoint cannot be read .* delete it to train from the start"):
        load_progress(tmp_path / "p")


def test_a_safetensors_file_that_is_no_progress_is_an_error(tmp_path, states):
    save_weights(tmp_path / "m", states, {})
    with pytest.raises(FormatError, match="the checkpoint cannot be read"):
        load_progress(tmp_path / "m" / "G.safetensors")


def test_a_full_disk_is_one_error_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    file, tensors = tmp_path / "progress", {"weight": torch.ones(2)}
    save_progress(file, {"G": tensors}, {}, {"step": 1})

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(StudyError, match=r"No space left on device.* make room"):
        save_progress(file, {"G": tensors}, {}, {"step": 2})
    with pytest.raises(StudyError, match="No space left on device"):
        save_weights(tmp_path / "model", {"G": tensors}, {})
    assert load_progress(file)[1]["step"] == 1
    assert not (tmp_path / "model").exists()
