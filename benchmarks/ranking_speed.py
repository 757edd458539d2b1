"""What ranking a pool costs: beside baal's 20-pass MC-dropout ranking of the same slices, and beside a cycle's training.

    pip install --no-deps "baal==2.1.0" "structlog>=22,<23" "torchmetrics>=1.7.3,<2" tqdm
    python benchmarks/ranking_speed.py --study FOLDER --dataset NAME

FOLDER is a study whose last cycle is done. Its last model's G ranks the same cases twice in turns, in one process with the
same threads: as ``askance rank`` does (views, measures, score, patch score map), and as baal does, with dropout in the two
deepest levels, whole slices and BALD. A figure is processor time; the ratio is the median over the rounds. What a cycle's
training took stands in the study. ``--no-deps``: baal asks for all of Jupyter, of which it uses nothing here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from baal.active.heuristics import BALD
from baal.bayesian.dropout import MCDropoutModule
from baal.modelwrapper import ModelWrapper, TrainingArgs
from torch import Tensor

from askance.active.environment import describe_environment, peak_mb
from askance.active.measures import MEASURES
from askance.active.ranking import describe, judge_of, predict_case, predicted_labels
from askance.active.scores import score_maps
from askance.active.study import Study
from askance.learning.architecture import make_generator
from askance.learning.checkpoints import load_weights
from askance.records import Case, slice_id

RESULTS = Path(__file__).parent / "results" / "ranking_speed.jsonl"
PASSES = 20
DROPOUT = 0.2


def main() -> None:
    """Take the turns and append a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--dataset", required=True, help="what the study was made from, for the results")
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with Study.open(options.study) as study:
        line = measured(study, options)
    print(json.dumps(line))
    with options.out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def measured(study: Study, options: argparse.Namespace) -> dict[str, object]:
    """Seconds a slice of both rankings, their ratio, and ranking as a share of the last cycle's training."""
    model = study.store.models()[-1]
    every = study.store.cases("learn")
    cases = every[:: max(1, len(every) // options.cases)][: options.cases]
    slices = sum(len(study.cache.case(case.id)) for case in cases)
    ours, theirs = askance_ranking(study, model.id), baal_ranking(study, model.id)
    turns = [(processor_s(ours, cases), processor_s(theirs, cases)) for _ in range(options.rounds)]
    seconds = statistics.median(own for own, _ in turns) / slices
    pool, ranked = len(study.store.slices("learn")) - int(study.store.budget()["labelled"]), ranked_slices(study)
    config = study.config
    return {
        "bench": "ranking_speed",
        "dataset": options.dataset,
        "method": "askance",
        **dict.fromkeys(("acquisition", "fold", "budget", "dice", "dice_per_class", "score_r", "state")),
        "seed": config.seed,
        "labelled_slices": study.store.budget()["labelled"],
        "pool_slices": pool,
        "ranked_slices": ranked,
        "seconds": seconds,
        "baal_seconds": statistics.median(other for _, other in turns) / slices,
        "ratio": statistics.median(own / other for own, other in turns),
        "training_seconds": model.info["seconds"],
        "share_of_training": seconds * ranked / model.info["seconds"],
        "steps": model.info["steps"],
        "views": config.training.views,
        "slices": slices,
        "threads": options.threads,
        "peak_mb": peak_mb(),
        "commit": describe_environment()["commit"],
        "default": False,
    }


def ranked_slices(study: Study) -> int:
    """Slices that the last query was chosen among."""
    query = study.store.queries()[-1]
    judged = study.store.predictions.of(query.model) if query.model else []
    return sum(one.triage is not None for one in judged) + len(query.asked)


def askance_ranking(study: Study, model: str) -> Callable[[Case], None]:
    """All that ``rank_pool`` does with a case but for writing it down."""
    predictor, judge, axis = study.predictor(model), judge_of(study, model), study.config.grid.axis

    def rank(case: Case) -> None:
        outcome = predict_case(study, predictor, case)
        indices = list(range(len(outcome.probs)))
        describe(outcome, judge, [slice_id(case.id, axis, index) for index in indices], indices, MEASURES)
        predicted_labels(outcome)
        score_maps(outcome, study.config.preset)

    return rank


def baal_ranking(study: Study, model: str) -> Callable[[Case], None]:
    """BALD over PASSES passes of G with its dropout left on, as baal's documentation has it."""
    generator = make_generator(study.shape, study.config.network.model_copy(update={"dropout": DROPOUT}))
    generator.load_state_dict(load_weights(study.store.model_folder(model))[0]["G"])
    dropping = MCDropoutModule(generator.to(memory_format=torch.channels_last))
    wrapper = ModelWrapper(dropping, TrainingArgs(batch_size=8, use_cuda=False, workers=0))
    heuristic = BALD(reduction="mean")

    def rank(case: Case) -> None:
        dataset = _Slices(torch.from_numpy(study.cache.images_of(case.id)))
        with torch.inference_mode():
            predictions = wrapper.predict_on_dataset_generator(dataset, PASSES, verbose=False)
            heuristic.get_uncertainties_generator(predictions)

    return rank


class _Slices:
    """A data set as baal reads it: (image, nothing) by place."""

    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self._images[place], 0


def processor_s(rank: Callable[[Case], None], cases: list[Case]) -> float:
    """Processor seconds of ranking ``cases``."""
    began = time.process_time()
    for case in cases:
        rank(case)
    return time.process_time() - began


if __name__ == "__main__":
    main()
