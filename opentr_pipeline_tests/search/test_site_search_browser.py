"""The search of visitors in a real browser, from a disk: the same places as ``opentr search``."""

import sys
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.search.index import SearchIndex
from opentr_pipeline.search.passages import Wanted
from opentr_pipeline.search.query import LEAD_S, search
from opentr_pipeline.search.site_index import SiteIndex
from opentr_pipeline.search.terms import tokens_of
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline_tests.making import recording, settings_of, transcript

pytestmark = pytest.mark.slow
ODD = "radio/<b>'50%'#?& \"ñ\".mp3"
TEXTS = {
    "radio/a/one.wav": "Good morning. The light house stands. on the hill. Today, it rains. Don't",
    "radio/two.wav": "Guten Morgen. Der Leuchtturm. número uno. Straße Füße",
    "film/three.mkv": "今日は、図書館. に行きます. ภาษาไทย. 图书馆在那里",
    "film/four.mkv": ". ".join(f"word{n} every {n}" for n in range(30)),
    "film/five.mkv": "light and heavy. heavy and light. lighter lightest. the the the",
    "arabic/six.mp3": "مرحبا بالعالم. السلام عليكم",
    "radio/seven.mp3": "Işık söndü. IŞIK yandı. ガラス Łódź Smørrebrød",
    ODD: "an odd name",
}
SINGLE = (
    *("light", "lightest", "leuchtturm", "numero", "strasse", "every", "don't", "light*", "wor*"),
    *(
        '"good morning the light"',
        '"numero uno strasse"',
        "図書館に行きます",
        '"every 3 word4 every 4"',
    ),
    *('"light house"', '"the the"', '"stands on"', "図書館", "书馆", "行", "館に", "مرحبا", "ไทย"),
    *("ışık", "işik", "lodz", "smorrebrod", "مَرْحَبًا", "ｶﾞﾗｽ", "odd"),
)
SEVERAL = (
    "light heavy",
    "good stands",
    "morning house",
    "word3 word4",
    "word3 word9",
    "السلام مرحبا",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An archive in several scripts, with pages and both indexes."""
    folder = tmp_path_factory.mktemp("site")
    made = settings_of(ARCHIVE_DIR=folder / "archive", OUTPUT_DIR=folder / "output")
    store = TranscriptStore(made.workspace.output)
    languages = {"radio/two.wav": "de", "film/three.mkv": "ja", "arabic/six.mp3": "ar"}
    for key in ("radio", "film", "arabic"):
        paths = [path for path in TEXTS if path.startswith(key)]
        one = {p: transcript(p, TEXTS[p], language=languages.get(p, "en")) for p in paths}
        store.publish(key, [Entry(recording(p).recording_id, p, one[p]) for p in paths])
        store.write_recordings(key, [recording(path, partition_key=key) for path in paths])
    pages = Pages(made)
    index = SiteIndex(store, pages.root)
    for key in pages.partition_keys():
        pages.write(key)
        index.write(key)
    index.write_volumes()
    pages.write_home()
    SearchIndex(store).refresh(wait=True)
    return made


@pytest.fixture(scope="module")
def home(browser: Browser, settings: Settings) -> Iterator[Page]:
    """The home page from the disk; no script of it may fail."""
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((settings.workspace.output / "pages" / "index.html").as_uri())
    yield page
    page.close()
    assert problems == []


FIND = """async (query) => {
    const found = [];
    for await (const { hits } of search(termsOf(query), {})) {
        for (const { path, at, text, ranges } of hits) {
            const marked = ranges.map(([first, end]) => text.slice(first, end));
            found.push([path, Math.round(at * 100), marked]);
        }
    }
    return found;
}"""


def test_the_same_places_are_found_as_by_the_command(home: Page, settings: Settings) -> None:
    index = SearchIndex(TranscriptStore(settings.workspace.output))
    for query in (*SINGLE, *SEVERAL):
        hits = search(index, query, Wanted(), 100).hits
        found = home.evaluate(FIND, query)
        assert {path for path, _, _ in found} == {hit.path for hit in hits}, query
        assert (query == "word3 word9") is not bool(found)
        if query in SINGLE:
            # Of neighbours in which the same is said, either shows the other one.
            expected = {(hit.path, round(hit.found_s * 100)) for hit in hits}
            is_in_all = query in ("every", "wor*", "light*")
            assert is_in_all or {(path, at) for path, at, _ in found} <= expected, query
            marked = {text for hit in hits for text in (hit.text[a:b] for a, b in hit.marks)}
            assert {text for _, _, texts in found for text in texts} == marked, query


def test_a_browser_asks_for_neighbours_and_looks_no_part_through_in_vain(home: Page) -> None:
    assert home.evaluate("checksumOf('館 に')") == zlib.crc32("館 に".encode())
    asked = home.evaluate("termsOf('\"the light house stands\" gut*').flatMap(askedFor)")
    assert asked == [
        *({"pair": pair} for pair in ("house stands", "light house", "the light")),
        {"text": "gut", "isOpen": True},
    ]
    counted = "termsOf('same SAME \"same\" same*').map(({ isOpen }) => isOpen)"
    assert home.evaluate(counted) == [False, True]  # as the command counts them
    looked = "async (query) => (await foundIn(query)).length"
    home.evaluate(
        """() => {
            window.foundIn = async (query) => {
                const { volumes } = await load("manifest");
                const found = volumes.map((one) => candidatesIn(one, termsOf(query), {}));
                return (await Promise.all(found)).flat();
            };
        }"""
    )
    assert home.evaluate(looked, '"light and heavy"') == 1
    assert home.evaluate(looked, '"and light heavy"') == 0  # all three are in one part
    found = home.evaluate(FIND, '"good morning the lig"')
    assert [marked for _, _, marked in found] == [["Good morning The light"]]


def test_browsers_make_the_same_tokens_of_every_character(home: Page) -> None:
    characters = [
        chr(number)
        for number in range(sys.maxunicode + 1)
        if unicodedata.category(chr(number)) not in ("Cs", "Cn", "Co")
    ]
    theirs = home.evaluate(
        """(all) => all.map((one) => (
            tokensOf(one.normalize("NFC")).map(({ token }) => token).join(" ")))""",
        characters,
    )
    other = {
        one: (" ".join(tokens_of(one)), their)
        for one, their in zip(characters, theirs, strict=True)
        if " ".join(tokens_of(one)) != their
    }
    # Small letters that no other letter is folded to, and letters of a later Unicode.
    assert len(other) < 200, dict(list(other.items())[:40])
    common = {one for one in other if ord(one) < 0x250 or 0x370 <= ord(one) < 0x530}
    assert not common


def test_a_visitor_finds_a_word_narrows_down_and_hears_it(home: Page) -> None:
    home.reload()
    field = home.get_by_role("searchbox", name="Find what is said")
    field.fill("leucht")  # the beginning of a word, while it is typed
    hit = home.locator("#hits li")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark")).to_have_text("Leuchtturm")
    expect(home.get_by_role("status")).to_have_text("One place.")
    field.fill("light")
    expect(hit).to_have_count(2)
    home.get_by_text("Narrow down").click()
    home.get_by_label("Folder").select_option("film")
    expect(hit).to_have_count(1)
    assert "folder=film" in home.url
    home.get_by_label("Folder").select_option("")
    home.get_by_label("Language").select_option("German")
    expect(home.get_by_role("status")).to_have_text("Nothing is found.")
    home.get_by_label("Language").select_option("")
    home.get_by_label("From").fill("2099-01-01")
    expect(home.get_by_role("status")).to_have_text("Nothing is found.")
    home.get_by_label("From").fill("")
    field.fill("مرحبا")
    expect(hit).to_have_count(1)
    assert hit.locator(".said").evaluate("node => getComputedStyle(node).direction") == "rtl"
    field.fill('"heavy and light"')
    expect(hit.locator("mark")).to_have_text("heavy and light")
    hit.get_by_role("link").click()
    expect(home.get_by_role("heading", level=1)).to_have_text("Five")
    assert home.evaluate("location.hash") == f"#t={3.0 - LEAD_S:.2f}"
    home.go_back()
    expect(hit).to_have_count(1)  # the question stands in the address


def test_odd_questions_and_names_end_in_an_answer(home: Page) -> None:
    home.goto(home.url.partition("#")[0])
    field = home.get_by_role("searchbox", name="Find what is said")
    said = home.get_by_role("status")
    for query in (
        "constructor",
        "__proto__",
        "<script>alert(1)</script>",
        "🎉",
        '"',
        "*",
        "-",
        "x" * 5000,
    ):
        field.fill(query)
        expect(said).to_have_text("Nothing is found.")
        field.fill("")
        expect(said).to_be_empty()
    field.fill("word " + " ".join(map(str, range(2000))))
    expect(said).to_contain_text("ask for 32 words at most")
    field.fill("an odd name")
    home.locator("#hits").get_by_role("link").click()
    expect(home.locator(".folder")).to_contain_text(ODD.rpartition("/")[2])


def test_pages_without_an_index_have_no_search(home: Page, settings: Settings) -> None:
    folder: Path = settings.workspace.output / "pages" / "search"
    folder.rename(folder.with_name("away"))
    home.goto((settings.workspace.output / "pages" / "index.html").as_uri())
    home.wait_for_load_state("networkidle")
    expect(home.get_by_role("searchbox")).to_have_count(0)
    folder.with_name("away").rename(folder)
