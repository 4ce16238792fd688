"""What a visitor's search costs: time to the first hit and bytes fetched, on a slow line.

    python -m benchmarks.site_search --hours 10000 --folder made
    python -m benchmarks.site_search --hours 100 --folder small --pagefind pagefind

Pages' index over synthetic speech (as ``benchmarks.search`` draws it), served by our server and
searched in Chromium with 10 Mbit/s and 40 ms to and from: one fresh browser for each query, so that
nothing is fetched before. The line is at the server, for what a browser's workers fetch is neither
slowed down nor counted in the browser. What a folder holds already is not made again. With
``--pagefind`` its program indexes the same words, each part a page, and is asked the same over the
same line; it knows no phrases across its own words.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from benchmarks import machine
from benchmarks.search import HOURS_OF_PARTITION, Speech
from benchmarks.slow_line import Line, served
from opentr_pipeline.pages.html import render, static_file
from opentr_pipeline.search.parts import Shown, parts_of
from opentr_pipeline.search.passages import Spoken
from opentr_pipeline.search.site_index import SiteIndex, _Entry
from opentr_pipeline.site.server import application
from opentr_pipeline.transcripts.derived_files import Note
from opentr_pipeline.transcripts.store import TranscriptStore

NUM_ASKED = 4  # of each kind of query
KINDS = (
    *("word, common", "word, usual", "word, rare", "two words", "common and usual"),
    *("phrase of 3", "phrase of 6", "prefix of 3", "1 character", "2 characters", "4 characters"),
)
STEPS = tuple(range(0, 1200, 40))


class SyntheticIndex(SiteIndex):
    """The index of speech that nobody said; partitions in the order in which they are made."""

    def __init__(self, folder: Path) -> None:
        """Over no tables."""
        super().__init__(TranscriptStore(folder / "output"), folder / "pages")
        self.speech = Speech()
        self.known: list[str] = []
        self.known_chinese: list[str] = []

    def make(self, key: str) -> None:
        """One partition."""
        with self.tree.writing(key):
            if not self.tree.noted(key).made_from:
                self.speech._random = np.random.default_rng(_digest(key))
                self._write(key, Note(), "synthetic")

    def _entries(self, key: str) -> Iterator[_Entry]:
        for number in range(HOURS_OF_PARTITION):
            texts = self.speech.hour(number % 10 != 0)
            language = "en" if number % 10 else "zh"
            spoken = [
                Spoken(at * 12.0, at * 12.0 + 11.5, language, 0.8, text, "", STEPS)
                for at, text in enumerate(texts)
            ]
            path = f"{key}/{number:04d}.wav"
            name = f"{_digest(path):032x}"
            shown = Shown(path, path, f"recordings/{path}.html", "2026-01-01", "ok", language, {})
            for place, part in enumerate(parts_of(spoken)):
                yield _Entry(f"{name[:2]}/{name}-{place}", part, shown)


def _digest(text: str) -> int:
    return int(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), 16)


def made_index(
    folder: Path, hours: int, *, is_for_later: bool = False
) -> tuple[SyntheticIndex, dict[str, float]]:
    """The index of so many hours, and what it took where it was not there."""
    index = SyntheticIndex(folder)
    keys = [f"folder{number:03d}" for number in range(hours // HOURS_OF_PARTITION)]
    begun = time.process_time()
    fresh = [key for key in keys if not index.tree.noted(key).made_from]
    for key in fresh:
        index.make(key)
    partitions_s = time.process_time() - begun
    if is_for_later:
        return index, {}
    begun = time.process_time()
    index.write_volumes()
    figures = {"volumes_cpu_s": time.process_time() - begun}
    if fresh:
        figures["partition_cpu_s"] = partitions_s / len(fresh)
    begun = time.process_time()
    index.make("uploaded")
    index.write_volumes()
    figures["one_more_partition_cpu_s"] = time.process_time() - begun
    return index, figures


def known_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Texts that are there, spaced and not, for phrases."""
    spaced, unspaced = [], []
    for path in sorted((folder / "pages" / "search" / "texts").rglob("*.js"))[:400]:
        _, _, facts = path.read_text().partition(",")
        head, _, _, segments = json.loads(facts[:-2])
        (unspaced if head[5] == "zh" else spaced).append(segments[2][1])
    return spaced, unspaced


def asked(
    browser: Browser, address: str, line: Line, query: str, hit: str
) -> tuple[float, float, float]:
    """Seconds to the first hit, bytes for it, bytes before, in a browser that knows nothing."""
    context = browser.new_context(bypass_csp=True)  # what is asked here is no script of the site
    page = context.new_page()
    at_first = line.num_bytes
    page.goto(f"{address}/index.html")
    page.wait_for_function(
        "window.isReady?.() ?? document.getElementById('find')?.hidden === false"
    )
    before = line.num_bytes
    took_s = page.evaluate(
        """([query, hit]) => new Promise((done) => {
            const begun = performance.now();
            const look = () => {
                if (document.querySelector(hit)) done((performance.now() - begun) / 1000);
                else if (performance.now() > begun + 20000) done(NaN);
                else setTimeout(look, 5);
            };
            ask(query);
            look();
        })""",
        [query, hit],
    )
    fetched = line.num_bytes - before
    context.close()
    return float(took_s), fetched, before - at_first


