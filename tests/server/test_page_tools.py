"""Every tool of the page with mouse and keys in a real Chromium: what it draws, and what is said where it cannot."""

import struct
from collections.abc import Iterator

import numpy as np
import pytest
from browsing import Visitor, chromium
from playwright.sync_api import Browser, Route
from served import Served, link_of, unpack

from askance.records import parse_slice_id
from askance.store.store import Store


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def anna(browser: Browser, served: Served) -> Iterator[Visitor]:
    """An expert in front of a slice that nobody has drawn on, in the middle of its volume."""
    with Store.open(served.folder) as store:
        waiting = [one for one, state in store.states().items() if state == "queried"]
        wanted = next(one for one in waiting if 1 <= parse_slice_id(one)[2] <= 3)
        link = link_of(served, "anna")
        store.desk.take(wanted, "anna", "nowhere")
        store.desk.give_back(wanted, "anna", "nowhere")
    visitor = Visitor(browser, link)
    visitor.ready()
    if visitor.told("window.askance.slice") != wanted:
        visitor.told(f"window.askance.handing.reopen('{wanted}')")
    visitor.until(f"window.askance.slice === '{wanted}' && !window.askance.isBusy")
    yield visitor
    assert visitor.complaints == []


def clear(visitor: Visitor) -> None:
    """Wipe the slice on the screen."""
    visitor.told("window.askance.drawing.change('wipe', (plane) => plane.fill(0))")


def disc(visitor: Visitor, size: int, at: tuple[int, int] = (12, 16)) -> None:
    """One dab of the brush of class 1."""
    visitor.told(f"window.askance.setSize({size})")
    visitor.press("b", "1")
    visitor.click(at)


def hint(visitor: Visitor) -> str:
    return str(visitor.page.inner_text("#hint"))


def test_brush_eraser_fill_and_polygon_draw_and_each_is_undone_and_redone(anna: Visitor) -> None:
    clear(anna)
    states = [anna.labels()]
    anna.press("g", "2")
    for corner in ((4, 4), (14, 4), (14, 14), (4, 14)):
        anna.click(corner)
    anna.press("Enter")
    states.append(anna.labels())
    anna.press("f", "1")
    anna.click((9, 9))
    states.append(anna.labels())
    anna.told("window.askance.setSize(3)")
    anna.press("e")
    anna.click((9, 9))
    states.append(anna.labels())
    anna.press("b", "2")
    anna.stroke((4, 20), (16, 20))
    states.append(anna.labels())
    assert (states[1][5:14, 5:14] == 2).all()
    assert (states[2][5:14, 5:14] == 1).all()
    assert (states[3][8:11, 9], states[3][5, 5]) == (pytest.approx([0, 0, 0]), 1)
    assert (states[4][19:22, 5:16] == 2).all()
    for wanted in states[-2::-1]:
        anna.press("Control+z")
        assert (anna.labels() == wanted).all()
    for wanted in states[1:]:
        anna.page.click("#redo")
        assert (anna.labels() == wanted).all()
    assert anna.page.is_disabled("#redo")


def test_a_stroke_that_leaves_the_picture_goes_no_further_than_its_edge(anna: Visitor) -> None:
    clear(anna)
    anna.told("window.askance.setSize(1)")
    anna.press("b", "1")
    for key in ("0", "p"):
        anna.press(key)
        anna.page.wait_for_timeout(500)
        clear(anna)
        x, y = anna.where((12, 16))
        anna.page.mouse.move(x, y)
        anna.page.mouse.down()
        anna.page.mouse.move(x + 1500, y, steps=12)
        anna.page.mouse.up()
        rows, columns = np.nonzero(anna.labels())
        assert set(rows) <= {15, 16, 17}
        assert set(columns) in (set(range(13)), set(range(12, 24))), "from there to one edge"


