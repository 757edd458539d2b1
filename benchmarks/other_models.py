"""Other models of what a study's model learnt: members of an ensemble, and a network that predicts with dropout (Gal 2016).

What such models say of a slice is measured on their mean probabilities, as ``active/measures.py`` measures the views'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from askance.active.label_sets import training_data
from askance.active.measures import expected_dice, foreground_entropy, foreground_information, pixel_entropy
from askance.active.ranking import predict_case
from askance.active.study import Study
from askance.config import NetworkConfig, TrainingConfig
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.outcome import Outcome
from askance.learning.prediction import Predictor, Seen
from askance.learning.task import States
from askance.learning.training import Run, train
from askance.metrics.dice import slices_dice
from askance.records import Case, Model

Floats = NDArray[np.float32]

DROPOUT = 0.2
PASSES = 20


def trained_again(study: Study, model: Model, folder: Path, seed: int, network: NetworkConfig) -> States:
    """Weights of ``network`` trained from ``seed`` on what ``model`` learnt from; kept in ``folder``, killed or not."""
    if not (folder / "model.json").exists():
        with training_data(study, study.store.label_set(model.label_set)) as data:
            run = Run(
                data=data,
                source=study.cache,
                shape=study.shape,
                network=network,
                training=study.config.training,
                seed=seed,
                steps=_steps_until(study, model),
                pseudo_share=study.config.pseudo.share,
                progress_file=folder.with_suffix(".progress"),
                fingerprint=f"{model.label_set} {seed} {network}",
            )
            save_weights(folder, train(run).states, {"format": 1})
    return load_weights(folder)[0]


def _steps_until(study: Study, model: Model) -> int:
    """All steps that ``model`` and those that it went on from have taken."""
    before = _steps_until(study, study.store.model(model.parent)) if model.parent else 0
    return before + int(model.info["steps"])


def ensemble(study: Study, model: Model, members: list[States], case: Case) -> Floats:
    """(M, D, K, H, W) probabilities: the model's own, in one view as the others', and those of ``members``."""
    own = load_weights(study.store.model_folder(model.id))[0]
    return np.stack([_one_view(study, model, states, case, study.config.network) for states in (own, *members)])


def passes(study: Study, model: Model, states: States, case: Case, network: NetworkConfig, seed: int) -> Floats:
    """(PASSES, D, K, H, W) probabilities of a network whose dropout stays on."""
    predictor = _predictor(study, model, states, network)
    for module in predictor.generator.modules():
        if isinstance(module, nn.Dropout2d):
            module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return np.stack([predict_case(study, predictor, case).probs for _ in range(PASSES)])


def said_by(members: Floats, labels: NDArray[np.uint8], classes: int) -> Iterator[tuple[str, Floats]]:
    """Measures (D,) by name of the slices whose prediction is ``labels`` (D, H, W), higher where Dice should be higher."""
    mean = members.mean(0)
    entropies = np.stack([pixel_entropy(one) for one in members])
    information = np.maximum(pixel_entropy(mean) - entropies.mean(0), 0)
    yield "entropy", -foreground_entropy(mean)
    yield "bald", -foreground_information(mean, information)
    yield "expected_dice", expected_dice(mean)
    votes = np.stack([slices_dice(one.argmax(1).astype(np.uint8), labels, classes) for one in members])
    yield "agreement", np.nan_to_num(votes, nan=1.0).mean(0).astype(np.float32)


def _one_view(study: Study, model: Model, states: States, case: Case, network: NetworkConfig) -> Floats:
    outcome: Outcome = predict_case(study, _predictor(study, model, states, network), case)
    return outcome.probs


def _predictor(study: Study, model: Model, states: States, network: NetworkConfig) -> Predictor:
    one_view: TrainingConfig = study.config.training.model_copy(update={"views": 1})
    return Predictor(states, study.shape, network, one_view, Seen.from_info(model.info))
