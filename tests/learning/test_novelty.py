"""What is unlike anything in learn is told from made-up traits, most of them correlated."""

import pytest
import torch

from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.novelty import NOVELTY, Novelty, fit

PATIENTS = [f"p{number // 10}" for number in range(300)]


def traits(count=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(6, 40, generator=torch.Generator().manual_seed(99))
    wide = torch.randn(count, 6, generator=generator) @ mix + 0.1 * torch.randn(count, 40, generator=generator)
    return {"wide": wide, "small": torch.randn(count, 3, generator=generator)}


@pytest.fixture(scope="module")
def novelty():
    return fit(traits(), PATIENTS)


def test_slices_like_those_of_learn_are_not_novel(novelty):
    fresh = novelty.of(traits(2000, seed=1))
    assert (fresh > 1).float().mean() < 0.01
    assert fresh.median() > 0.3
    assert fresh.dtype == torch.float32


def test_slices_of_another_kind_are(novelty):
    other = traits(50, seed=2)
    assert (novelty.of({**other, "wide": other["wide"] + 5}) > 2).all()


def test_a_departure_from_how_traits_go_together_is_novel_though_each_is_usual(novelty):
    known = traits(50, seed=3)
    shuffled = torch.stack([known["wide"][:, k].roll(k) for k in range(40)], 1)
    assert (shuffled.std(0) / known["wide"].std(0) - 1).abs().max() < 0.01
    assert (novelty.of({**known, "wide": shuffled}) > 1).all()


def test_one_oddity_in_a_small_group_is_enough(novelty):
    odd = traits(20, seed=4)
    odd["small"] = odd["small"].clone()
    odd["small"][:, 1] += 12
    assert (novelty.of(odd) > 1).all()


def test_the_further_the_more_novel(novelty):
    known = traits(1, seed=5)
    steps = torch.cat([novelty.of({**known, "small": known["small"] + step}) for step in (5, 10, 20, 40)])
    assert (steps.diff() > 0).all()


def test_what_is_saved_says_the_same(novelty, tmp_path):
    save_weights(tmp_path / "model", {"G": {"weight": torch.ones(2)}, NOVELTY: novelty.state()}, {})
    again = Novelty.from_state(load_weights(tmp_path / "model")[0][NOVELTY])
    torch.testing.assert_close(again.of(traits(50, seed=6)), novelty.of(traits(50, seed=6)), rtol=1e-4, atol=1e-4)


def test_groups_that_are_told_otherwise_today_do_not_count(novelty):
    odd = traits(20, seed=4)
    odd["small"] = odd["small"] + 12
    wider = {**odd, "small": torch.cat([odd["small"], odd["small"]], 1)}
    usual_alone = {"wide": odd["wide"]}
    torch.testing.assert_close(novelty.of(wider), novelty.of(usual_alone))
    assert (novelty.of(wider) < novelty.of(odd)).all()
    assert novelty.of({"other": odd["wide"]}).tolist() == [0] * 20


def test_the_same_slices_tell_the_same():
    first, again = (fit(traits(), PATIENTS).state() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_fewer_patients_leave_a_wider_margin():
    many, few = fit(traits(), PATIENTS), fit(traits(), [f"p{number // 100}" for number in range(300)])
    assert few.limits["small"] > 1.3 * many.limits["small"]


def test_traits_that_never_vary_do_no_harm(novelty):
    def dead(table):
        return {**table, "small": table["small"] * torch.tensor([1.0, 1.0, 0.0])}

    fitted = fit(dead(traits()), PATIENTS)
    assert (fitted.of(dead(traits(500, seed=7))) > 1).float().mean() < 0.02
    assert torch.isfinite(fitted.of(traits(5))).all()


def test_a_group_that_never_varies_is_left_out():
    def dead(table):
        return {**table, "dead": torch.zeros(len(table["small"]), 4)}

    fitted, alone = fit(dead(traits()), PATIENTS), fit(traits(), PATIENTS)
    fresh = traits(50, seed=8)
    assert torch.equal(fitted.of(dead(fresh)), alone.of(fresh))
    assert fit({"dead": torch.ones(300, 4)}, PATIENTS) is None


@pytest.mark.parametrize("patients", [PATIENTS[:39], ["p0"] * 300, []])
def test_too_few_slices_or_one_patient_tell_nothing(patients):
    table = {name: values[: len(patients)] for name, values in traits().items()}
    assert fit(table, patients) is None
