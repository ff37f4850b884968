"""The page of moving people: what is in the file, and what it does in a real browser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skelgraph.errors import DataError, SkelgraphError
from skelgraph.topology import as_skeleton
from skelgraph.viz.drawing import LEFT, RIGHT, rest_positions
from skelgraph.viz.viewer import ViewerPerson, ViewerScene, viewer_page, write_viewer

FRAMES, STEP, RATE = 22, 4, 29.97
SKELETON = as_skeleton("blazepose33")
LEFT_WRIST, RIGHT_WRIST, NOSE, LEFT_ANKLE = map(
    SKELETON.joint_names.index, ("left_wrist", "right_wrist", "nose", "left_ankle")
)
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200), (200, 40, 200)]
EVIL = "</script><script>window.hacked = 1</script><!--<img src=x onerror=hacked=1>&amp;\u2028\ud800"


def moving(frames: int = FRAMES, skeleton: Any = SKELETON) -> np.ndarray:
    """Somebody who faces -y and goes to the right with one arm up; not symmetric in any direction."""
    rest = rest_positions(skeleton)
    points = np.stack([rest[:, 0], -0.1 * rest[:, 1] ** 2, rest[:, 1]], axis=-1)
    points[[index for index, name in enumerate(skeleton.joint_names) if name == "left_wrist"]] += (0.1, -0.3, 0.6)
    return points + np.arange(frames)[:, None, None] * (0.05, 0.0, 0.0)


def jpeg(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 100), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def video() -> ViewerScene:
    """One person in a portrait video, with a truth: joints that are not known, and one that is in few frames."""
    truth = moving()
    positions = truth + np.linspace(0.01, 0.05, SKELETON.num_joints)[:, None] * (0.6, 0.0, 0.8)
    positions[5:9, RIGHT_WRIST] = np.nan
    truth[3, LEFT_ANKLE, 1] = np.nan
    # the video is 600 x 1000, its pictures are smaller; the person goes to the right in it too
    keypoints = np.concatenate([moving()[..., [0, 2]] * (150, -400) + (200, 900), np.full((FRAMES, 33, 1), 0.9)], -1)
    keypoints[2, LEFT_WRIST, 2] = 0
    person = ViewerPerson("Ada", 0, positions, SKELETON, truth, keypoints)
    pictures = [jpeg(colour) for colour in COLOURS]
    return ViewerScene([person], FRAMES, RATE, "A person", pictures, STEP, (600, 1000))


def two_people() -> ViewerScene:
    """Two people, one of them with a hole in the middle, of different skeletons and in different places."""
    h36m = as_skeleton("h36m17")
    other = moving(FRAMES, h36m) * (-1, -1, 1) + (0.5, 1.2, 0)
    stretches = [ViewerPerson("Grace", 2, other[:8], h36m), ViewerPerson("Grace", 14, other[:6], h36m)]
    return ViewerScene([ViewerPerson(EVIL, 0, moving(), SKELETON), *stretches], FRAMES, RATE, EVIL)


class Parsed(HTMLParser):
    """The elements of a page in their order, with the text that each begins with."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[list[Any]] = []
        self.open: list[Any] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = [tag, dict(attrs), ""]
        self.elements.append(self.open)

    def handle_endtag(self, tag: str) -> None:
        self.open = None

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[2] += data

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, text) for name, attrs, text in self.elements if name == tag]

    def json(self, name: str) -> Any:
        (text,) = (text for attrs, text in self.of("script") if attrs.get("id") == name)
        return json.loads(text)


