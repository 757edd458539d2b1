"""What is usual in learn, as the model that has been trained sees it: so that it can tell what is not."""

from __future__ import annotations

import numpy as np
import torch

from askance.active.study import Study, by_case
from askance.learning.novelty import Novelty, fit
from askance.learning.prediction import Predictor

_LOOKED_AT = 400  # slices of learn, labelled or not, that tell what is usual


def usual_in_learn(study: Study, predictor: Predictor) -> Novelty | None:
    """What a sample of learn's readable slices shows to be usual; None where they are too few, or of one patient."""
    ids = sorted(one.id for one in study.readable())
    traits, patients = [], []
    chosen = np.random.default_rng(0).permutation(len(ids))[:_LOOKED_AT]  # every n-th could meet the same level of each
    for case_id, indices in by_case([ids[place] for place in sorted(chosen)]).items():
        case = study.store.case(case_id)
        images = study.cache.images_of(case_id, indices)
        traits.append(predictor.traits(images, study.extent(case)))
        patients += [case.patient] * len(indices)
    return fit({name: torch.cat([one[name] for one in traits]) for name in traits[0]}, patients) if traits else None