def test_a_polygon_half_drawn_is_shortened_by_undo(anna: Visitor) -> None:
    clear(anna)
    anna.press("g")
    for corner in ((4, 4), (14, 4), (14, 14), (2, 28)):
        anna.click(corner)
    anna.press("Control+z")
    assert anna.told("window.askance.drawing.points.length") == 3
    anna.press("Enter")
    assert anna.labels()[24, 4] == 0
    assert anna.labels()[8, 12] == 1


def test_a_polygon_is_painted_where_its_corners_were_set(anna: Visitor) -> None:
    clear(anna)
    asked = anna.told("window.askance.viewer.current")
    anna.press("g", "1")
    for corner in ((4, 4), (14, 4), (14, 14)):
        anna.click(corner)
    anna.press("ArrowUp")
    beside = anna.plane()
    anna.press("Enter")
    assert anna.told("window.askance.viewer.current") == asked
    assert anna.labels()[6, 12] == 1
    for corner in ((4, 20), (9, 20)):
        anna.click(corner)
    anna.press("ArrowUp")
    assert anna.plane() == beside
    anna.click((9, 25))
    assert len(anna.told("window.askance.drawing.points")) == 1, "a corner on another slice begins another polygon"


def test_escape_drops_a_polygon_half_drawn_and_nothing_else(anna: Visitor) -> None:
    clear(anna)
    disc(anna, 5)
    painted = anna.labels()
    anna.press("g", "1")
    for corner in ((2, 2), (20, 2), (20, 20)):
        anna.click(corner)
    anna.press("Escape")
    assert anna.told("window.askance.drawing.points.length") == 0
    assert (anna.labels() == painted).all()


def test_copying_from_below_takes_that_slice_and_says_where_there_is_nothing(anna: Visitor) -> None:
    anna.press("ArrowDown")
    clear(anna)
    anna.press("ArrowUp")
    before = anna.labels()
    anna.press("c")
    assert "no labels on the slice below" in hint(anna)
    assert (anna.labels() == before).all()
    anna.press("ArrowDown")
    disc(anna, 9)
    below = anna.labels()
    anna.press("ArrowUp", "c")
    assert (anna.labels() == below).all()
    anna.press("Control+z")
    assert (anna.labels() == before).all()


def test_interpolation_lies_between_the_nearest_labels_on_both_sides(anna: Visitor) -> None:
    for step in ("ArrowDown", "ArrowUp"):
        anna.press(step)
        clear(anna)
        disc(anna, 5 if step == "ArrowDown" else 11)
        anna.press("x")
    clear(anna)
    anna.press("i")
    drawn = int((anna.labels() == 1).sum())
    anna.press("ArrowDown")
    low = int((anna.labels() == 1).sum())
    clear(anna)
    anna.press("x", "ArrowUp")
    high = int((anna.labels() == 1).sum())
    assert low < drawn < high
    for _ in range(6):
        anna.press("ArrowDown")
        if anna.told("window.askance.viewer.current") == 0:
            break
    anna.press("i")
    assert "no labels below" in hint(anna)


def test_zoom_and_pan_move_the_picture_the_scale_and_where_the_mouse_draws(anna: Visitor) -> None:
    clear(anna)

    def per_mm() -> float:
        return float(anna.told("window.askance.drawing.scale.pixels / window.askance.drawing.scale.mm"))

    before, centre = per_mm(), anna.where((12, 16))
    assert per_mm() == pytest.approx(
        (centre[0] - anna.where((13, 16))[0]) / anna.told("window.askance.viewer.spacing"), rel=0.02
    )
    for _ in range(3):
        anna.press("+")
    assert per_mm() == pytest.approx(before * 1.2**3, rel=0.01)
    assert "zoom 1.7×" in anna.page.inner_text("#looks")
    at = anna.where((12, 16))
    anna.press("Shift+ArrowRight")
    moved = anna.where((12, 16))
    assert moved[0] - at[0] == pytest.approx(30, abs=1.5)
    assert moved[1] == pytest.approx(at[1], abs=1.5)
    disc(anna, 1)
    assert np.argwhere(anna.labels()).tolist() == [[16, 12]]
    place = anna.where((6, 8))
    anna.page.mouse.move(*place)
    anna.page.keyboard.down("Control")
    anna.page.mouse.wheel(0, -100)
    anna.page.keyboard.up("Control")
    anna.page.wait_for_timeout(200)
    assert anna.where((6, 8)) == pytest.approx(place, abs=2), "the wheel zooms about the mouse"
    anna.press("0")
    assert anna.where((12, 16)) == pytest.approx(centre, abs=1)


