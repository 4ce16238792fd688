"""The pages of recordings in a real browser: what people click, what they see and hear."""

import dataclasses
import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.applications import Starlette

from opentr_pipeline.audio.probe import Probe
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.pages.copies import copy_with_media
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.search.site_index import SiteIndex
from opentr_pipeline.services.listening import listen
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.site.server import pages_routes
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.accessibility import violations
from opentr_pipeline_tests.conftest import RecordProperty, wait_for
from opentr_pipeline_tests.making import recording, settings_of, transcript, wav
from opentr_pipeline_tests.speakers.voices import conversation

pytestmark = pytest.mark.slow
RATE_HZ = 8000
LONG_S = 5 * 3600
# Words of a second each, one after the other, a segment of ten and then two seconds of silence.
NUM_WORDS = 10
PERIOD_S = 12.0


def spoken(num_segments: int, **facts: object) -> Transcript:
    """Words that tell their second; each third is doubtful, each fifth segment flagged."""
    segments = []
    for number in range(num_segments):
        start_s = number * PERIOD_S
        words = tuple(
            Word(
                f" at{start_s + at:.0f}", start_s + at, start_s + at + 1.0, 0.3 if at == 3 else 0.9
            )
            for at in range(NUM_WORDS)
        )
        text = "".join(word.text for word in words).strip()
        logprob = -1.5 if number % 5 == 4 else -0.2
        end_s = start_s + NUM_WORDS
        segments.append(Segment(start_s, end_s, text, logprob, 0.1, 1.5, words, language="en"))
    return transcript(segments=tuple(segments), duration_s=num_segments * PERIOD_S, **facts)


