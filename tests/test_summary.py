"""What a report is made from, gathered from a study that ran."""

from pathlib import Path

from askance.active.study import Study
from askance.summary import gather
from made_studies import SHAPE, TINY, advance, answer, make_study, write_dataset


def test_panels_show_what_was_scanned_without_the_grids_margin(tiny_study: Study) -> None:
    advance(tiny_study)
    assert tiny_study.config.grid.size == (32, 32)
    panels = gather(tiny_study).figure2
    assert panels
    for panel in panels:
        assert sorted(panel.image.shape) == sorted(SHAPE[:2])
        assert panel.image.shape == panel.truth.shape == panel.prediction.shape == panel.score_map.shape


def test_a_model_that_predicts_nothing_is_shown_all_the_same(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", labelled=())
    training = {**TINY["training"], "learning_rate": 1e-9}
    with make_study(tmp_path / "study", dataset, training=training) as study:
        advance(study)
        answer(study, list(study.store.queries()[0].slice_ids))
        advance(study)
        assert gather(study).figure2