def measured(address: str, line: Line, queries: dict[str, list[str]], hit: str) -> dict[str, Any]:
    """Median and worst of each kind of query."""
    figures = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for kind in KINDS:
            chosen = queries[kind][:NUM_ASKED]
            all_asked = [asked(browser, address, line, one, hit) for one in chosen]
            took_s, num_bytes, num_before = np.array(all_asked).T
            figures[kind] = {
                "first_hit_s": _median_and_worst(took_s, 2),
                "fetched_kb": _median_and_worst(num_bytes / 1e3, 0),
                "fetched_before_kb": round(float(np.median(num_before)) / 1e3),
                "unanswered": int(np.isnan(took_s).sum()),
            }
            print(kind, figures[kind], flush=True)
        browser.close()
    return figures


def _median_and_worst(values: Any, digits: int) -> list[float]:
    return [round(float(np.nanmedian(values)), digits), round(float(np.nanmax(values)), digits)]


def ours(folder: Path, hours: int) -> dict[str, Any]:
    """The product's index."""
    index, figures = made_index(folder, hours)
    pages = folder / "pages"
    for name in ("search.js", "languages.js", "theme.css"):
        (pages / name).write_text(static_file(name))
    ask = "const ask = (query) => { form.elements.query.value = query; run(); };"
    (pages / "ask.js").write_text(ask)
    totals = {"num_recordings": 0, "heard_s": 0, "num_by_language": {}, "num_by_status": {}}
    home = render(
        "home.html", root="", archive="synthetic", sections=[], totals=totals, number=1,
        names=["index.html"], report="",
    )  # fmt: skip
    (pages / "index.html").write_text(
        home.replace("</head>", '<script defer src="ask.js"></script></head>')
    )
    sizes = [path.stat().st_size for path in index.tree.root.rglob("*.js")]
    spaced, unspaced = known_texts(folder)
    queries = index.speech.queries(spaced, unspaced)
    with served(application(pages, pages)) as (address, line):
        asked_figures = measured(address, line, queries, "#hits li")
    return {**figures, "num_files": len(sizes), "size_mb": round(sum(sizes) / 1e6), **asked_figures}


PAGEFIND_HOME = """<!doctype html><div id="hits"></div><script type="module">
const pagefind = await import("./pagefind/pagefind.js");
await pagefind.init();
window.isReady = () => true;
window.ask = async (query) => {
  const found = await pagefind.search(query);
  for (const one of found.results.slice(0, 20)) {
    const { excerpt } = await one.data();
    document.getElementById("hits").insertAdjacentHTML("beforeend", `<p>${excerpt}</p>`);
  }
};
</script>"""


def pagefind(folder: Path, program: str) -> dict[str, Any]:
    """Pagefind's index of the same parts, each a page."""
    site = folder / "pagefind-site"
    texts = sorted((folder / "pages" / "search" / "texts").rglob("*.js"))
    for number, path in enumerate(texts):
        head, _, _, segments = json.loads(path.read_text().partition(",")[2][:-2])
        page = site / f"{number:06d}.html"
        page.parent.mkdir(exist_ok=True)
        said = "".join(f'<p id="s{at}">{text}</p>' for at, text, *_ in segments)
        page.write_text(
            f'<html lang="{head[5]}"><title>{head[0]}</title><body>{said}</body></html>'
        )
    begun = time.monotonic()
    subprocess.run([program, "--site", str(site)], check=True, stdout=subprocess.DEVNULL)
    build_s = time.monotonic() - begun
    (site / "index.html").write_text(PAGEFIND_HOME)
    sizes = [one.stat().st_size for one in (site / "pagefind").rglob("*") if one.is_file()]
    spaced, unspaced = known_texts(folder)
    queries = Speech().queries(spaced, unspaced)
    with served(Starlette(routes=[Mount("/", StaticFiles(directory=site))])) as (address, line):
        figures = measured(address, line, queries, "#hits p")
    figures |= {"num_files": len(sizes), "size_mb": round(sum(sizes) / 1e6)}
    return {"build_s": round(build_s, 1), **figures}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--pagefind", help="Its program, to be measured on the same words.")
    parser.add_argument("--build-only", action="store_true", help="Make partitions, then stop.")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    facts: dict[str, Any] = {**machine.facts(), "hours": chosen.hours}
    if chosen.build_only:
        made_index(chosen.folder, chosen.hours, is_for_later=True)
        return
    facts["ours"] = ours(chosen.folder, chosen.hours)
    if chosen.pagefind:
        facts["pagefind"] = pagefind(chosen.folder, chosen.pagefind)
    text = json.dumps(facts, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text)


if __name__ == "__main__":
    main()
