"""What goes wrong while an expert draws, in a real Chromium: a lapsed lease, a slip, a slice that cannot be shown."""

from collections.abc import Iterator

import pytest
from browsing import Visitor, chromium
from playwright.sync_api import Browser, Route
from served import Served, link_of, serving, set_settings

from askance.active.study import Study
from askance.records import parse_slice_id
from askance.store.store import Store
from made_studies import let_lapse

SAVED = "document.getElementById('saved').textContent === 'Saved'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def draw_something(visitor: Visitor) -> None:
    visitor.told("window.askance.drawing.change('wipe', (plane) => plane.fill(0))")
    visitor.press("1")
    visitor.stroke((6, 12), (16, 12))


def test_what_was_drawn_before_the_time_was_over_is_shown_after_it_and_comes_back(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    draw_something(anna)
    drawn = anna.plane()
    anna.until(SAVED)
    with Store.open(served.folder) as store:
        let_lapse(store)
        store.desk.lapse()
    anna.told("window.askance.reload()")
    assert anna.plane() == drawn, "the volume is loaded anew while the slice is in nobody's hands"
    anna.page.reload()
    assert anna.ready() == slice_id, "what was begun comes first"
    assert anna.plane() == drawn
    assert anna.complaints == []


def test_a_slip_on_a_neighbour_that_was_undone_is_nobodys_answer(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    case, axis, _ = parse_slice_id(slice_id)
    key = "ArrowUp" if anna.told("window.askance.viewer.place") == 0 else "ArrowDown"
    anna.press(key)
    beside = int(anna.told("window.askance.indexOf(window.askance.viewer.current)"))
    anna.press("1")
    anna.stroke((2, 2), (9, 2))
    anna.until(SAVED)
    anna.press("Control+z", "x")
    anna.until(SAVED)
    anna.page.wait_for_timeout(500)
    anna.page.reload()
    assert anna.ready() == slice_id
    assert anna.told("[...window.askance.handing.planes().keys()]") == [parse_slice_id(slice_id)[2]]
    anna.told("window.askance.submit()")
    anna.page.wait_for_timeout(300)
    if anna.told("document.getElementById('dialog').open"):
        assert "also drew" not in anna.page.inner_text("#dialog")
        anna.press("Enter")
    anna.next_after(slice_id)
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is not None
        assert all(one.author != "anna" for one in store.desk.versions(f"{case}/{axis}/{beside}"))


def test_a_slice_that_cannot_be_shown_keeps_nobody_from_the_next(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    first = anna.ready()

    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        if first.replace("/", "%2F") in route.request.url:
            route.fulfill(status=422, json={"error": "the image is damaged"})
        else:
            route.continue_()

    anna.page.route("**/api/view?*", refuse)
    anna.page.reload()
    anna.until("document.getElementById('notice').textContent.includes('cannot be shown: the image is damaged')")
    before = len(asked)
    anna.page.get_by_role("button", name="Try again").click()
    anna.until(lambda: len(asked) > before)
    anna.until("document.getElementById('notice').textContent.includes('cannot be shown')")
    anna.page.get_by_role("button", name="Skip it").click()
    anna.next_after(first)
    with Store.open(served.folder) as store:
        assert store.state(first) == "skipped"


def test_one_refused_reply_leaves_a_page_that_can_go_on(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    first = anna.ready()
    anna.page.route("**/api/next", lambda route: route.fulfill(status=500, json={"error": "the disk is full"}))
    anna.press("a")
    anna.until("document.getElementById('notice').textContent.includes('the disk is full')")
    anna.page.unroute("**/api/next")
    anna.page.get_by_role("button", name="Try again").click()
    second = anna.next_after(first)
    anna.page.route("**/api/me", lambda route: route.abort(), times=1)
    anna.page.reload()
    assert anna.ready() == second
    assert anna.told("document.getElementById('banner').hidden")


def test_what_is_drawn_while_the_whole_volume_loads_stays_and_it_is_loaded_once(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.ready()
    waiting: list[Route] = []

    def give(route: Route) -> None:
        if "reach" in route.request.url:
            route.continue_(url=route.request.url.replace("reach=4", "reach=0"))
        else:
            waiting.append(route)

    anna.page.route("**/api/view?*", give)
    anna.page.reload()
    anna.ready()
    anna.press("ArrowUp", "ArrowUp")
    anna.until(lambda: waiting)
    answer = waiting[0].fetch()  # what the server had before the stroke
    anna.press("1")
    anna.stroke((6, 12), (16, 12))
    drawn = anna.plane()
    anna.until(SAVED)
    waiting[0].fulfill(response=answer)
    anna.until("window.askance.viewer.depth > 1")
    anna.press("x")
    assert anna.plane() == drawn
    assert anna.told("window.askance.touched.has(window.askance.seen.header.index)")
    assert len(waiting) == 1


def test_a_stroke_and_a_polygon_under_way_outlast_the_rest_of_the_volume(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.page.route("**/api/view?*", lambda one: one.continue_(url=one.request.url.replace("reach=4", "reach=0")))
    anna.page.reload()
    anna.ready()
    anna.told("(() => { window.askance.drawing.change('wipe', (plane) => plane.fill(0)); window.askance.setSize(1) })()")
    anna.press("b", "1")
    anna.page.mouse.move(*anna.where((4, 12)))
    anna.page.mouse.down()
    anna.page.mouse.move(*anna.where((8, 12)), steps=3)
    anna.told("void window.askance.loadWhole()")
    anna.page.wait_for_timeout(1500)
    anna.page.mouse.move(*anna.where((12, 12)), steps=3)
    anna.page.mouse.up()
    anna.until("window.askance.viewer.depth > 1")
    anna.until("!window.askance.loading")
    assert set(anna.labels()[12].nonzero()[0].tolist()) == set(range(4, 13))
    anna.press("g")
    anna.click((4, 20))
    anna.click((9, 20))
    anna.told("window.askance.reload()")
    anna.click((9, 25))
    anna.press("Enter")
    assert anna.labels()[21, 8] == 1
    assert anna.complaints == []


def test_where_more_of_the_volume_cannot_be_had_the_slab_stays(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.ready()
    failing = [True]

    def give(route: Route) -> None:
        if failing[0] and "reach" not in route.request.url:
            route.abort()
        else:
            route.continue_(url=route.request.url.replace("reach=4", "reach=0"))

    anna.page.route("**/api/view?*", give)
    anna.page.reload()
    anna.ready()
    anna.press("ArrowUp")
    anna.until("document.getElementById('hint').textContent.includes('could not be loaded')")
    assert anna.told("window.askance.viewer.depth") == 1
    anna.press("1")
    anna.stroke((6, 12), (16, 12))
    failing[0] = False
    anna.press("ArrowUp")
    anna.until("window.askance.viewer.depth > 1")
    anna.press("x")
    assert 1 in anna.plane(), "what was drawn meanwhile is still there"


def test_a_page_that_nobody_is_at_lets_its_slice_go_and_so_does_one_that_reviews(browser: Browser, served: Served) -> None:
    rita = Visitor(browser, link_of(served, "rita", "reviewer"))
    rita.ready()
    signs: list[str] = []
    rita.page.on("request", lambda one: signs.append(one.url) if one.url.endswith("/api/renew") else None)
    rita.told("window.askance.keep()")
    assert len(signs) == 1
    rita.told("(() => { window.askance.touchedAt -= 1001 * 900; return window.askance.keep() })()")
    assert len(signs) == 1, "nobody is there"
    rita.page.mouse.move(300, 300)
    rita.page.mouse.move(310, 310)
    rita.until(lambda: len(signs) == 2, 10)
    rita.told("window.askance.asking")
    rita.page.click("#mode-review")
    rita.until("document.getElementById('notice').textContent.includes('nothing to review')")
    with Store.open(served.folder) as store:
        assert "leased" not in store.states().values()
    rita.page.click("#mode-work")
    slice_id = rita.ready()
    draw_something(rita)
    rita.until(SAVED)
    rita.page.click("#mode-review")
    rita.until("document.getElementById('notice').textContent.includes('nothing to review')")
    with Store.open(served.folder) as store:
        assert [one for one, state in store.states().items() if state == "leased"] == [slice_id]


def test_new_slices_appear_by_themselves_to_who_waits(browser: Browser, asking_study: Study) -> None:
    folder = asking_study.store.folder
    asking_study.store.close()
    set_settings(folder, second_reader=1.0)
    with serving(folder) as served:
        with Store.open(folder) as store:
            store.desk.add_user("ben", "expert", 1, "test")
            for case in store.cases("learn"):
                store.desk.take_case(case.id, "ben", "t")
        anna = Visitor(browser, link_of(served, "anna"))
        anna.until("document.getElementById('notice').textContent.includes('other people’s hands')")
        with Store.open(folder) as store:
            let_lapse(store)
        anna.ready()