def test_every_plane_is_shown_in_its_true_aspect_and_the_patients_right_is_on_the_left(anna: Visitor) -> None:
    assert anna.where((13, 16))[0] < anna.where((12, 16))[0], "columns run to the patient's right (RAS)"
    assert anna.where((12, 17))[1] < anna.where((12, 16))[1], "rows run to the front, which is up"
    anna.press("p")
    anna.page.wait_for_timeout(500)
    tiles = anna.told(
        "window.askance.viewer.niivue.screenSlices.filter((one) => one.axCorSag < 3).map((one) => "
        "[one.leftTopWidthHeight[2] / one.fovMM[0], one.leftTopWidthHeight[3] / one.fovMM[1]].map(Math.abs))"
    )
    assert len(tiles) == 3
    for across, down in tiles:
        assert across == pytest.approx(down, rel=0.01)
    assert len(anna.told("window.askance.viewer.crossings()")) == 2


def test_window_and_level_follow_keys_mouse_and_sliders_and_are_told(anna: Visitor) -> None:
    low, high = anna.told("window.askance.viewer.window")
    anna.press("Control+ArrowRight", "Control+ArrowRight")
    wider = anna.told("window.askance.viewer.window")
    assert wider[1] - wider[0] > high - low
    anna.press("Control+ArrowUp")
    raised = anna.told("window.askance.viewer.window")
    assert sum(raised) != pytest.approx(sum(wider))
    x, y = anna.where((12, 16))
    anna.page.mouse.move(x, y)
    anna.page.mouse.down(button="right")
    anna.page.mouse.move(x - 60, y, steps=3)
    anna.page.mouse.up(button="right")
    dragged = anna.told("window.askance.viewer.window")
    assert dragged[1] - dragged[0] < raised[1] - raised[0]
    anna.told(
        "(() => { const one = document.getElementById('window'); one.value = 200; one.dispatchEvent(new Event('input')) })()"
    )
    wide = anna.told("window.askance.viewer.window")
    assert wide[1] - wide[0] == pytest.approx(2 * (high - low), rel=0.01)
    assert f"W {wide[1] - wide[0]:.0f}" in anna.page.inner_text("#looks")
    anna.press("0")
    assert anna.told("window.askance.viewer.window") == pytest.approx([low, high])


