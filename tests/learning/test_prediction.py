import numpy as np
import pytest
import torch
from made_trainings import SIDE, make_config, make_data, make_run
from scipy import stats
from torch import nn

from askance.config import NetworkConfig
from askance.learning.architecture import Shape, make_networks
from askance.learning.batches import DOUBT
from askance.learning.fields import Box, centred_box, foreground_box
from askance.learning.novelty import NOVELTY, Novelty, fit
from askance.learning.outcome import Outcome
from askance.learning.prediction import FORMER, Predictor, Seen, as_trained, mix_neighbours
from askance.learning.training import train
from askance.learning.views import VIEWS
from askance.networks.generator import UNet

NETWORK = NetworkConfig(width=4, discriminator_width=4)


@pytest.fixture(scope="module")
def trained():
    """A model that has learnt the toy task somewhat."""
    return train(make_run(steps=90)).states


@pytest.fixture(scope="module")
def images():
    return make_data(3, seed=7)[1].images([f"case/2/{k}" for k in range(3)])


def _predictor(states, views=4, size=(SIDE, SIDE), network=NETWORK, **settings):
    return Predictor(states, Shape(1, 2, size), network, make_config(views=views, **settings))


def _untrained(size, network=NETWORK, bias=0.0, **settings):
    """An untrained model; ``bias`` leans its foreground logit."""
    torch.manual_seed(0)
    modules = make_networks(Shape(1, 2, size), network, make_config(**settings))
    if network.generator == "unet":
        with torch.no_grad():
            modules["G"].head.bias[1] += bias
    return {name: module.state_dict() for name, module in modules.items()}


@pytest.mark.parametrize("extent", [(5, 5), (40, 12), (16, 224)])
def test_a_case_smaller_than_what_d_judges_is_predicted(extent):
    size = (224, 224)
    crop = (32, 32)
    outcome = _predictor(_untrained(size, crop=crop), views=2, size=size, crop=crop)(
        np.ones((2, 1, *size), np.float32), extent
    )
    assert outcome.probs.shape == (2, 2, *size)
    assert np.isfinite(outcome.patch_logits).all()


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_probabilities_sum_to_one_with_any_number_of_views(trained, images, views):
    outcome = _predictor(trained, views)(images, (SIDE, SIDE))
    assert outcome.probs.shape == (3, 2, SIDE, SIDE)
    assert outcome.probs.dtype == np.float32
    np.testing.assert_allclose(outcome.probs.sum(1), 1, atol=1e-5)
    assert outcome.agreement.shape == (3,)
    assert ((outcome.agreement >= 0) & (outcome.agreement <= 1)).all()


def _views_of(predictor, images):
    """(4, D, K, H, W): what a predictor of one view says of the first four views, each put back."""
    shown = [view.of(torch.from_numpy(images)).numpy() for view in VIEWS[:4]]
    said = [torch.from_numpy(predictor(one, (SIDE, SIDE)).probs) for one in shown]
    return np.stack([view.back(probs).numpy() for view, probs in zip(VIEWS, said)])


def test_what_was_learnt_is_found(trained):
    data, source = make_data(3, seed=7)
    found = _predictor(trained)(source.images(data.slice_ids), (SIDE, SIDE)).probs.argmax(1)
    assert (found == data.labels).mean() > 0.9


