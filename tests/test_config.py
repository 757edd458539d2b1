"""What is said of settings that cannot be used."""

import pytest

from askance.config import parse
from askance.errors import ConfigError

SOUND = {
    "name": "hearts",
    "classes": ["background", "wall"],
    "channels": ["mr"],
    "grid": {"axis": 0, "spacing_mm": [1, 1], "size": [64, 64]},
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"training": {"max_stepss": 3}}, "training.max_stepss: no such setting; did you mean training.max_steps?"),
        ({"budgets": {}}, "budgets: no such setting; did you mean budget"),
        ({"qqqqqqqqqq": 1}, "qqqqqqqqqq: no such setting; study.toml of a new study holds all"),
        ({"training": 3}, "training: wanted a table, as training.NAME = VALUE (found 3)"),
        ({"training": {"batch": 0}}, "training.batch: "),
        ({"classes": ["background", "wall", "wall"]}, "wanted each name once"),
        ({"classes": [str(number) for number in range(256)]}, "holds 256 names; wanted at most 255"),
    ],
)
def test_every_wrong_setting_is_told_by_its_name_with_what_to_do(wrong, words):
    with pytest.raises(ConfigError) as told:
        parse({**SOUND, **wrong}, where="settings")
    assert words in str(told.value)