def test_another_channel_has_its_own_window_and_comes_last_chosen_or_not_at_all(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    held: dict[str, Route] = {}

    def give_two(route: Route) -> None:
        told = route.fetch().json()
        told["study"]["channels"] = ["T1", "T2", "T3"]
        route.fulfill(json=told)

    def give(route: Route) -> None:
        channel = route.request.url[-1]
        if channel == "0":
            route.continue_()
        else:
            held[channel] = route

    def answer(channel: str) -> None:
        anna.until(lambda: channel in held)
        route = held.pop(channel)
        body = bytearray(route.fetch(url=route.request.url[:-1] + "0").body())
        header, _ = unpack(bytes(body))
        image = 8 + int.from_bytes(body[:4], "little") + header["sections"]["image"][0]
        body[image + 124 : image + 132] = struct.pack("<ff", int(channel) * 1000, 0)  # white and black
        route.fulfill(body=bytes(body))

    def choose(channel: str) -> None:
        anna.page.select_option("#channel", channel)

    anna.page.route("**/api/me", give_two)
    anna.page.route("**/api/view?*", give)
    anna.page.reload()
    slice_id = anna.ready()
    anna.press("+", "Control+ArrowRight")
    assert anna.page.input_value("#window") != "100"
    choose("1")
    anna.press("h")
    assert anna.page.get_attribute("#hide", "aria-pressed") == "true", "keys are for the picture again"
    answer("1")
    anna.until("window.askance.viewer.channel === 1")
    assert anna.told("window.askance.viewer.window") == [0, 1000]
    assert anna.page.input_value("#window") == "100"
    assert anna.told("window.askance.viewer.zoomed") > 1
    choose("2")
    choose("0")
    anna.until("window.askance.viewer.channel === 0")
    answer("2")
    anna.page.wait_for_timeout(500)
    assert anna.told("window.askance.viewer.channel") == 0, "the last one chosen, not the last to come"
    choose("1")
    anna.until(lambda: "1" in held)
    held.pop("1").abort()
    anna.until("document.getElementById('channel').value === '0'", 10)
    anna.page.wait_for_timeout(100)
    anna.press("h", "Control+ArrowRight", "a")
    anna.next_after(slice_id)
    assert anna.page.input_value("#window") == "100"


def test_a_small_piece_apart_and_a_class_that_vanished_are_asked_about_before_submitting(
    anna: Visitor, served: Served
) -> None:
    slice_id = anna.told("window.askance.slice")
    proposed = anna.told("Array.from(window.askance.seen.sections.proposal)")
    gone = next(label for label in (2, 1) if label in proposed)
    clear(anna)
    anna.press("b", str(3 - gone))
    anna.told("window.askance.setSize(9)")
    anna.click((12, 16))
    anna.told("window.askance.setSize(1)")
    anna.click((2, 2))
    anna.press("Enter")
    anna.until("document.getElementById('dialog').open")
    words = anna.page.inner_text("#dialog")
    assert "1 small piece lies apart" in words
    assert "was there and is gone" in words
    anna.page.get_by_role("button", name="Back").click()
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is None
    anna.press("Enter")
    anna.until("document.getElementById('dialog').open")
    anna.press("Enter")
    anna.until(f"window.askance.slice !== '{slice_id}'")
    with Store.open(served.folder) as store:
        saved = store.annotation(slice_id)
        assert saved is not None
        assert sorted(np.unique(store.read_annotation(saved))) == [0, 3 - gone]


def test_an_empty_slice_that_nobody_drew_on_is_asked_about(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    anna.told("window.askance.began.fill(0)")
    clear(anna)
    anna.press("Enter")
    anna.until("document.getElementById('dialog').open")
    assert "Nothing is drawn" in anna.page.inner_text("#dialog")
    anna.press("Escape")
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is None


def test_a_question_that_follows_at_once_on_another_is_answered_as_its_own(anna: Visitor, served: Served) -> None:
    slice_id = anna.told("window.askance.slice")
    disc(anna, 9)
    anna.told("window.askance.setSize(1)")
    anna.click((2, 2))
    anna.told("""(() => {
      window.askance.handing.submit()
      document.querySelector('#dialog button').click()
      window.askance.handing.submit()
    })()""")
    anna.page.wait_for_timeout(300)
    assert anna.told("document.getElementById('dialog').open")
    anna.press("Enter")
    anna.until(f"window.askance.slice !== '{slice_id}'", seconds=20)
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is not None


def test_a_held_key_hands_in_one_slice_and_answers_no_question(anna: Visitor, served: Served) -> None:
    slice_id = str(anna.told("window.askance.slice"))
    anna.page.keyboard.down("a")
    second = anna.next_after(slice_id)
    for _ in range(20):
        anna.page.keyboard.down("a")  # Playwright says of these that the key repeats
        anna.page.wait_for_timeout(30)
    anna.page.keyboard.up("a")
    assert anna.told("window.askance.slice") == second
    disc(anna, 9)
    anna.told("window.askance.setSize(1)")
    anna.click((2, 2))
    for _ in range(20):
        anna.page.keyboard.down("Enter")
        anna.page.wait_for_timeout(30)
    anna.page.keyboard.up("Enter")
    assert anna.told("document.getElementById('dialog').open")
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is not None
        assert store.annotation(second) is None


def test_accepting_never_drops_what_was_drawn_on_the_slice_itself(anna: Visitor, served: Served) -> None:
    slice_id = str(anna.told("window.askance.slice"))
    clear(anna)
    disc(anna, 7)
    anna.press("a")
    anna.page.wait_for_timeout(300)
    assert "You drew on this slice: submit with Enter, or undo" in hint(anna)
    assert anna.told("window.askance.slice") == slice_id
    anna.press("Control+z", "Control+z", "a")
    anna.next_after(slice_id)
    with Store.open(served.folder) as store:
        (saved,) = store.desk.versions(slice_id)
        assert saved.effort is not None
        assert saved.effort.changed_voxels == 0


def test_accepting_never_drops_what_was_drawn_on_a_neighbour(anna: Visitor, served: Served) -> None:
    slice_id = anna.told("window.askance.slice")
    case, axis, _ = parse_slice_id(slice_id)
    anna.press("ArrowUp")
    beside = int(anna.told("window.askance.indexOf(window.askance.viewer.current)"))
    disc(anna, 7)
    anna.press("x", "a")
    anna.page.wait_for_timeout(300)
    assert f"You also drew on slice {beside + 1}" in anna.page.inner_text("#hint")
    assert anna.told("window.askance.slice") == slice_id
    anna.press("Enter")
    anna.until("document.getElementById('dialog').open")
    anna.press("Enter")
    anna.until(f"window.askance.slice !== '{slice_id}'", seconds=20)
    with Store.open(served.folder) as store:
        assert store.annotation(f"{case}/{axis}/{beside}") is not None


def test_a_stroke_on_a_neighbour_is_told_of_and_kept_as_a_version_of_that_slice(anna: Visitor, served: Served) -> None:
    slice_id = anna.told("window.askance.slice")
    case, axis, index = parse_slice_id(slice_id)
    anna.press("ArrowUp")
    beside = int(anna.told("window.askance.indexOf(window.askance.viewer.current)"))
    clear(anna)
    disc(anna, 7)
    drawn = anna.labels()
    anna.press("x", "Enter")
    anna.until("document.getElementById('dialog').open")
    assert f"You also drew on slice {beside + 1}" in anna.page.inner_text("#dialog")
    anna.press("Enter")
    anna.until(f"window.askance.slice !== '{slice_id}'")
    with Store.open(served.folder) as store:
        assert store.annotation(slice_id) is not None
        kept = store.annotation(f"{case}/{axis}/{beside}")
        assert kept is not None
        assert (kept.author, abs(beside - index)) == ("anna", 1)
        assert (store.read_annotation(kept) == drawn.T).all(), "RAS file: columns and rows are its first two axes"


def test_beyond_the_slab_the_volume_is_fetched_and_a_draft_there_is_shown_again(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.page.route("**/api/view?*", lambda one: one.continue_(url=one.request.url.replace("reach=4", "reach=1")))
    anna.page.reload()
    slice_id = anna.ready()
    index, depth = anna.told("[window.askance.seen.header.index, window.askance.seen.header.depth]")
    assert anna.told("window.askance.viewer.depth") == 3
    untouched = anna.labels()
    disc(anna, 3, (2, 2))
    far, key = (depth - 1, "ArrowUp") if index < depth / 2 else (0, "ArrowDown")
    for _ in range(abs(far - index)):
        now = anna.told("window.askance.indexOf(window.askance.viewer.current)")
        anna.press(key)
        anna.until(f"window.askance.indexOf(window.askance.viewer.current) !== {now}", 10)
    assert anna.told("window.askance.viewer.depth") == depth
    anna.press("Control+z")
    assert anna.told("window.askance.indexOf(window.askance.viewer.current)") == index, "undo goes where it was drawn"
    assert (anna.labels() == untouched).all()
    anna.told(f"window.askance.looks.goTo({far})")
    clear(anna)
    disc(anna, 5)
    drawn = anna.labels()
    anna.until("document.getElementById('saved').textContent === 'Saved'", 10)
    anna.page.reload()
    assert anna.ready() == slice_id
    anna.until(f"window.askance.placeOf({far}) !== undefined && !window.askance.isBusy", 10)
    sent = np.array(anna.told(f"Array.from(window.askance.handing.planes().get({far}))")).reshape(drawn.shape)
    assert (sent == drawn).all()


def test_everything_but_strokes_is_done_by_keyboard_and_the_focus_stays_where_it_was(anna: Visitor) -> None:
    anna.page.focus("#tool-eraser")
    anna.press("Enter")
    assert anna.told("document.activeElement.id") == "tool-eraser"
    assert anna.page.get_attribute("#tool-eraser", "aria-pressed") == "true"
    anna.page.wait_for_timeout(5500)  # progress is told anew every five seconds
    assert anna.told("document.activeElement.id") == "tool-eraser"
    anna.page.click("#tool-fill")
    assert anna.told("document.activeElement.id") == "layer", "the mouse gives the focus back, so that Enter submits"
    anna.page.click("#show-help")
    anna.press("Escape")
    anna.until("document.activeElement.id === 'layer'", 5)
    anna.page.focus("#opacity")
    anna.press("h")
    assert anna.page.get_attribute("#hide", "aria-pressed") == "true", "a slider keeps its arrows only"
    before = anna.told("window.askance.viewer.current")
    anna.press("ArrowUp")
    assert anna.told("window.askance.viewer.current") == before
    anna.press("h", "[", "]", "g", "2")
    assert anna.told("[window.askance.drawing.tool, window.askance.drawing.label]") == ["polygon", 2]


def pen(anna: Visitor, kind: str, voxel: tuple[float, float], force: float = 0.5, button: str = "left") -> None:
    """One event of a pen at a display voxel, as the browser gets it from the system."""
    x, y = anna.where(voxel)
    held = {"left": 1, "none": 0}[button]
    anna.cdp.send(
        "Input.dispatchMouseEvent",
        {
            "type": kind,
            "x": x,
            "y": y,
            "button": button,
            "buttons": held,
            "clickCount": 1,
            "pointerType": "pen",
            "force": force,
        },
    )


def touch(anna: Visitor, kind: str, voxel: tuple[float, float] | None = None) -> None:
    """One event of a finger, or a palm."""
    points = []
    if voxel is not None:
        x, y = anna.where(voxel)
        points = [{"x": x, "y": y, "id": 7, "radiusX": 20, "radiusY": 20}]
    anna.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def drawn_rows(anna: Visitor) -> set[int]:
    return set(np.nonzero(anna.labels())[0].tolist())


def test_a_pen_draws_with_any_pressure_and_not_while_it_hovers(anna: Visitor) -> None:
    clear(anna)
    anna.press("b", "1")
    anna.told("window.askance.setSize(1)")
    for column in (4, 12, 18):
        pen(anna, "mouseMoved", (column, 20), 0.0, "none")
    assert drawn_rows(anna) == set()
    pen(anna, "mousePressed", (4, 8), 0.1)
    for column in (8, 12):
        pen(anna, "mouseMoved", (column, 8), 0.9)
    pen(anna, "mouseReleased", (12, 8), 0.0)
    pen(anna, "mouseMoved", (18, 8), 0.0, "none")
    assert np.argwhere(anna.labels()).tolist() == [[8, column] for column in range(4, 13)]
    anna.press("Control+z")
    assert drawn_rows(anna) == set()


def test_a_finger_draws_but_never_the_palm_of_a_hand_that_holds_a_pen(anna: Visitor) -> None:
    clear(anna)
    anna.press("b", "1")
    anna.told("window.askance.setSize(1)")
    touch(anna, "touchStart", (4, 4))
    touch(anna, "touchMove", (12, 4))
    touch(anna, "touchEnd")
    assert drawn_rows(anna) == {4}, "without a pen a finger draws"
    touch(anna, "touchStart", (4, 24))
    touch(anna, "touchMove", (8, 24))
    assert drawn_rows(anna) == {4, 24}
    pen(anna, "mouseMoved", (10, 10), 0.0, "none")
    assert drawn_rows(anna) == {4}, "a palm that lay down before the pen came"
    touch(anna, "touchEnd")
    pen(anna, "mousePressed", (4, 10))
    touch(anna, "touchStart", (20, 26))
    touch(anna, "touchMove", (4, 28))
    pen(anna, "mouseMoved", (12, 10))
    touch(anna, "touchEnd")
    pen(anna, "mouseReleased", (12, 10))
    assert drawn_rows(anna) == {4, 10}
    touch(anna, "touchStart", (4, 14))
    touch(anna, "touchMove", (12, 14))
    touch(anna, "touchEnd")
    assert drawn_rows(anna) == {4, 10}, "nor between two strokes"
    anna.press("Control+z", "Control+z")
    assert drawn_rows(anna) == set(), "the palm left no step to undo"


def test_the_sides_of_the_patient_stand_inside_every_plane(anna: Visitor) -> None:
    assert [one[0] for one in anna.told("window.askance.viewer.markers()")] == ["R", "L", "A", "P"]
    anna.press("p")
    anna.page.wait_for_timeout(500)
    width, height = anna.told("[innerWidth, innerHeight]")
    places = anna.told("window.askance.viewer.markers()")
    assert "".join(one[0] for one in places) == "PASIRLSIRLAP"
    assert all(10 <= x <= width - 10 and 10 <= y <= height - 10 for _, x, y in places)
    assert len({(round(x / 8), round(y / 8)) for _, x, y in places}) == 12, "none lies on another"


def test_skipping_without_a_reason_asks_for_one(anna: Visitor) -> None:
    slice_id = anna.told("window.askance.slice")
    anna.press("s")
    anna.until("document.activeElement.id === 'reason'", 5)
    anna.press("Enter")
    assert anna.told("document.getElementById('dialog').open")
    assert "Give a reason" in anna.page.inner_text("#dialog")
    anna.page.keyboard.type("motion")
    anna.press("Enter")
    assert anna.next_after(slice_id)


def test_the_score_map_lies_on_its_slice_and_hides_neither_image_nor_labels(anna: Visitor) -> None:
    """Where the layer is red follows the voxels through zoom and to the neighbour, where there is no map."""
    assert anna.told("Boolean(window.askance.viewer.doubt)")
    anna.told(MARK_ONE_VOXEL)
    anna.press("r")
    assert [alpha(anna, (5, 9)), alpha(anna, (14, 20))] == [120, 0]
    anna.told("window.askance.viewer.zoom(2)")
    assert [alpha(anna, (5, 9)), alpha(anna, (9, 12))] == [120, 0]
    anna.told("window.askance.viewer.reset()")
    anna.press("ArrowUp")
    assert alpha(anna, (5, 9)) == 0
    anna.press("ArrowDown", "r")
    assert alpha(anna, (5, 9)) == 0


#: In place of the model's map, one of doubt in a voxel and its neighbours alone.
MARK_ONE_VOXEL = """(async () => {
  const { pictureOf } = await import('/assets/doubt.js')
  const [columns, rows] = window.askance.viewer.planeShape
  const plane = new Uint8Array(columns * rows)
  for (let x = 4; x <= 6; x++) for (let y = 8; y <= 10; y++) plane[x + y * columns] = 255
  window.askance.viewer.doubt = pictureOf(plane, columns, rows)
})()"""


def alpha(visitor: Visitor, voxel: tuple[int, int]) -> int:
    """How opaque the layer over the picture is at a voxel, of 255."""
    place = f"window.askance.viewer.pageAt([{voxel[0]}, {voxel[1]}]).map(Math.round)"
    return int(visitor.told(f"document.getElementById('layer').getContext('2d').getImageData(...{place}, 1, 1).data[3]"))
