from itertools import combinations

import numpy as np
import pytest

from askance.colours import UNRELIABLE, as_hex, class_colour, ink

# Machado, Oliveira, Fernandes 2009, full severity, on linear RGB.
EYES = {
    "all receptors": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colour, eye):
    encoded = np.array(colour) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(eye) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
def test_the_first_four_classes_and_the_doubt_differ_for_every_eye(eye):
    colours = [class_colour(label) for label in (1, 2, 3, 4)] + [UNRELIABLE]
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(lab(one, EYES[eye]) - lab(other, EYES[eye])) > 25


def test_more_classes_than_colours_start_again():
    assert class_colour(11) == class_colour(1)


def test_ink_is_darker_than_the_colour():
    assert as_hex((1, 2, 255)) == "#0102ff"
    assert ink((100, 100, 200)) == "#484890"