def numbers(text: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


# ---------------------------------------------------------------- the file


def test_the_numbers_in_the_page_are_those_of_the_scene() -> None:
    scene = video()
    data = Parsed(viewer_page(scene)).json("scene")
    (person,) = data["people"]
    given = scene.people[0]
    np.testing.assert_array_equal(numbers(person["positions"], FRAMES, 33, 3), given.positions.astype("f4"))
    np.testing.assert_array_equal(numbers(person["truth"], FRAMES, 33, 3), given.truth.astype("f4"))
    keypoints = numbers(person["keypoints"], FRAMES, 33, 3)
    known = np.ones((FRAMES, 33), bool)
    known[2, LEFT_WRIST] = False
    np.testing.assert_array_equal(keypoints[known], given.keypoints_2d[known].astype("f4"))
    assert np.isnan(keypoints[2, LEFT_WRIST, :2]).all()
    assert (data["numFrames"], data["frameRate"], data["pictureStep"]) == (FRAMES, RATE, STEP)
    assert data["imageSize"] == [600, 1000]
    assert person["sides"][LEFT_WRIST] == "left"


def test_keypoints_without_confidence_are_known_and_infinity_is_not() -> None:
    skeleton = as_skeleton("h36m17")
    positions = moving(2, skeleton)
    positions[1, 3, 1] = np.inf
    person = ViewerPerson("a", 0, positions, skeleton, keypoints_2d=np.zeros((2, 17, 2)))
    (data,) = Parsed(viewer_page(ViewerScene([person], 2, 25, image_size=(10, 10)))).json("scene")["people"]
    assert np.isnan(numbers(data["positions"], 2, 17, 3)[1, 3, 1])
    assert np.array_equal(numbers(data["keypoints"], 2, 17, 3), np.broadcast_to([0, 0, 1], (2, 17, 3)))


def test_a_torso_without_joints_of_its_own_is_closed_by_lines_across() -> None:
    def across(layout: str) -> set[tuple[str, str]]:
        skeleton = as_skeleton(layout)
        scene = ViewerScene([ViewerPerson("a", 0, moving(1, skeleton), skeleton)], 1, 25)
        bones = [tuple(bone[:2]) for bone in Parsed(viewer_page(scene)).json("scene")["people"][0]["bones"]]
        assert bones[: len(skeleton.edges)] == list(skeleton.edges)
        return {tuple(skeleton.joint_names[joint] for joint in bone) for bone in bones[len(skeleton.edges) :]}

    both = {("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")}
    assert across("coco17") == across("blazepose33") == both
    assert across("h36m17") == across("hand21") == set()


def test_pictures_are_in_the_page_in_their_order() -> None:
    scene = video()
    assert list(map(base64.b64decode, Parsed(viewer_page(scene)).json("pictures"))) == scene.pictures
    assert Parsed(viewer_page(two_people())).json("pictures") == []


def test_text_of_strangers_stays_text() -> None:
    page = Parsed(viewer_page(two_people()))
    assert len(page.of("script")) == 3
    assert page.of("img") == []
    shown = EVIL.replace("\ud800", "\\ud800")
    assert page.json("scene")["people"][0]["name"] == shown[:79] + "…" * (len(shown) > 80)
    assert page.of("h1")[0][1] == shown


def test_the_policy_allows_the_program_of_the_page_and_no_request() -> None:
    text = viewer_page(video())
    page = Parsed(text)
    (policy,) = (attrs["content"] for attrs, _ in page.of("meta") if "http-equiv" in attrs)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        content = page.of(tag)[-1][1]
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert re.findall(r"https?:|//\w+\.\w+|\burl\(|@import|\bsrc=|\bon\w+=", text) == []


def test_ten_thousand_frames_are_a_few_megabytes() -> None:
    skeleton = as_skeleton("h36m17")
    scene = ViewerScene([ViewerPerson("a", 0, moving(10_000, skeleton), skeleton)], 10_000, 50)
    assert 2_720_000 < len(viewer_page(scene)) < 2_800_000


def test_the_file_is_the_page_and_a_bad_picture_leaves_the_old_one(tmp_path: Path) -> None:
    scene = video()
    write_viewer(tmp_path / "viewer.html", scene)
    written = (tmp_path / "viewer.html").read_bytes()
    assert written.decode() == viewer_page(scene)
    scene.pictures[-1] = b"\x89PNG\r\n"
    with pytest.raises(DataError, match=r"picture 5 .*JPEG"):
        write_viewer(tmp_path / "viewer.html", scene)
    assert [path.name for path in tmp_path.iterdir()] == ["viewer.html"]
    assert (tmp_path / "viewer.html").read_bytes() == written


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "joints": (lambda: ViewerPerson("a", 0, np.zeros((5, 17, 3)), SKELETON), r"positions of 'a'.*\(5, 33, 3\)"),
    "no-array": (lambda: ViewerPerson("a", 0, 3.0, SKELETON), r"positions of 'a' has shape \(\)"),
    "truth": (lambda: ViewerPerson("a", 0, moving(5), SKELETON, moving(4)), r"truth .*\(4, 33, 3\).*\(5, 33, 3\)"),
    "keypoints": (
        lambda: ViewerPerson("a", 0, moving(5), SKELETON, keypoints_2d=np.zeros((5, 33, 4))),
        r"keypoints_2d .*\(5, 33, 2\) or \(5, 33, 3\)",
    ),
    "deviations": (
        lambda: ViewerPerson("a", 0, moving(5), SKELETON, deviations=np.zeros((5, 32))),
        r"deviations .*\(5, 32\).*\(5, 33\)",
    ),
    "frames": (lambda: ViewerScene([ViewerPerson("a", 3, moving(5), SKELETON)], 7, 25), "5 frames from 3.* 7 frames"),
    "no-frames": (lambda: ViewerScene([], 0, 25), "num_frames is 0"),
    "rate": (lambda: ViewerScene([], 5, float("nan")), "frame_rate is nan"),
    "pictures": (lambda: ViewerScene([], 9, 25, "", [b""] * 2, 4, (5, 5)), "2 pictures; expected 3"),
    "size": (lambda: ViewerScene([], 1, 25, "", [b""]), "image_size is None"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(DataError, match=message):
        make()


def test_without_jinja2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(SkelgraphError, match=r"skelgraph\[lift\]"):
        viewer_page(two_people())


def told() -> ViewerScene:
    """Somebody of whom one joint is told to be uncertain by 30 cm, in the first half of the frames."""
    deviations = np.zeros((FRAMES, 33))
    deviations[: FRAMES // 2, LEFT_WRIST] = 0.3
    deviations[:, NOSE] = np.nan
    return ViewerScene([ViewerPerson("Ada", 0, moving(), SKELETON, deviations=deviations)], FRAMES, RATE)


def test_deviations_are_in_the_page() -> None:
    (person,) = Parsed(viewer_page(told())).json("scene")["people"]
    np.testing.assert_array_equal(numbers(person["deviations"], FRAMES, 33), told().people[0].deviations.astype("f4"))
    assert Parsed(viewer_page(video())).json("scene")["people"][0]["deviations"] is None


# ---------------------------------------------------------------- in a browser

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser(require: Callable[[str], Any]) -> Iterator[Any]:
    """Chromium of this machine; without one the tests are skipped, and in CI they fail unless it could not install
    one."""
    playwright = require("playwright.sync_api")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        message = "no Chromium: apt-get install chromium-headless-shell"
        if os.environ.get("CI") and not os.environ.get("SKELGRAPH_TESTS_WITHOUT_BROWSER"):
            pytest.fail(message + "; .ci/run does it")
        pytest.skip(message)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--disable-background-networking"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``opened(scene, **options)``: the page in a window; it may log no error and ask for nothing but itself."""
    wrong: list[str] = []
    contexts = []

    def open_page(scene: ViewerScene, width: int = 1000, height: int = 700, **options: Any) -> Any:
        write_viewer(tmp_path / "viewer.html", scene)
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        url = (tmp_path / "viewer.html").as_uri()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda request: wrong.append(request.url[:200]) if request.url[:5] != "data:" else None)
        page.goto(url)
        assert wrong.pop(0) == url  # the page itself
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def settle(page: Any) -> None:
    """Wait until what was asked for is painted."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page's policy forbids the ``eval`` in playwright's own way to do it."""
    deadline = time.monotonic() + 10
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(5)


def place(page: Any, joint: int, person: int = 0, kind: str = "positions") -> np.ndarray:
    return np.array(page.evaluate("([p, j, k]) => viewer.project(p, j, k)", [person, joint, kind]), dtype=float)


def pixels(page: Any, selector: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")).astype(int)


def share(image: np.ndarray, colour: str, tolerance: int = 12) -> float:
    """The share of an image that has a colour."""
    wanted = [int(colour[index : index + 2], 16) for index in (1, 3, 5)]
    return float((np.abs(image - wanted).max(-1) <= tolerance).mean())


def drag(page: Any, start: np.ndarray, by: tuple[float, float], button: str = "left") -> None:
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    page.mouse.move(start[0] + by[0], start[1] + by[1])
    page.mouse.up(button=button)
    settle(page)


def centre(page: Any, selector: str) -> np.ndarray:
    box = page.locator(selector).bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def test_a_hand_is_as_large_as_a_body(opened: Callable[..., Any]) -> None:
    """In space and beside its floor of centimetres; it has no sides."""
    hand = as_skeleton("hand21")
    flat = 0.04 * rest_positions(hand)
    still = np.stack([flat[:, 0], 0.1 * flat[:, 1], flat[:, 1] + 0.2], axis=-1)
    page = opened(
        ViewerScene([ViewerPerson("", 0, np.stack([still, still + 0.01]), hand, np.stack([still] * 2))], 2, RATE)
    )
    ends = np.array([place(page, joint) for joint in range(21)])
    stage = page.locator("#stage").bounding_box()
    assert np.ptp(ends, axis=0).max() > 0.4 * min(stage["width"], stage["height"])
    assert stage["x"] < ends[:, 0].min() < ends[:, 0].max() < stage["x"] + stage["width"]
    assert page.locator("#legend").inner_text().split() == ["truth"]
    assert page.locator("#colour option").all_inner_texts() == ["one colour", "error"]
    assert page.evaluate("viewer.view.distance") < 0.6
    for _ in range(12):  # near enough to see a finger
        page.keyboard.press("+")
    assert page.evaluate("viewer.view.distance") < 0.25


SCREENS = {
    "desktop": {"width": 1280, "height": 800},
    "dark": {"width": 1000, "height": 700, "color_scheme": "dark"},
    "phone": {"width": 390, "height": 844, "device_scale_factor": 2, "has_touch": True, "is_mobile": True},
    "turned-phone": {"width": 844, "height": 390, "device_scale_factor": 2, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("screen", SCREENS)
def test_everything_is_on_the_screen_and_painted(opened: Any, screen: str) -> None:
    page = opened(video(), **SCREENS[screen])
    width, height = SCREENS[screen]["width"], SCREENS[screen]["height"]
    for name in ("#stage", "#video", "#plot", "#play", "#scrub", "#legend"):
        box = page.locator(name).bounding_box()
        assert 0 <= box["x"] <= width - box["width"], name
        assert 0 <= box["y"] <= height - box["height"], name
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # the person is inside the stage and both of its sides are painted
    stage = page.locator("#stage").bounding_box()
    for joint in (NOSE, LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE):
        x, y = place(page, joint)
        assert stage["x"] < x < stage["x"] + stage["width"]
        assert stage["y"] < y < stage["y"] + stage["height"]
    assert stage["height"] > 0.3 * height
    image = pixels(page, "#stage")
    assert share(image, LEFT) > 0.001
    assert share(image, RIGHT) > 0.001
    assert (image[5, 5].mean() < 60) == (screen == "dark")


def test_upright_and_left_is_left(opened: Any) -> None:
    page = opened(video())  # the person looks at us: the left arm is on the right side of the screen, and up
    nose, left, right, ankle = (place(page, joint) for joint in (NOSE, LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE))
    assert nose[1] < right[1] < ankle[1]
    assert left[0] > nose[0] > right[0]
    assert left[1] < right[1]
    image, box = pixels(page, "#stage"), page.locator("#stage").bounding_box()
    for joint, colour in ((LEFT_WRIST, LEFT), (RIGHT_WRIST, RIGHT)):
        x, y = np.round(place(page, joint) - (box["x"], box["y"])).astype(int)
        assert share(image[y - 8 : y + 8, x - 8 : x + 8], colour, 30) > 0.1


def expected_place(page: Any, point: np.ndarray) -> np.ndarray:
    """Where a pinhole camera with the page's view sees a point."""
    view, box = page.evaluate("viewer.view"), page.locator("#stage").bounding_box()
    yaw, pitch, focus = view["yaw"], view["pitch"], np.array(view["focus"])
    eye = focus + view["distance"] * np.array(
        [np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)]
    )
    forward = (focus - eye) / view["distance"]
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    x, y, depth = np.stack([right, np.cross(right, forward), forward]) @ (point - eye)
    size = np.array(page.evaluate("[stage.clientWidth, stage.clientHeight]"))
    return (box["x"], box["y"]) + size / 2 + 1.5 * min(size) * np.array([x, -y]) / depth


def test_drag_turns_right_drag_moves_and_the_wheel_zooms(opened: Any) -> None:
    scene = video()
    page = opened(scene)
    start, point = centre(page, "#stage"), scene.people[0].positions[0, LEFT_WRIST]
    before, view = place(page, LEFT_WRIST), page.evaluate("viewer.view")
    np.testing.assert_allclose(before, expected_place(page, point), atol=1e-3)

    drag(page, start, (60, 25))
    turned = page.evaluate("viewer.view")
    assert turned["yaw"] < view["yaw"]
    assert turned["pitch"] > view["pitch"]
    assert np.linalg.norm(place(page, LEFT_WRIST) - before) > 10
    np.testing.assert_allclose(place(page, LEFT_WRIST), expected_place(page, point), atol=1e-3)

    before = place(page, LEFT_WRIST)
    drag(page, start, (40, -30), "right")  # what is as far as the focus goes with the mouse
    moved = place(page, LEFT_WRIST) - before
    assert 20 < moved[0] < 60
    assert -50 < moved[1] < -15
    np.testing.assert_allclose(place(page, LEFT_WRIST), expected_place(page, point), atol=1e-3)

    apart = np.linalg.norm(place(page, LEFT_WRIST) - place(page, LEFT_ANKLE))
    zoomed_from = page.evaluate("viewer.view.distance")
    page.mouse.wheel(0, -200)
    until(page, f"viewer.view.distance < 0.9 * {zoomed_from}")
    assert np.linalg.norm(place(page, LEFT_WRIST) - place(page, LEFT_ANKLE)) > 1.1 * apart

    page.click("#reset")
    settle(page)
    again = page.evaluate("viewer.view")
    assert {key: again[key] for key in ("yaw", "pitch", "distance")} == {
        key: view[key] for key in ("yaw", "pitch", "distance")
    }


def test_two_fingers_zoom_and_one_turns(opened: Any) -> None:
    page = opened(video(), **SCREENS["phone"])
    x, y = centre(page, "#stage")
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": px, "y": py, "id": index} for index, (px, py) in enumerate(points)]},
        )

    before = page.evaluate("viewer.view")
    send("touchStart", (x - 30, y), (x + 30, y))
    send("touchMove", (x - 60, y), (x + 60, y))
    send("touchEnd")
    pinched = page.evaluate("viewer.view")
    assert pinched["distance"] == pytest.approx(before["distance"] / 2, rel=0.05)
    assert pinched["yaw"] == before["yaw"]
    send("touchStart", (x, y))
    send("touchMove", (x + 50, y))
    send("touchEnd")
    assert page.evaluate("viewer.view.yaw") == pytest.approx(before["yaw"] - 0.008 * 50)


def test_the_scrub_bar_the_plot_and_the_keys_set_the_frame(opened: Any) -> None:
    page = opened(video())

    def frame() -> int:
        return page.evaluate("viewer.frame")

    before = place(page, NOSE)
    box = page.locator("#scrub").bounding_box()
    page.mouse.click(box["x"] + 8 + (box["width"] - 16) * 14 / (FRAMES - 1), box["y"] + box["height"] / 2)
    assert frame() == 14
    settle(page)
    assert place(page, NOSE)[0] > before[0] + 5  # the person has gone to the right
    assert page.locator("#time").text_content() == f"14 / {FRAMES - 1}  ·  {14 / RATE:.2f} s"
    box = page.locator("#plot").bounding_box()
    page.mouse.click(box["x"] + 8 + (box["width"] - 16) * 7 / (FRAMES - 1), box["y"] + 30)
    assert frame() == 7
    for key, expected in {"ArrowRight": 8, "ArrowLeft": 7, "End": FRAMES - 1, "Home": 0}.items():
        page.keyboard.press(key)
        assert frame() == expected, key
    page.click("#forward")
    page.click("#forward")
    page.click("#back")
    assert frame() == 1
    settle(page)
    assert page.locator("#scrub").input_value() == "1"


def test_play_advances_loops_and_ends(opened: Any) -> None:
    page = opened(video())
    page.click("#play")
    until(page, "viewer.frame >= 3")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    until(page, f"viewer.frame >= {FRAMES - 4}")
    until(page, "viewer.frame <= 5")  # and again from the start
    page.keyboard.press(" ")  # the button has the focus, which the space bar presses
    assert not page.evaluate("viewer.playing")
    settle(page)
    stopped = page.evaluate("viewer.frame")
    page.wait_for_timeout(100)
    assert page.evaluate("viewer.frame") == stopped

    page.click("#loop")
    page.select_option("#speed", "0.5")
    page.evaluate(f"viewer.frame = {FRAMES - 7}")
    seconds = page.evaluate(
        """() => new Promise(done => {
             const start = performance.now();
             const look = () => viewer.playing ? requestAnimationFrame(look) : done((performance.now() - start) / 1000);
             viewer.play();
             look();
           })"""
    )
    assert page.evaluate("viewer.frame") == FRAMES - 1
    assert 0.9 * 7 / RATE / 0.5 < seconds < 3  # half as fast as the video, and a busy machine may stall


def test_truth_over_beside_and_hidden(opened: Any) -> None:
    scene = video()
    page = opened(scene)
    grey = "#7b8594"
    over = share(pixels(page, "#stage"), grey)
    assert over > 0
    page.select_option("#truth", "hidden")
    settle(page)
    assert share(pixels(page, "#stage"), grey, 3) < over / 10
    page.select_option("#truth", "beside")
    settle(page)
    box = page.locator("#stage").bounding_box()
    predicted, true = place(page, LEFT_WRIST), place(page, LEFT_WRIST, kind="truth")
    middle = box["x"] + box["width"] / 2
    assert predicted[0] < middle < true[0]
    image = pixels(page, "#stage")
    half = image.shape[1] // 2
    assert share(image[:, :half], LEFT) > 0.001
    assert share(image[:, half:], LEFT) > 0.001


def test_errors_are_those_of_numpy_and_colour_the_joints(opened: Any) -> None:
    scene = video()
    (person,) = scene.people
    page = opened(scene)
    errors = 1000 * np.linalg.norm(person.positions - person.truth, axis=-1)
    for frame in (0, 3, 6):  # all joints are known; one of the truth is not; one of the prediction is not
        page.evaluate(f"viewer.frame = {frame}")
        assert page.evaluate("viewer.error(0)") == pytest.approx(np.nanmean(errors[frame]), rel=1e-4)
    assert page.locator("#scale").is_hidden()
    page.select_option("#colour", "error")
    settle(page)
    assert page.locator("#scale").is_visible()
    assert page.locator("#scale-end").text_content() == "100 mm"  # 2 x 30 mm, rounded up
    image = pixels(page, "#stage")
    assert share(image, LEFT) < 1e-4
    assert share(image, RIGHT) < 1e-4
    page.mouse.move(*place(page, LEFT_WRIST))
    settle(page)
    assert share(pixels(page, "#stage"), "#ffffff") != share(image, "#ffffff")  # the name of the joint is shown


def test_joints_without_a_truth_are_said_to_be_grey(opened: Any) -> None:
    scene = video()
    (person,) = scene.people
    truth = person.truth.copy()
    truth[:, LEFT_WRIST] = np.nan
    page = opened(dataclasses.replace(scene, people=[dataclasses.replace(person, truth=truth)]))
    page.select_option("#colour", "error")
    assert page.locator("#scale-end").text_content().endswith(" mm; grey: no truth")
    assert page.evaluate("judged") == len(person.skeleton.joint_names) - 1


def test_the_picture_of_the_frame_with_the_keypoints_over_it(opened: Any) -> None:
    scene = video()
    page = opened(scene)
    keypoints = scene.people[0].keypoints_2d
    # of 22 frames with pictures at 0, 4, ..., 20 the nearest picture is shown
    for frame, picture in {0: 0, 1: 0, 3: 1, 4: 1, 13: 3, 21: 5}.items():
        page.evaluate(f"viewer.frame = {frame}")
        colour = "#{:02x}{:02x}{:02x}".format(*COLOURS[picture])
        for _ in range(20):  # it is decoded aside
            settle(page)
            image = pixels(page, "#video")
            if share(image, colour) > 0.3:
                break
        height, width = image.shape[:2]
        scale = min(width / 600, height / 1000)
        shown = image[:, round((width - 600 * scale) / 2) :]
        assert share(image, colour) > 0.3, frame
        for wrist, side in ((LEFT_WRIST, LEFT), (RIGHT_WRIST, RIGHT)):
            x, y = np.round(scale * keypoints[frame, wrist, :2]).astype(int)
            assert share(shown[y - 6 : y + 6, x - 6 : x + 6], side, 60) > 0.05, (frame, side)


def test_keypoints_that_are_not_known_are_not_drawn(opened: Any) -> None:
    scene = video()
    page = opened(scene)
    x, y = scene.people[0].keypoints_2d[2, LEFT_WRIST, :2]
    page.evaluate("viewer.frame = 2")
    settle(page)
    image = pixels(page, "#video")
    scale = image.shape[0] / 1000
    column = round((image.shape[1] - 600 * scale) / 2 + scale * x)
    assert share(image[round(scale * y) - 5 : round(scale * y) + 5, column - 5 : column + 5], LEFT, 60) == 0
    assert page.evaluate(f"viewer.project(0, {RIGHT_WRIST})") is not None
    page.evaluate("viewer.frame = 6")
    assert page.evaluate(f"viewer.project(0, {RIGHT_WRIST})") is None


def test_several_people_with_names_of_strangers(opened: Any) -> None:
    page = opened(two_people())
    assert page.evaluate("window.hacked") is None
    labels = page.locator("#legend label")
    assert labels.count() == 2
    assert labels.nth(1).text_content() == "Grace"
    assert labels.nth(0).text_content().startswith("</script><script>window.hacked")
    seen = []
    for frame in (1, 2, 9, 10, 13, 14, 19, 20):  # Grace is there from 2 to 9 and from 14 to 19
        page.evaluate(f"viewer.frame = {frame}")
        seen.append(page.evaluate("[1, 2].map(index => viewer.project(index, 0) !== null)"))
    assert np.array(seen).any(-1).tolist() == [False, True, True, False, False, True, True, False]

    page.evaluate("viewer.frame = 5")
    settle(page)
    both = pixels(page, "#stage")
    assert share(both, "#009e73") > 0
    assert share(both, "#cc79a7") > 0
    labels.nth(1).locator("input").uncheck()
    settle(page)
    one = pixels(page, "#stage")
    # what is left of the second colour is the swatch in the legend
    assert share(one, "#009e73") > 0.5 * share(both, "#009e73")
    assert share(one[:-60], "#cc79a7", 2) == 0


def test_who_is_followed_stays_in_the_middle(opened: Any) -> None:
    page = opened(two_people())
    page.evaluate("viewer.frame = 2")
    page.select_option("#follow", "Grace")
    settle(page)
    root = as_skeleton("h36m17").root
    first = place(page, root, person=1)
    assert first[0] == pytest.approx(centre(page, "#stage")[0], abs=1)
    page.evaluate("viewer.frame = 9")
    np.testing.assert_allclose(place(page, root, person=1), first, atol=1e-3)
    nose = place(page, NOSE)
    page.evaluate("viewer.frame = 11")  # Grace is gone: the view stays, the other one goes on
    assert page.evaluate("viewer.view.focus[0]") == pytest.approx(0.5 - 0.35, abs=0.01)
    assert place(page, NOSE)[0] != nose[0]


def test_the_policy_stops_requests_and_foreign_programs(browser: Any, tmp_path: Path) -> None:
    write_viewer(tmp_path / "viewer.html", two_people())
    page = browser.new_context().new_page()
    page.goto((tmp_path / "viewer.html").as_uri())
    assert page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)") == "TypeError"
    refused = page.evaluate(
        """() => new Promise(done => {
             document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
             const script = document.createElement("script");
             script.textContent = "window.hacked = 1";
             document.body.append(script);
           })"""
    )
    assert refused == "script-src-elem"
    assert page.evaluate("window.hacked") is None
    page.context.close()


def test_the_scene_is_fitted_to_the_window_until_it_is_turned(opened: Any) -> None:
    page = opened(video())
    distance = page.evaluate("viewer.view.distance")
    page.set_viewport_size({"width": 420, "height": 900})
    until(page, f"viewer.view.distance !== {distance}")
    box = page.locator("#stage").bounding_box()
    for joint in (NOSE, LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE):
        assert box["x"] < place(page, joint)[0] < box["x"] + box["width"]
    drag(page, centre(page, "#stage"), (30, 0))
    turned = page.evaluate("viewer.view")
    page.set_viewport_size({"width": 1000, "height": 700})
    settle(page)
    assert page.evaluate("viewer.view") == turned


def test_a_circle_around_a_joint_is_as_large_as_its_deviation(opened: Any) -> None:
    page = opened(told())
    option = page.locator("#deviations")
    assert option.is_checked()
    page.evaluate("viewer.frame = 3")
    settle(page)
    drawn = pixels(page, "#stage")
    option.click()
    settle(page)
    without = pixels(page, "#stage")
    rows, columns = np.nonzero(np.abs(drawn - without).max(-1) > 3)
    box = page.locator("#stage").bounding_box()
    wrist = place(page, LEFT_WRIST) - (box["x"], box["y"])
    middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    assert np.abs(middle - wrist).max() < 2
    view = page.evaluate("viewer.view")
    (sin, cos), (up, ahead) = ((np.sin(view[name]), np.cos(view[name])) for name in ("yaw", "pitch"))
    depth = view["distance"] + (moving()[3, LEFT_WRIST] - view["focus"]) @ (-sin * ahead, cos * ahead, -up)
    radius = 0.3 * 1.5 * min(box["width"], box["height"]) / depth
    for extent in (np.ptp(columns), np.ptp(rows)):
        assert extent / 2 == pytest.approx(radius, abs=1.5)
    option.click()
    page.evaluate(f"viewer.frame = {FRAMES - 1}")
    settle(page)
    later = pixels(page, "#stage")
    option.click()
    settle(page)
    assert np.array_equal(later, pixels(page, "#stage")), "nothing is told there"
    assert opened(two_people()).locator("#deviations-option").is_hidden()