def test_slices_as_close_as_pixels_are_averaged_with_the_ones_beside_them_and_thick_ones_are_not(trained, images):
    alone = _predictor(trained)(images, (SIDE, SIDE)).probs
    beside = np.exp(-0.5)
    close = _predictor(trained)(images, (SIDE, SIDE), apart=1.0).probs
    np.testing.assert_allclose(close[1], (alone[1] + beside * (alone[0] + alone[2])) / (1 + 2 * beside), atol=1e-5)
    np.testing.assert_allclose(close[0], (alone[0] + beside * (alone[0] + alone[1])) / (1 + 2 * beside), atol=1e-5)
    np.testing.assert_allclose(close.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(_predictor(trained)(images, (SIDE, SIDE), apart=2.5).probs, alone)
    np.testing.assert_array_equal(_predictor(trained, across=0.0)(images, (SIDE, SIDE), apart=1.0).probs, alone)


def test_doubt_is_the_second_likeliest_class_and_its_chance_beside_the_first():
    probs = np.zeros((2, 3, 4, 4), np.float32)
    probs[:, 0] = 1
    probs[0, :, 1, 2] = (0.1, 0.3, 0.6)
    probs[1, :, 3, 3] = (0.5, 0.5, 0.0)
    nothing = np.zeros((2, 4, 4), np.float32)
    for looked_at in (None, Box(1, 1, 4, 4)):
        seconds, doubts = Outcome(probs, nothing[:, 0, 0], nothing, None, looked_at).doubts()
        assert (seconds[0, 1, 2], doubts[0, 1, 2]) == (1, DOUBT // 3)
        assert {seconds[1, 3, 3], probs[1, :, 3, 3].argmax()} == {0, 1}
        assert doubts[1, 3, 3] == DOUBT // 2
        assert np.count_nonzero(doubts) == 2


def test_what_a_model_taught_itself_is_borne_out_by_the_one_before_or_not(trained, images):
    alone = _predictor(trained)(images, (SIDE, SIDE))
    assert alone.borne_out is None
    agrees = _predictor(trained | {FORMER: trained["G"]})(images, (SIDE, SIDE))
    blank = _predictor(trained | {FORMER: _untrained((SIDE, SIDE), bias=-50.0)["G"]})(images, (SIDE, SIDE))
    assert (agrees.borne_out > 0.4).all()  # as sure as it is itself
    assert (blank.borne_out < 0.01).all()
    for one in (agrees, blank):
        np.testing.assert_array_equal(one.probs, alone.probs)


def test_a_single_slice_has_nobody_beside_it():
    assert mix_neighbours(torch.tensor([[2.0, 1.0]]), 0.5).tolist() == [[2.0, 1.0]]


def test_one_view_agrees_with_itself_and_four_do_not_quite(trained, images):
    assert (_predictor(trained, views=1)(images, (SIDE, SIDE)).agreement == 1).all()
    assert (_predictor(trained, views=4)(images, (SIDE, SIDE)).agreement < 1).any()


def test_the_agreement_is_the_mean_dice_of_each_view_with_the_mean(trained, images):
    single = _predictor(trained, views=1)
    views = _views_of(single, images)
    labels, mean = views.argmax(2) > 0, views.mean(0).argmax(1) > 0
    dices = 2 * (labels & mean).sum((2, 3)) / (labels.sum((2, 3)) + mean.sum((1, 2)))
    np.testing.assert_allclose(_predictor(trained)(images, (SIDE, SIDE)).agreement, dices.mean(0), atol=0.02)


def test_information_is_the_means_entropy_less_the_mean_entropy_of_the_views(trained, images):
    single = _predictor(trained, views=1)
    views = _views_of(single, images)
    entropy = [stats.entropy(probs, axis=-3, base=2) for probs in (views.mean(0), views)]
    found = _predictor(trained)(images, (SIDE, SIDE)).information
    np.testing.assert_allclose(found, entropy[0] - entropy[1].mean(0), atol=0.02)
    assert found.max() > 0.05
    assert not single(images, (SIDE, SIDE)).information.any()


def test_beyond_the_slices_extent_all_is_background(images):
    outcome = _predictor(_untrained((SIDE, SIDE), bias=5.0), views=1)(images, (9, 32))
    covered = centred_box((SIDE, SIDE), (9, 32), 8)
    assert covered == Box(8, 0, 24, 32)
    assert (outcome.probs[:, 0, :8] == 1).all()
    assert (outcome.probs[:, 1, 24:] == 0).all()
    assert outcome.information.shape == (*outcome.agreement.shape, SIDE, SIDE)
    assert (outcome.probs[:, 1, 8:24] > 0.5).all()


def test_a_case_without_foreground_in_sight_is_background_that_all_agree_on(images):
    outcome = _predictor(_untrained((SIDE, SIDE), bias=-9.0))(images, (SIDE, SIDE))
    assert (outcome.probs.argmax(1) == 0).all()
    assert (outcome.agreement == 1).all()


@pytest.mark.parametrize("size", [(32, 64), (64, 48)])
@pytest.mark.parametrize("views", [1, 4])
def test_a_grid_that_is_not_square_is_predicted_whole(size, views):
    images = np.random.default_rng(0).normal(size=(2, 1, *size)).astype(np.float32)
    outcome = _predictor(_untrained(size), views, size)(images, size)
    assert outcome.probs.shape == (2, 2, *size)
    np.testing.assert_allclose(outcome.probs.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (32, 64)])
@pytest.mark.parametrize("views", [1, 4])
def test_pix2pix_sees_the_size_it_was_made_for_whatever_the_extent(size, views):
    network = NetworkConfig(generator="pix2pix", width=4, discriminator_width=4)
    images = np.random.default_rng(0).normal(size=(2, 1, *size)).astype(np.float32)
    outcome = _predictor(_untrained(size, network), views, size, network)(images, (20, 20))
    assert outcome.probs.shape == (2, 2, *size)
    np.testing.assert_allclose(outcome.probs.sum(1), 1, atol=1e-5)


def _square_on(size, place):
    """A slice of noise with a bright square of 10 pixels at ``place``."""
    image = np.random.default_rng(0).normal(0, 0.3, (1, 1, *size)).astype(np.float32)
    image[0, 0, place : place + 10, place : place + 10] += 2
    return image


@pytest.mark.parametrize("place", [23, 2, 44])
def test_foreground_is_found_inside_the_field_and_outside_of_it(trained, place):
    predictor = Predictor(
        {"G": trained["G"]}, Shape(1, 2, (56, 56)), NETWORK, make_config(), Seen(field=Box(16, 16, 40, 40))
    )
    found = predictor(_square_on((56, 56), place), (56, 56)).probs.argmax(1)[0]
    assert found[place + 2 : place + 8, place + 2 : place + 8].mean() > 0.5


def test_beyond_the_field_a_case_found_in_it_is_background(trained):
    image = _square_on((56, 56), 23) + _square_on((56, 56), 44)
    predictor = Predictor(
        {"G": trained["G"]}, Shape(1, 2, (56, 56)), NETWORK, make_config(), Seen(field=Box(16, 16, 40, 40))
    )
    outcome = predictor(image, (56, 56))
    assert outcome.probs.argmax(1)[0, 24:32, 24:32].any()
    assert (outcome.probs.argmax(1)[0, 42:] == 0).all()
    np.testing.assert_allclose(outcome.probs.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("views", [1, 3])
def test_what_was_not_looked_at_is_background_for_sure(trained, views):
    size, seen = (56, 56), Seen(field=Box(16, 16, 40, 40))
    predictor = Predictor({"G": trained["G"]}, Shape(1, 2, size), NETWORK, make_config(views=views), seen)
    outcome = predictor(_square_on(size, 23), size)
    beyond = np.ones(size, bool)
    outcome.looked_at.cut(beyond)[...] = False
    assert 0 < beyond.sum() < beyond.size
    assert (outcome.probs[:, 0, beyond] == 1).all()
    assert (outcome.labels() == outcome.probs.argmax(1)).all()
    assert outcome.cut(outcome.probs)[:, 1:].sum() == pytest.approx(outcome.probs[:, 1:].sum())


def test_a_slice_is_predicted_alike_alone_and_among_others(trained, images):
    predictor = _predictor(trained, views=1)
    together = predictor(images, (SIDE, SIDE))
    for number in range(len(images)):
        alone = predictor(images[number : number + 1], (SIDE, SIDE))
        np.testing.assert_allclose(alone.probs[0], together.probs[number], atol=1e-5)
        np.testing.assert_allclose(alone.patch_logits[0], together.patch_logits[number], atol=1e-4)


def test_without_a_discriminator_there_are_no_patches(trained, images):
    predictor = Predictor({"G": trained["G"]}, Shape(1, 2, (SIDE, SIDE)), NETWORK, make_config())
    assert predictor(images, (SIDE, SIDE)).patch_logits is None


def test_bf16_predicts_nearly_what_fp32_does(trained, images):
    exact, rounded = (
        _predictor(trained, precision=precision)(images, (SIDE, SIDE)).probs for precision in ("32-true", "bf16-mixed")
    )
    np.testing.assert_allclose(exact, rounded, atol=0.05)
    assert (exact.argmax(1) == rounded.argmax(1)).mean() > 0.99


def test_a_prediction_leaves_the_images_as_they_were(trained, images):
    before = images.copy()
    _predictor(trained)(images, (SIDE, SIDE))
    assert np.array_equal(images, before)


@pytest.mark.parametrize(
    ("rows", "columns", "side"), [((40, 60), (50, 55), 64), ((0, 10), (120, 128), 48), ((0, 128), (0, 128), 128)]
)
def test_the_box_of_the_views_is_square_and_within_the_slice(rows, columns, side):
    foreground = torch.zeros(2, 128, 128)
    foreground[1, slice(*rows), slice(*columns)] = 0.4
    box = foreground_box(foreground, 16)
    assert (box.bottom - box.top, box.right - box.left) == (side, side)
    assert 0 <= box.top <= rows[0] < rows[1] <= box.bottom <= 128
    assert 0 <= box.left <= columns[0] < columns[1] <= box.right <= 128


def test_there_is_no_box_without_foreground_in_sight():
    assert foreground_box(torch.full((2, 32, 32), 0.05), 8) is None


def test_a_network_that_trained_on_whole_slices_predicts_whole_slices(images):
    predictor = _predictor(_untrained((SIDE, SIDE), bias=5.0), views=1, crop=(SIDE, SIDE))
    narrow, wide = (predictor(images, extent).probs for extent in ((9, 32), (SIDE, SIDE)))
    assert np.array_equal(narrow, wide)
    assert (narrow[:, 1] > 0.5).all()


def test_novelty_comes_from_the_pass_that_is_made_anyway(trained, images, monkeypatch):
    """It is that of the traits by themselves, and G runs no more often for it."""
    calls = []
    encode = UNet.encode
    monkeypatch.setattr(UNet, "encode", lambda self, image: calls.append(len(image)) or encode(self, image))
    plain = _predictor(trained)(images, (SIDE, SIDE))
    without = len(calls)
    source = make_data(60, seed=9)[1]
    learn = _predictor(trained).traits(source.images([f"case/2/{k}" for k in range(60)]), (SIDE, SIDE))
    states = {**trained, NOVELTY: fit(learn, [f"p{k % 6}" for k in range(60)]).state()}
    calls.clear()
    outcome = _predictor(states)(images, (SIDE, SIDE))
    assert len(calls) == without
    wanted = Novelty.from_state(states[NOVELTY]).of(_predictor(states).traits(images, (SIDE, SIDE)))
    np.testing.assert_allclose(outcome.novelty, wanted.numpy(), rtol=1e-3)
    np.testing.assert_array_equal(outcome.probs, plain.probs)
    assert plain.novelty is None
    assert (_predictor(states)(images * 40, (SIDE, SIDE)).novelty > outcome.novelty).all()


def test_novelty_does_not_depend_on_the_grid_beyond_the_slice(trained):
    """A slice of 32 x 32 pixels is the same slice on a grid of 40 x 40."""
    source = make_data(60, seed=9)[1]
    images = source.images([f"case/2/{k}" for k in range(60)])
    wide = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    near, far = (
        _predictor(trained, size=size).traits(shown, (SIDE, SIDE)) for size, shown in (((32, 32), images), ((40, 40), wide))
    )
    for name in near:
        torch.testing.assert_close(near[name], far[name], rtol=1e-3, atol=1e-3)


class _Bright(nn.Module):
    """Calls what is bright foreground, as sure as it is bright."""

    def encode(self, image):
        return [image]

    def decode(self, levels):
        return torch.cat([-4 * levels[-1], 4 * levels[-1]], 1)

    def forward(self, image):
        return self.decode(self.encode(image))


def test_a_stray_piece_is_no_disagreement_of_the_views():
    """It is taken out of what the views say together, not out of one of them."""
    image = np.full((1, 1, SIDE, SIDE), -1.0, np.float32)
    image[..., 8:24, 8:24] = 1
    image[..., 14:24, 12:24] = -1
    image[..., 19:22, 18:22] = 1  # a stray piece, within the box around the largest
    found = {}
    for one_piece in (True, False):
        predictor = _predictor(_untrained((SIDE, SIDE)), views=4)
        predictor._seen, predictor._generator = Seen(one_piece=one_piece), _Bright()
        found[one_piece] = predictor(image, (SIDE, SIDE))
    assert found[False].labels()[0, 20, 20] == 1
    assert found[True].labels()[0, 20, 20] == 0
    np.testing.assert_array_equal(found[True].agreement, found[False].agreement)
    np.testing.assert_array_equal(found[True].information, found[False].information)


def test_slices_that_show_nothing_are_looked_at_once(trained, images):
    """All views of a slice without anything in sight would say the same: it costs one."""
    seen = []
    predictor = _predictor(trained, views=3)
    whole = predictor._probs
    predictor._probs = lambda shown, view: seen.append(len(shown)) or whole(shown, view)
    dark = np.concatenate([images, np.full_like(images[:2], images.min())])
    outcome = predictor(dark, (SIDE, SIDE))
    alone = _predictor(trained, views=3)(images, (SIDE, SIDE))
    assert (1 - outcome.probs[3:, 0]).max() < 0.1
    assert seen == [3, 3]
    assert outcome.agreement[3:].tolist() == [1.0, 1.0]
    assert not outcome.information[3:].any()
    np.testing.assert_allclose(outcome.probs[:3], alone.probs, atol=1e-5)


def test_auto_is_settled_as_it_was_in_training_and_what_the_user_says_stands():
    assert as_trained(make_config(precision="auto"), "bf16-mixed").precision == "bf16-mixed"
    assert as_trained(make_config(precision="32-true"), "bf16-mixed").precision == "32-true"
    assert as_trained(make_config(precision="auto"), None).precision == "auto"
