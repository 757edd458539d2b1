"""Each state of the page has its own words, and no serious fault of accessibility; `make screenshots` takes its picture."""

import json
import os
from pathlib import Path

import pytest
from browsing import Visitor, chromium
from page_states import walk
from served import link_of, serving, set_settings

from askance.active.study import Study

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

#: State -> what the page says in it.
WORDS = {
    "answering": ("in question", "Why this slice", "Left in this query"),
    "score map": ("red: where the model expects to be wrong",),
    "other planes": ("in question",),
    "neighbour": ("neighbour,",),
    "help": ("Licences of what this page brings along", "undo, redo"),
    "skip": ("Cannot tell",),
    "slips": ("Hand it in like this?", "apart"),
    "two tabs": ("open in another tab", "Work here instead"),
    "left behind": ("You went on with this slice in another tab",),
    "not shown": ("cannot be shown: its image is damaged", "Try again", "Skip it"),
    "lapsed": ("went back to the queue", "Take it again"),
    "taken over": ("somebody else has it now", "Next slice"),
    "offline": ("The connection is lost",),
    "people": ("carla", "shown this once", "Revoke"),
    "audit log": ("user added", "taken"),
    "two readers": ("Mean Dice between readers", "Compare"),
    "settling": ("Dice between the readers", "Reader 2 stands", "Dice between readers"),
    "finished": ("This query is done",),
    "training": ("runs:", "is being trained", "Cancel the cycle", "Log of the training"),
    "training ended": ("Start the next cycle", "Log of the training"),
    "signed out": ("does not work", "Ask whoever runs the study"),
}


def faults(visitor: Visitor) -> list[tuple[str, str]]:
    """What axe calls serious or critical, with the first element of each."""
    if not visitor.told("Boolean(window.axe)"):
        visitor.told(AXE.read_text())
    found = visitor.told("axe.run({resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations))")
    serious = [one for one in json.loads(found) if one["impact"] in ("serious", "critical")]
    return [(one["id"], one["nodes"][0]["html"]) for one in serious]


def nameless(visitor: Visitor) -> list[str]:
    """Controls on the screen without a name, as the accessibility tree has them."""
    tree = visitor.page.locator("body").aria_snapshot()
    kinds = ("button", "slider", "radio", "textbox", "combobox", "spinbutton", "link", "img", "application", "progressbar")
    lines = [line.strip(" -:") for line in tree.splitlines()]
    return [line for line in lines if line.split(" ")[0] in kinds and '"' not in line and not line.startswith("img: ")]


def test_each_state_has_its_own_words_and_no_fault_of_accessibility(asking_study: Study) -> None:
    if not AXE.exists() and os.environ.get("CI") != "true":
        pytest.skip("axe-core is not there: make web")
    folder = asking_study.store.folder
    asking_study.store.close()
    set_settings(folder, second_reader=1.0, min_steps=10**6, max_steps=10**6)  # the walk cancels the training
    seen = []
    with chromium() as browser, serving(folder) as served:
        for name, visitor in walk(browser, served):
            seen.append(name)
            text = visitor.page.inner_text("body")
            assert [words for words in WORDS[name] if words.lower() not in text.lower()] == [], name
            assert faults(visitor) == [], name
            assert nameless(visitor) == [], name
    assert seen == list(WORDS)


def test_an_empty_study_says_that_nothing_is_asked_and_lets_the_admin_begin(tmp_path: Path, tiny_study: Study) -> None:
    folder = tiny_study.store.folder
    tiny_study.store.close()
    with chromium() as browser, serving(folder) as served:
        anna, ada = Visitor(browser, link_of(served, "anna")), Visitor(browser, served.link)
        for one in (anna, ada):
            one.until("document.getElementById('notice').textContent.includes('Nothing has been asked yet')")
            assert faults(one) == []
        assert not anna.page.is_visible("#start-job")
        ada.until("!document.getElementById('start-job').disabled")
        assert ada.page.is_visible("#start-job")
