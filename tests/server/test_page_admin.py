"""What an admin does on the page: people, the audit log, and the choice between two readers."""

from collections.abc import Iterator

import numpy as np
import pytest
from browsing import Visitor, chromium
from page_states import disagree
from playwright.sync_api import Browser
from served import Served, link_of, serving, set_settings

from askance.active.study import Study
from askance.metrics.dice import slice_dice
from askance.store.store import Store

DIALOG = "document.getElementById('dialog').open"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def test_an_admin_adds_a_person_whose_link_is_shown_once_and_revokes_it(browser: Browser, served: Served) -> None:
    ada = Visitor(browser, served.link)
    ada.ready()
    ada.page.click("#show-people")
    ada.page.fill("#person-name", "carla")
    ada.page.select_option("#person-role", "reviewer")
    ada.page.fill("#person-days", "2")
    ada.page.get_by_role("button", name="Add").click()
    ada.until("document.getElementById('link')")
    link = ada.page.input_value("#link")
    carla = Visitor(browser, link)
    carla.ready()
    assert carla.page.inner_text("#who") == "carla (reviewer)"
    assert not carla.page.is_visible("#show-people")
    assert "carla" in ada.page.inner_text("#people")
    ada.press("Escape")
    ada.page.click("#show-people")
    ada.until(DIALOG)
    assert link not in ada.page.content(), "a link is shown once"
    ada.page.get_by_role("button", name="Revoke the links of carla").click()
    ada.until("document.getElementById('new-link').textContent.includes('works no more')")
    carla.page.reload()
    carla.until("document.getElementById('notice').textContent.includes('does not work')")
    ada.page.fill("#person-name", "../etc")
    ada.page.get_by_role("button", name="Add").click()
    ada.until("document.getElementById('new-link').textContent.includes('wanted 1 to 64 letters')")
    with Store.open(served.folder) as store:
        assert [(one.name, one.role, one.tokens) for one in store.desk.users() if one.name == "carla"] == [
            ("carla", "reviewer", 0)
        ]


def test_the_audit_log_is_shown_newest_first_and_of_one_slice(browser: Browser, served: Served) -> None:
    ada = Visitor(browser, served.link)
    slice_id = ada.ready()
    ada.page.click("#show-audit")
    ada.until(DIALOG)
    rows = ada.page.locator("#audit tr")
    times = [rows.nth(k).locator("td").first.inner_text() for k in range(min(rows.count(), 9))]
    assert times == sorted(times, reverse=True)
    assert "user added" in ada.page.inner_text("#audit")
    ada.page.fill("#audit-slice", slice_id)
    ada.press("Tab")
    ada.until("!document.getElementById('audit').textContent.includes('user added')")
    assert {rows.nth(k).locator("td").nth(3).inner_text() for k in range(rows.count())} == {slice_id}


def test_an_admin_settles_what_two_readers_disagree_on(browser: Browser, asking_study: Study) -> None:
    folder = asking_study.store.folder
    asking_study.store.close()
    set_settings(folder, second_reader=1.0)
    labels = [np.zeros((24, 32), np.uint8) for _ in range(2)]
    labels[0][4:12, 4:12], labels[1][6:14, 6:14] = 1, 1
    dice = float(slice_dice(labels[0], labels[1], 3))
    with serving(folder) as served:
        ben = Visitor(browser, link_of(served, "ben"))
        slice_id = ben.ready()
        ben.context.close()
        with Store.open(folder) as store:
            disagree(store, slice_id, *labels)
        ada = Visitor(browser, served.link)
        ada.until("document.getElementById('progress').textContent.includes('Readers disagree on1 slice')")
        assert f"{dice:.2f} (1 slice)" in ada.page.inner_text("#progress")
        ada.page.click("#show-readers")
        ada.until(DIALOG)
        assert f"Mean Dice between readers: {dice:.2f}" in ada.page.inner_text("#agreement")
        ada.page.get_by_role("button", name="Compare").click()
        ada.until("window.askance.mode === 'settle' && !window.askance.isBusy && window.askance.settling.planes")
        for key, wanted in (("1", labels[0]), ("2", labels[1]), ("3", np.where(labels[0] != labels[1], 255, 0))):
            ada.press(key)
            assert (ada.labels() == wanted.T).all()
        ada.told("window.askance.reload()")
        assert (ada.labels() == np.where(labels[0] != labels[1], 255, 0).T).all(), "what was looked at is shown again"
        ada.click((20, 28))
        ada.press("Enter", "a")
        assert (ada.labels() == np.where(labels[0] != labels[1], 255, 0).T).all(), "nothing is drawn or handed in here"
        ada.page.click("#choose-first")
        ada.until("window.askance.mode === 'review'")
        assert ada.complaints == []
    with Store.open(folder) as store:
        saved = store.annotation(slice_id)
        assert saved is not None
        assert (store.read_annotation(saved) == labels[0]).all()
        assert (store.state(slice_id), saved.version) == ("accepted", 3)
        assert store.desk.disagreements() == []
