"""Correcting on the served pages: what is refused, and two people in their browsers at once."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.testclient import TestClient

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.services.listening import listen
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.site.correcting import routes_of
from opentr_pipeline.site.renewing import renew
from opentr_pipeline.site.server import application, pages_routes
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline_tests.accessibility import violations
from opentr_pipeline_tests.making import recording, settings_of, transcript, wav

PATH = "tape.wav"
TEXT = "we went to ferara. it was a fine day. and so say all of us"
RELOADED = f"sessionStorage.getItem('opentr-reloaded {PATH}') ?? ''"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = settings_of(
        ARCHIVE_DIR=tmp_path / "archive", OUTPUT_DIR=tmp_path / "output", PAGES_CORRECT="true"
    )
    wav(tmp_path / "archive" / PATH, 20.0)
    store = TranscriptStore(made.workspace.output)
    store.publish("@root", [Entry(recording(PATH).recording_id, PATH, transcript(text=TEXT))])
    store.write_recordings("@root", [recording(PATH, partition_key="@root")])
    Pages(made).write("@root")
    return made


def published(settings: Settings) -> Transcript:
    tables = TranscriptStore(settings.workspace.output).read_together("@root")
    return transcript_of(tables, recording(PATH).recording_id)


def test_corrections_are_kept_by_version_and_anything_else_is_refused(settings: Settings) -> None:
    root, archive = settings.workspace.output / "pages", settings.workspace.archive
    client = TestClient(application(root, archive, routes_of(settings)))
    told = client.get("/corrections", params={"path": PATH}).json()
    assert len(told["phrases"]) == 3
    same = {"path": PATH, "version": told["version"]}
    assert client.get("/corrections", params=same).status_code == 204
    said = {"path": PATH, "start_s": 0.0, "was": "we went to ferara", "who": "anna"}
    kept = client.post("/corrections", json={**said, "text": "We went to Ferrara."})
    assert kept.status_code == 200
    assert kept.json()["phrases"][0]["words"][3][0] == " Ferrara."
    assert "Ferrara" in (root / "recordings/tape.wav.html").read_text()
    late = client.post("/corrections", json={**said, "text": "we went to Parma"})
    assert (late.status_code, "meanwhile" in late.json()["problem"]) == (409, True)
    assert client.get("/corrections", params={"path": "no.wav"}).status_code == 404
    assert client.post("/corrections", json={"path": PATH}).status_code == 400
    plain = client.post("/corrections", content="{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    assert "class Editor" in client.get("/recording.js").text
    assert published(settings).text.startswith("We went to Ferrara. it")


def client_of(settings: Settings) -> TestClient:
    root, archive = settings.workspace.output / "pages", settings.workspace.archive
    return TestClient(application(root, archive, routes_of(settings)))


def test_what_visitors_look_for_is_checked_first_and_who_is_at_it_is_seen(
    settings: Settings,
) -> None:
    client = client_of(settings)
    assert client.get("/queue").text.index("ferara") < client.get("/queue").text.index("fine day")
    for text in ("Day", "a day, fine", "x" * 99):
        assert client.post("/sought", json={"text": text}).status_code == 204
    kept = json.loads((settings.workspace.output / ".store/sought.json").read_text())
    assert kept == {"day": 2, "a": 1, "fine": 1}
    client = client_of(settings)
    page = client.get("/queue").text
    assert page.index("fine day") < page.index("ferara")
    assert "looked for: <bdi>day, a, fine</bdi>" in page
    anna, berta = ({"path": PATH, "who": who} for who in ("anna", "berta"))
    assert client.post("/queue/take", json=anna).status_code == 200
    refused = client.post("/queue/take", json=berta)
    assert (refused.status_code, refused.json()["who"]) == (409, "anna")
    client.post("/queue/leave", json=berta)
    assert client.get("/corrections", params={"path": PATH}).json()["taken"]["who"] == "anna"
    assert "<bdi>anna</bdi> is at it until" in client.get("/queue").text
    client.post("/queue/leave", json=anna)
    assert client.get("/corrections", params={"path": PATH}).json()["taken"] is None
    assert client.post("/queue/take", json={"path": PATH, "who": " "}).status_code == 400
    assert "What to check first" in client.get("/search.js").text


def test_nobody_corrects_unless_the_settings_say_so(settings: Settings) -> None:
    off = settings.model_copy(update={"pages_correct": False})
    assert routes_of(off) == []
    root = off.workspace.output / "pages"
    client = TestClient(application(root, off.workspace.archive, routes_of(off)))
    assert client.get("/corrections", params={"path": PATH}).status_code == 404
    assert "class Editor" not in client.get("/recording.js").text
    with pytest.raises(ServiceError, match="PAGE_TOKEN=false"):
        routes_of(settings.model_copy(update={"page_token": False}))


@pytest.fixture
def served(settings: Settings) -> Iterator[str]:
    """The address of the recording's page, where people may correct."""
    output, more = settings.workspace.output, routes_of(settings)
    routes = pages_routes(output / "pages", settings.workspace.archive, more)
    listening = listen(0)
    assert listening
    config = uvicorn.Config(Starlette(routes=routes), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/pages/recordings/{PATH}.html"
    server.should_exit = True
    thread.join()


def opened(browser: Browser, address: str, who: str, at: str, problems: list[str]) -> Page:
    """A page in a browser of its own, in which somebody has begun to correct a phrase."""
    page = browser.new_context(viewport={"width": 1200, "height": 800}).new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.locator(".said > span").get_by_text(at, exact=True).click()
    page.wait_for_function("current !== undefined")
    page.keyboard.press("e")
    page.locator(".correcting").get_by_placeholder("Your name").fill(who)
    page.get_by_label("Words").focus()
    return page


@pytest.mark.slow
def test_two_people_correct_at_once_and_nobodys_work_is_lost(
    browser: Browser, served: str, settings: Settings
) -> None:
    problems: list[str] = []
    Pages(settings).write_home()
    anna = opened(browser, served, "anna", "ferara", problems)
    berta = opened(browser, served, "berta", "ferara", problems)
    carla = opened(browser, served, "carla", "fine", problems)
    anna.get_by_label("Words").fill("We went to Ferrara")
    berta.get_by_label("Words").fill("we all went to ferara")
    carla.get_by_label("Words").fill("it was a very fine day")
    anna.keyboard.press("Enter")
    carla.keyboard.press("Enter")
    expect(anna.locator("form.correcting")).to_have_count(0)
    expect(anna.locator(".said").first).to_have_text("We went to Ferrara")
    expect(anna.locator(".said").nth(1)).to_have_text("it was a very fine day")
    berta.keyboard.press("Enter")
    expect(berta.locator(".correcting .problem")).to_contain_text("We went to Ferrara")
    expect(berta.get_by_label("Words")).to_have_value("we all went to ferara")
    berta.get_by_label("Words").fill("We all went to Ferrara")
    berta.get_by_placeholder("Speaker").fill("Berta Neri")
    berta.keyboard.press("Enter")
    expect(anna.locator(".said").first).to_have_text("We all went to Ferrara")
    anna.reload()
    expect(anna.locator(".said").first).to_have_text("We all went to Ferrara")
    found = published(settings)
    assert found.text == "We all went to Ferrara it was a very fine day and so say all of us"
    assert found.segments[0].speaker == "Berta Neri"
    assert {one.who for one in found.corrections} == {"anna", "berta", "carla"}
    assert problems == []


@pytest.mark.slow
def test_a_page_that_cannot_be_made_anew_says_so_and_stops_loading(
    browser: Browser, served: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opentr_pipeline.site.correcting.renew", lambda *_: [])
    page = browser.new_page(bypass_csp=True)  # for what is asked here
    page.clock.install()
    loads: list[str] = []
    page.on("load", lambda _: loads.append(page.url))
    parted = {"path": PATH, "start_s": 0.0, "was": "we went to ferara", "who": "anna"}
    answer = page.request.post(
        served.partition("recordings")[0] + "corrections",
        data={**parted, "text": "we went\nto Ferrara"},
    )
    assert len(answer.json()["phrases"]) == 4
    last = answer.json()["phrases"][3]
    joined = {"start_s": last["words"][0][1], "was": "and so say all of us", "is_joined": True}
    answer = page.request.post(
        served.partition("recordings")[0] + "corrections",
        data={**parted, **joined, "text": joined["was"]},
    )
    assert len(answer.json()["phrases"]) == 3, "as many as the page has, and others"
    page.goto(served)
    said = page.get_by_role("alert")
    for number in range(1, 6):
        page.wait_for_function(f"({RELOADED}).includes('\"number\":{number}')")
        expect(said).to_be_empty()
        if number == 1:
            page.get_by_role("button", name="Correct", exact=True).click()
            expect(said).to_contain_text("this page was not made anew")
        with page.expect_navigation():
            page.clock.fast_forward(25_000)
    expect(said).to_contain_text("run opentr pages, which says what is in the way")
    page.clock.fast_forward(100_000)
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator("form.correcting")).to_have_count(0)
    assert len(loads) == 6
    renew(settings, ["@root"])
    page.reload()
    expect(page.locator(".said").nth(1)).to_have_text("to Ferrara")
    page.wait_for_function(f"!({RELOADED})")
    expect(said).to_be_empty()


@pytest.mark.slow
def test_who_corrects_what_was_parted_meanwhile_sees_that_and_can_keep_theirs(
    browser: Browser, served: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opentr_pipeline.site.correcting.renew", lambda *_: [])
    problems: list[str] = []
    anna = opened(browser, served, "anna", "ferara", problems)
    parted = {"path": PATH, "start_s": 0.0, "was": "we went to ferara", "who": "berta"}
    answer = anna.request.post(
        served.partition("recordings")[0] + "corrections",
        data={**parted, "text": "they went\nto Ferrara"},
    )
    assert answer.ok
    anna.get_by_label("Words").fill("We all went")
    anna.keyboard.press("Enter")
    expect(anna.locator(".correcting .problem")).to_contain_text("changed it to: they went (")
    anna.keyboard.press("Enter")
    expect(anna.locator("form.correcting")).to_have_count(0)
    assert published(settings).text.startswith("We all went to Ferrara")
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_people_correct(
    browser: Browser, served: str, settings: Settings, scheme: str
) -> None:
    Pages(settings).write_home()
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    found = {}
    for width in (1200, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(served)
        page.get_by_role("button", name="Correct", exact=True).click()
        page.get_by_label("Words").fill(f"We went to Ferrara {width}")
        page.locator(".correcting").get_by_label("Your name").fill("anna")
        page.keyboard.press("Enter")
        page.get_by_text("Corrections (").click()
        page.get_by_role("button", name="Correct", exact=True).click()
        found[f"editor {width}"] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(served.partition("recordings")[0] + "queue")
        page.get_by_label("Your name").fill("anna")
        page.get_by_role("button", name="Take it").or_(page.get_by_text("is at it")).first.click()
        page.get_by_text("is at it").wait_for()
        found[f"queue {width}"] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert not any(found.values()), found