def silence(path: Path, seconds: int) -> None:
    """FLAC, which makes next to nothing of hours of silence."""
    samples = np.zeros((1, RATE_HZ * 60), "int16")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono")
        for _ in range(seconds // 60):
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def film(path: Path, seconds: int) -> None:
    """Half grey, half yellow pictures with silence beside them, WebM."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libvpx", rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("libopus", rate=48_000, layout="mono")
        picture = np.full((120, 160, 3), 90, "uint8")
        picture[:, 80:] = (250, 230, 40)
        for _ in range(seconds * 5):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for _ in range(seconds * 50):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 960), "int16"), format="s16", layout="mono"
            )
            frame.sample_rate = 48_000
            container.mux(sound.encode(frame))
        for stream in (pictures, sound):
            container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A tape, a film, five hours of a meeting, a text with Arabic in it, and what does not play."""
    folder = tmp_path_factory.mktemp("pages")
    made = settings_of(ARCHIVE_DIR=folder / "archive", OUTPUT_DIR=folder / "output")
    wav(made.workspace.archive / "tape.wav", 60.0)
    silence(made.workspace.archive / "meeting.flac", LONG_S)
    film(made.workspace.archive / "film.webm", 24)
    (made.workspace.archive / "old.wma").write_bytes(b"no browser plays that")
    arabic = Segment(0.0, 2.0, "مرحبا بالعالم", -0.2, 0.1, 1.5, language="ar")
    outcomes = {
        "tape.wav": spoken(5, peaks=tuple(range(0, 250, 2))),
        "meeting.flac": spoken(LONG_S // int(PERIOD_S)),
        "film.webm": spoken(2),
        "old.wma": transcript(segments=(arabic,), language="ar", duration_s=2.0),
    }
    wav(made.workspace.archive / "talk.wav", 24.0)
    talk = conversation("talk", "001012", dict.fromkeys(range(3), ()))
    anna = dataclasses.replace(talk.voices[0], person_id="1", name="Anna Rossi")
    outcomes["talk.wav"] = dataclasses.replace(talk, voices=(anna, *talk.voices[1:]))
    store = TranscriptStore(made.workspace.output)
    store.publish(
        "@root",
        [Entry(recording(path).recording_id, path, one) for path, one in outcomes.items()],
    )
    rows = [recording(path, partition_key="@root") for path in outcomes]
    has_video = Probe(has_video=True)
    store.write_recordings(
        "@root",
        [
            dataclasses.replace(one, probe=has_video) if "film" in one.media_file.path else one
            for one in rows
        ],
    )
    pages = Pages(made)
    index = SiteIndex(store, pages.root)
    pages.write("@root")
    index.write("@root")
    index.write_volumes()
    pages.write_home()
    pages.write_posters(["@root"])
    return made


@pytest.fixture
def opened(browser: Browser, settings: Settings) -> Iterator[Callable[..., Page]]:
    """Opens the page of a recording from the disk; no script of a page may fail."""
    problems: list[str] = []
    contexts = []

    def open_page(name: str, fragment: str = "", **how: object) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 800}, **how))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        path = settings.workspace.output / "pages" / "recordings" / f"{name}.html"
        page.goto(path.as_uri() + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def at_s(page: Page) -> float:
    """Where the player is."""
    return float(page.evaluate("media.currentTime"))


def wait_until_at(page: Page, seconds: float) -> None:
    """Wait until a player that stands does so at some time."""
    page.wait_for_function("at => Math.abs(media.currentTime - at) < 0.1", arg=seconds)


def pause_at(page: Page, seconds: float) -> None:
    """Wait until a player that plays has come to some time, and stop it there."""
    page.wait_for_function("at => media.currentTime >= at && (media.pause(), true)", arg=seconds)


def now(page: Page) -> Locator:
    return page.locator(".said > .now")


def word(page: Page, text: str) -> Locator:
    return page.locator(".said > span").get_by_text(text, exact=True)


def is_seen(page: Page, found: Locator) -> bool:
    """Whether something is in the window, below the player."""
    box, player = found.bounding_box(), page.locator(".player").bounding_box()
    assert box
    assert player
    return player["y"] + player["height"] <= box["y"] and box["y"] + box["height"] <= 800


# The words that are marked, one after the other, however late somebody looks.
REMEMBER_MARKS = """() => {
    window.marks = [];
    new MutationObserver(() => {
        const text = document.querySelector(".said > .now")?.textContent;
        if (text && text !== window.marks.at(-1)) window.marks.push(text);
    }).observe(document.getElementById("transcript"), { attributes: true, subtree: true });
}"""


def test_a_word_that_is_clicked_is_played_and_the_mark_follows(
    opened: Callable[..., Page],
) -> None:
    page = opened("tape.wav")
    page.evaluate(REMEMBER_MARKS)
    word(page, "at27").click()
    page.wait_for_function("window.marks.at(-1) === 'at29'")
    page.evaluate("media.pause()")
    assert page.evaluate("window.marks")[:3] == ["at27", "at28", "at29"]
    expect(page.locator(".segment.current .time")).to_have_text("0:24")


def test_nothing_is_marked_where_nobody_speaks(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav", "#t=9.2")
    expect(now(page)).to_have_text("at9")
    page.evaluate("jump(11.5)")
    expect(now(page)).to_have_count(0)


def test_an_address_with_a_time_leads_there(opened: Callable[..., Page]) -> None:
    page = opened("meeting.flac", "#t=12004.5")
    expect(now(page)).to_have_text("at12004")
    wait_for(lambda: is_seen(page, now(page)), 30)
    page.locator(".time", has_text=re.compile("^3:20:12$")).click()
    pause_at(page, 12_012.0)
    assert at_s(page) < 12_100.0


def test_keys_work_the_player(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav", "#t=23")
    wait_until_at(page, 23.0)
    page.keyboard.press("ArrowRight")
    wait_until_at(page, 28.0)
    page.keyboard.press("ArrowLeft")
    wait_until_at(page, 23.0)
    page.keyboard.press("n")
    wait_until_at(page, 24.0)
    page.keyboard.press("p")
    wait_until_at(page, 12.0)
    page.keyboard.press("d")
    expect(now(page)).to_have_text("at15")
    page.keyboard.press("d")
    page.keyboard.press("Shift+D")
    expect(now(page)).to_have_text("at15")
    page.keyboard.press(".")
    assert page.evaluate("media.playbackRate") == 1.25
    page.keyboard.press(" ")
    page.wait_for_function("!media.paused")
    page.keyboard.press(" ")
    page.wait_for_function("media.paused")


def test_keys_can_be_switched_off_and_are_letters_where_one_types(
    opened: Callable[..., Page],
) -> None:
    page = opened("tape.wav", "#t=20")
    page.keyboard.press("/")
    page.keyboard.type("nd")
    expect(page.get_by_label("Search")).to_have_value("nd")
    page.keyboard.press("Escape")
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Keys do this").uncheck()
    page.locator("h1").click()
    page.keyboard.press("n")
    assert at_s(page) == 20.0


def test_search_counts_the_places_and_leads_to_them(opened: Callable[..., Page]) -> None:
    page = opened("meeting.flac")
    page.get_by_label("Search").fill("AT1700")
    expect(page.locator("#found")).to_have_text("1 of 9")  # at1700, at17000 ... at17009
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("2 of 9")
    wait_for(lambda: is_seen(page, word(page, "at17000")), 30)
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#found")).to_have_text("9 of 9")
    page.get_by_label("Search").fill("at5 at6")  # over the border of words
    expect(page.locator("#found")).to_have_text("1 of 1")
    page.get_by_label("Search").fill("nowhere")
    expect(page.locator("#found")).to_have_text("not found")
    assert at_s(page) == 0.0


def test_doubtful_words_and_flagged_segments_are_marked(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav")
    expect(word(page, "at3")).to_have_attribute("title", "30% certain")
    expect(page.locator(".flagged")).to_have_count(1)
    expect(page.locator(".flagged .flag")).to_have_text("low confidence")
    doubt = page.get_by_role("button", name="Next doubt 5")
    seen = []
    for _ in range(5):
        doubt.click()
        seen.append(at_s(page))
    assert seen == [3.0, 15.0, 27.0, 39.0, 48.0]


def test_five_hours_follow_what_is_said(
    opened: Callable[..., Page], record_property: RecordProperty
) -> None:
    page = opened("meeting.flac")
    assert page.locator(".said > span").count() == LONG_S / PERIOD_S * NUM_WORDS
    for second in (17_990, 5, 9_001):
        page.evaluate(f"jump({second})")
        expect(now(page)).to_have_text(f"at{second}")
        wait_for(lambda: is_seen(page, now(page)), 30)
    page.evaluate("play()")
    frames_ms = page.evaluate(
        """() => new Promise((done) => {
            const at = [];
            const look = (ms) => {
                at.push(ms);
                if (ms < at[0] + 4000) requestAnimationFrame(look);
                else done(at.slice(1).map((ms, number) => ms - at[number]));
            };
            requestAnimationFrame(look);
        })"""
    )
    record_property(
        "figures",
        f"a page of five hours while it plays: frames of {np.median(frames_ms):.0f} ms (median), "
        f"{np.quantile(frames_ms, 0.99):.0f} ms (99 %)",
    )
    pause_at(page, 9_004.0)
    wait_for(lambda: is_seen(page, now(page)), 30)


def test_who_scrolls_while_it_plays_is_left_alone_until_he_comes_back(
    opened: Callable[..., Page],
) -> None:
    page = opened("meeting.flac", "#t=600")
    page.evaluate("play()")
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 5000)
    back = page.get_by_role("button", name="Back to what is said")
    expect(back).to_be_visible()
    pause_at(page, 602.0)
    page.evaluate("jump(606), follow(false)")
    page.mouse.wheel(0, 5000)
    expect(now(page)).to_have_text("at606")
    wait_for(lambda: not is_seen(page, now(page)), 30)
    page.evaluate("follow(false)")
    back.click()
    expect(back).to_be_hidden()
    wait_for(lambda: is_seen(page, now(page)), 30)


def test_the_strip_leads_to_a_time(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav")
    strip = page.locator(".strip")
    box = strip.bounding_box()
    assert box
    page.wait_for_function("media.readyState >= 1")
    strip.click(position={"x": box["width"] / 2, "y": 5})
    page.wait_for_function("Math.abs(media.currentTime - 30) < 0.5")


def test_the_sound_is_drawn_and_keys_go_through_it(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav", "#t=20")
    wait_until_at(page, 20.0)
    slider = page.get_by_role("slider", name="Position")
    bars = page.locator(".strip").evaluate(
        "node => [...node.querySelectorAll('path')].map((path) => path.getBBox().height)"
    )
    other, speech, doubts = bars
    assert 12 < doubts <= speech < other == 24.0  # it grows louder, and nobody speaks at the end
    slider.focus()
    for key, second in (
        ("ArrowRight", 25), ("ArrowDown", 20), ("PageUp", 60), ("Home", 0), ("End", 60),
    ):  # fmt: skip
        slider.press(key)
        wait_until_at(page, float(second))
        expect(slider).to_have_attribute("aria-valuenow", str(second))
    expect(slider).to_have_attribute("aria-valuetext", "1:00")
    assert page.evaluate("scrollY") == 0
    page.emulate_media(media="print")
    expect(slider).to_be_hidden()


def test_a_browser_takes_the_captions_of_a_film(
    opened: Callable[..., Page], settings: Settings
) -> None:
    page = opened("film.webm")
    page.wait_for_function("media.readyState >= 1 && media.textTracks[0].cues?.length")
    shown = page.evaluate(
        "[...media.textTracks[0].cues].map((cue) => [cue.startTime, cue.endTime, cue.text])"
    )
    document = Document("film.webm", spoken(2), settings)
    assert [text.split() for _, _, text in shown] == [
        [text for line in cue.lines for text in line.split()] for cue in document.cues
    ]
    assert [(start, end) for start, end, _ in shown] == [
        (cue.start_ms / 1000, cue.end_ms / 1000) for cue in document.cues
    ]
    assert page.evaluate("media.textTracks[0].mode") == "showing"
    page.wait_for_function(
        """() => {
            const picture = Object.assign(new Image(), { src: media.poster });
            return picture.decode().then(() => picture.naturalWidth === 160);
        }"""
    )
    page.evaluate(REMEMBER_MARKS)
    word(page, "at13").click()
    page.wait_for_function("window.marks.length > 0")
    assert page.evaluate("window.marks")[0] == "at13"


def test_a_browser_takes_our_webvtt_as_a_file(
    browser: Browser, served: str, settings: Settings
) -> None:
    """The file that ``opentr export`` writes, beside the film, as any web page would name it."""
    odd = transcript(text="<b>bold</b> & {x} --> 00:01. two lines")
    folder = settings.workspace.output / "pages"
    (folder / "odd.vtt").write_bytes(FORMATS["vtt"](Document("film.webm", odd, settings)))
    (folder / "odd.html").write_text(
        "<video src='media/film.webm'><track default src='odd.vtt'></video>"
    )
    page = browser.new_page()
    page.goto(f"{served}/odd.html")
    page.wait_for_function("document.querySelector('track').readyState === 2")
    cues = page.evaluate(
        "[...document.querySelector('track').track.cues]"
        ".map((cue) => cue.getCueAsHTML().textContent)"
    )
    page.close()
    assert " ".join(cues).split() == odd.text.split()


def test_media_that_no_browser_plays_are_a_link_and_the_text_stays(
    opened: Callable[..., Page],
) -> None:
    page = opened("old.wma")
    expect(page.get_by_role("alert")).to_contain_text("cannot play")
    link = page.get_by_role("link", name="Open the file itself")
    assert link.evaluate("node => new URL(node.href).pathname").endswith(".wma")
    said = page.locator(".said")
    expect(said).to_have_attribute("lang", "ar")
    assert said.evaluate("node => getComputedStyle(node).direction") == "rtl"


COLOURS = """() => {
    const shades = (css) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        canvas.fillStyle = css;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const paper = shades(getComputedStyle(document.body).backgroundColor);
    const texts = "h1, .facts li, .facts b, .time, .said, .flag, .bar a, footer, label, summary";
    return [...document.querySelectorAll(texts)].map((node) => (
        [node.className || node.tagName, shades(getComputedStyle(node).color), paper]));
}"""


def luminance(shades: list[int]) -> float:
    """Source: WCAG 2.2, relative luminance."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (shade / 255 for shade in shades)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_contrast(opened: Callable[..., Page], scheme: str) -> None:
    page = opened("tape.wav", color_scheme=scheme)
    found = page.evaluate(COLOURS)
    assert len(found) > 20
    for name, ink, paper in found:
        brighter, darker = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5, f"{name}: {ink} on {paper}"
    (paper,) = {tuple(paper) for _, _, paper in found}
    assert (paper[0] > 128) is (scheme == "light")


def test_a_page_has_landmarks_and_names(opened: Callable[..., Page]) -> None:
    page = opened("tape.wav")
    for role, name in (
        ("navigation", "Archive"),
        ("region", "Player"),
        ("article", "Transcript"),
    ):
        expect(page.get_by_role(role, name=name)).to_have_count(1)  # type: ignore[arg-type]
    for role in ("main", "search", "contentinfo", "banner"):
        expect(page.get_by_role(role)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("heading", level=1)).to_have_text("Tape")
    expect(page.get_by_role("searchbox", name="Search")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()


def test_a_narrow_window_scrolls_in_one_direction(opened: Callable[..., Page]) -> None:
    for name in ("tape.wav", "film.webm"):
        page = opened(name)
        page.set_viewport_size({"width": 360, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[str]:
    """The address of the pages as ``opentr pages --serve`` serves them."""
    output = settings.workspace.output
    app = Starlette(routes=pages_routes(output / "pages", settings.workspace.archive))
    listening = listen(0)
    assert listening
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/pages"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def copied(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages with their media in a folder, as ``opentr pages --with-media`` makes it."""
    folder = tmp_path_factory.mktemp("stick")
    copy_with_media(settings.workspace.output / "pages", settings.workspace.archive, folder)
    return folder


@pytest.fixture(scope="module")
def without_ranges(copied: Path) -> Iterator[str]:
    """The address of the same behind a server that sends files as a whole."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(copied))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_copy_plays_from_a_disk_and_says_where_a_server_cannot_go_to_a_time(
    browser: Browser, copied: Path, without_ranges: str
) -> None:
    page = browser.new_page()
    address = f"{copied.as_uri()}/recordings/tape.wav.html"
    for place, is_there in ((address, True), (f"{without_ranges}/recordings/tape.wav.html", False)):
        page.goto(f"{place}#t=30")
        page.wait_for_function("media.readyState >= 1 && !media.seeking")
        expect(page.get_by_role("alert").filter(has_text="byte ranges")).to_have_count(1 - is_there)
        assert (at_s(page) == 30.0) is is_there
    page.close()


def test_pages_work_behind_a_web_server(browser: Browser, served: str) -> None:
    page = browser.new_page(bypass_csp=True)  # what the test itself asks is no script of the site
    page.goto(f"{served}/")
    page.get_by_role("link", name="Meeting").click()
    page.evaluate(REMEMBER_MARKS)
    word(page, "at14400").click()
    page.wait_for_function("window.marks.includes('at14402')")
    assert page.evaluate("window.marks")[:2] == ["at14400", "at14401"]
    assert page.evaluate("location.hash") == "#t=14400"
    page.evaluate("media.pause()")  # else it scrolls after what is said, under the mouse
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Old")
    page.close()


# What the style sheet says of two colours, by WCAG 2: relative luminance, then the contrast.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const shown = document.createElement("bdi");
  shown.className = "name";
  document.body.append(shown);
  return [...Array(8).keys()].map((number) => {
    shown.className = `name voice-${number}`;
    const name = light(getComputedStyle(shown).color);
    return (Math.max(name, paper) + 0.05) / (Math.min(name, paper) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_speakers_have_names_colours_and_turns(opened: Callable[..., Page], scheme: str) -> None:
    page = opened("talk.wav", color_scheme=scheme)
    expect(page.locator(".segment > .name")).to_have_text(
        ["Anna Rossi", "SPEAKER_01", "Anna Rossi", "SPEAKER_01", "SPEAKER_02"]
    )
    buttons = page.locator(".speakers button")
    expect(buttons).to_have_text(["Anna Rossi 0:12", "SPEAKER_01 0:08", "SPEAKER_02 0:04"])
    second = buttons.nth(1)
    for start_s in (8.0, 16.0, 8.0):  # after the last turn comes the first
        second.click()
        wait_for(lambda at=start_s: abs(at_s(page) - at) < 0.1, 5)
        expect(second).to_have_class(re.compile("speaking"))
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("s")
    wait_for(lambda: abs(at_s(page) - 16.0) < 0.1, 5)
    assert min(page.evaluate(CONTRASTS)) >= 4.5
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_links_and_quotes_say_where_they_are_from(
    browser: Browser, served: str, settings: Settings
) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    address = f"{served}/recordings/talk.wav.html"
    page.goto(f"{address}#t=9.5")
    wait_until_at(page, 9.5)

    def copied(name: str) -> str:
        page.get_by_role("button", name=name).click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        return str(page.evaluate("navigator.clipboard.readText()"))

    assert copied("Copy link") == f"{address}#t=9.5"
    quote = copied("Copy quote").splitlines()
    start_s = page.evaluate("quotedWords()[0].at")
    assert quote[1] == ("SPEAKER_01, Talk, archive, 0:08. Transcribed by a machine (Whisper base).")
    assert quote[2] == f"{address}#t={start_s:g}"
    assert quote[0] == f"“{page.locator('.said').nth(2).inner_text()}”"
    page.evaluate(
        """() => {
            const nodes = document.querySelectorAll(".said")[0].children;
            getSelection().setBaseAndExtent(nodes[1].firstChild, 0, nodes[2].firstChild, 2);
        }"""
    )
    words = [page.locator(".said").first.locator("span").nth(n).inner_text() for n in (1, 2)]
    assert copied("Copy quote").splitlines()[0] == f"“{' '.join(words)}”"
    page.get_by_label("Speed").select_option("1.5")
    assert page.evaluate("media.playbackRate") == 1.5
    page.get_by_text("Download", exact=True).click()
    links = page.locator(".downloads a")
    expect(links).to_have_text(["SRT", "VTT", "TXT", "DOCX", "PDF"])
    with page.expect_download() as download:
        links.first.click()
    assert download.value.suggested_filename == "talk.wav.srt"
    document = download.value.path().read_text()
    assert "Anna Rossi:" in document
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser: Browser, settings: Settings, scheme: str) -> None:
    root = settings.workspace.output / "pages"
    pages = ["index.html#query=at3", "partitions/@root/1.html"]
    names = ("tape.wav", "talk.wav", "film.webm", "old.wma")
    pages += [f"recordings/{name}.html" for name in names]
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    found = {}
    for name in pages:
        for width in (1200, 360):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"{root.as_uri()}/{name}")
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            if "query" in name:
                expect(page.locator("#hits mark")).not_to_have_count(0)
            if violated := violations(page):
                found[f"{name} {width}"] = violated
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    context.close()
    assert found == {}
