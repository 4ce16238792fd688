"""Dagster's page in a real browser: what people click, and what they find there."""

import json
import os
import pwd
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from dagster import DagsterInstance
from dagster_graphql import DagsterGraphQLClient
from playwright.sync_api import Browser, Locator, Page, expect

from opentr_pipeline.devices.cards import worker_slots
from opentr_pipeline.devices.leases import lease
from opentr_pipeline.devices.shared_folder import slots_folder
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.services import page_link
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline.services.listening import listen
from opentr_pipeline_tests.conftest import Project, wait_for
from opentr_pipeline_tests.page_api import LAUNCH, TICKS, free_port, run_ids
from opentr_pipeline_tests.runs import SPEECH, holder_of, make_archive, speech_file

pytestmark = pytest.mark.slow
NUM_TAPES = 10
# A browser looks on loopback for it; only on names of loopback itself are users told apart.
NAME = "archive.localhost"
RUN_MS = 300_000  # for a run, on a machine that has other things to do
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def one(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, models_root: Path
) -> Iterator[Project]:
    """Four partitions and two CPU slots, served for all tests of this module."""
    folder = tmp_path_factory.mktemp("page")
    files = {"film/1.wav": SPEECH[0], "letters/2.opus": SPEECH[1], "radio/3.flac": SPEECH[2]}
    project = Project(
        folder,
        make_archive(folder / "archive", files),
        DAGSTER_PORT=free_port(),
        PYTHONPATH=TICKS,
        GPU_SCALE_ENABLED="true",
        GPU_SCALE_DEVICE_ID="cpu",
        GPU_SCALE_WORKERS="2",
        SHARD_AUDIO_S="10",
        # The sensor leaves the archive to the tests.
        UPLOAD_SETTLE_S="86400",
        PAGE_HOSTS=NAME,
    )
    for number in range(NUM_TAPES):
        speech_file(project.archive / "tapes" / f"{number}.wav", number)
    project.serve()
    yield project
    DevServices.of(project.settings).stop()


@pytest.fixture
def page(browser: Browser, one: Project, tmp_path: Path) -> Iterator[Page]:
    """The page as people open it; what it showed last is kept as a picture."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.set_default_timeout(30_000)
    opened.goto(DevServices.of(one.settings).address)
    yield opened
    opened.screenshot(path=tmp_path / "last.png")
    opened.close()


def go_to(page: Page, *names: str) -> None:
    """Follow links and tabs, one after the other."""
    for name in names:
        shown = re.compile(rf"\b{name}$")  # after the name of its icon
        target = page.get_by_role("link", name=shown)
        target.or_(page.get_by_role("tab", name=shown)).first.click()


def open_asset(page: Page, name: str) -> None:
    go_to(page, "Catalog")
    page.locator(f"a[href='/assets/{name}']").click()
    expect(page.get_by_text("Latest materialization")).to_be_visible()


def materialise(page: Page) -> Locator:
    """The dialog for both assets."""
    go_to(page, "Catalog")
    for asset in ("recordings", "transcripts"):
        page.locator("label", has=page.get_by_test_id(f"checkbox-{asset}")).click()
    page.get_by_role("button", name="Materialize selected").click()
    return page.get_by_role("dialog")


def launch(page: Page, partition: str) -> None:
    """Materialise one partition and look at its run."""
    materialise(page).get_by_text("Select a partition").click()
    item = page.get_by_role("menuitem").filter(has=page.get_by_text(partition, exact=True))
    item.click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("View", exact=True).click()
    expect(page.get_by_text(f"partition: {partition}")).to_be_visible()


def test_materialise_a_partition(page: Page, one: Project, tmp_path: Path) -> None:
    open_asset(page, "transcripts")
    expect(page.get_by_text("Never materialized")).to_be_visible()
    expect(page.get_by_text("one row is one recording")).to_be_visible()
    expect(page.get_by_text("When it fails")).to_be_visible()

    launch(page, "film")
    expect(page.get_by_text("Success", exact=True)).to_be_visible(timeout=RUN_MS)
    page.screenshot(path=tmp_path / "run.png")
    page.get_by_placeholder("Filter…").fill("Worker slot")
    expect(page.get_by_text(re.compile(r"Worker slot cpu\.slot-\d taken"))).to_be_visible()
    assert {path for path, row in one.transcripts().items() if row["status"] == "ok"} == {
        "film/1.wav"
    }

    open_asset(page, "transcripts")
    for name in ("audio_s", "speed_x", "languages", "num_failed"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Never materialized")).to_be_hidden()
    page.get_by_text("audio_s", exact=True).first.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "metadata.png")
    page.get_by_text("Plots", exact=True).click()
    expect(page.get_by_text("speed_x", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "plots.png")
    go_to(page, "Partitions")
    for title in ("Materialized (1)", "Missing (3)", "Failed (0)"):
        expect(page.get_by_text(title)).to_be_visible()
    page.get_by_text("film", exact=True).first.click()
    expect(page.get_by_text("num_words")).to_be_visible()
    page.screenshot(path=tmp_path / "partition.png")


def test_the_checks_are_judged(page: Page, tmp_path: Path) -> None:
    open_asset(page, "transcripts")
    go_to(page, "Checks")
    expect(page.get_by_text(f"Checks ({len(CHECKS)})")).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(CHECKS))
    sentence = "1 of 1 recordings have an outcome. 3 partitions have no transcripts yet."
    expect(page.get_by_text(sentence)).to_be_visible()
    page.screenshot(path=tmp_path / "checks.png")


def test_terminate_a_run_and_let_a_backfill_do_the_rest(
    page: Page, one: Project, tmp_path: Path
) -> None:
    launch(page, "tapes")
    wait_for(one.kept_times)
    page.get_by_role("button", name=re.compile(r"\bTerminate$")).click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate 1 run").click()
    expect(page.get_by_text("Canceled", exact=True)).to_be_visible(timeout=30_000)
    for number in range(2):
        slot = one.folder / "slots" / f"cpu.slot-{number}"
        wait_for(lambda slot=slot: holder_of(slot) is None, timeout_s=30)  # type: ignore[misc]
    page.screenshot(path=tmp_path / "terminated.png")
    kept = one.kept_times()
    assert 1 <= len(kept) < NUM_TAPES

    dialog = materialise(page)
    dialog.get_by_role("button", name="Missing", exact=True).click()
    expect(dialog.get_by_text("3 partitions")).to_be_visible()
    slots, folder = (
        worker_slots(one.settings, []),
        slots_folder(one.settings.workspace.worker_slots),
    )
    with lease(slots, folder), lease(slots, folder):  # so that no run ends before we look
        dialog.get_by_role("button", name="Launch backfill").click()
        wait_for(lambda: run_ids(one, "letters"))
        go_to(page, "Deployment", "Concurrency", "gpu")
        expect(page.get_by_text("In progress", exact=True)).to_be_visible()
        page.screenshot(path=tmp_path / "pool.png")

    go_to(page, "Runs", "Backfills")
    # The smallest part of the page with the number and who launched it is the backfill's row.
    row = page.get_by_text("3 partitions").locator("xpath=ancestor::*[contains(., 'Manually')][1]")
    expect(row).to_contain_text("Success", timeout=RUN_MS)
    page.screenshot(path=tmp_path / "backfills.png")
    rows = one.rows("transcripts")
    assert len(rows) == NUM_TAPES + 3
    assert {row["status"] for row in rows} == {"ok"}
    # What the terminated run had finished was not done again.
    times = {row["media_fingerprint"]: row["transcribed_at"] for row in rows}
    assert kept.items() <= times.items()
    open_asset(page, "transcripts")
    go_to(page, "Partitions")
    expect(page.get_by_text("Materialized (4)")).to_be_visible()


def _has_status(one: Project, sensor: str, status: str) -> bool:
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        states = instance.all_instigator_state()
        return [s.status.value for s in states if s.instigator_name == sensor] == [status]


def test_the_sensor_is_switched_off_and_on(page: Page, one: Project, tmp_path: Path) -> None:
    go_to(page, "Automation")
    # The smallest part of the page with the sensor's name and two boxes: its tick and its switch.
    row = page.get_by_text("uploads", exact=True).locator(
        "xpath=ancestor::*[count(.//input[@type='checkbox'])=2][1]"
    )
    switch = row.get_by_role("checkbox").last
    label = row.locator("label", has=page.get_by_role("checkbox")).last
    expect(switch).to_be_checked()
    for is_on, status in ((False, "STOPPED"), (True, "RUNNING")):
        label.click()
        expect(switch).to_be_checked(checked=is_on)
        wait_for(lambda status=status: _has_status(one, "uploads", status))  # type: ignore[misc]
        page.screenshot(path=tmp_path / f"{status}.png")


# What a page can have a browser send to another place, without asking that first, or at all.
ATTACK = """
async ([place, query]) => {
  const asked = new URLSearchParams({query});
  const url = `http://${place}/graphql`;
  const json = JSON.stringify({query});
  const send = (how) => fetch(url, {method: 'POST', credentials: 'include', ...how});
  const socket = new Promise((done) => {
    const opened = new WebSocket(`ws://${place}/graphql`, 'graphql-ws');
    opened.onopen = () => done('opened');
    opened.onerror = () => done('refused');
  });
  const picture = new Promise((done) => {
    const made = new Image();
    made.onload = made.onerror = done;
    made.src = `${url}?${asked}`;
  });
  const form = document.createElement('form');
  form.action = `${url}?${asked}`;
  form.method = 'POST';
  form.enctype = 'text/plain';
  form.target = 'inside';
  document.body.innerHTML = '<iframe name="inside"></iframe>';
  document.body.append(form);
  form.submit();
  await Promise.allSettled([
    picture,
    new Promise((done) => { document.querySelector('iframe').onload = done; }),
    send({body: json, mode: 'no-cors', headers: {'Content-Type': 'text/plain'}}),
    send({body: asked, mode: 'no-cors'}),
    fetch(`${url}?${asked}`, {mode: 'no-cors', credentials: 'include'}),
    send({body: json, headers: {'Content-Type': 'application/json'}}),
  ]);
  return await socket;
}
"""
# As a page of ours does it.
ASK = """
async (query) => {
  const body = JSON.stringify({query, variables: {tags: []}});
  const headers = {'Content-Type': 'application/json'};
  return (await fetch('/graphql', {method: 'POST', headers, body})).status;
}
"""


def token_of(services: DevServices) -> str:
    return page_link.read_token(services.token_folder)


def num_runs(one: Project) -> int:
    with DagsterInstance.from_config(str(one.settings.workspace.dagster_home)) as instance:
        return instance.get_runs_count()


def test_a_page_of_another_origin_launches_nothing(
    browser: Browser, one: Project, tmp_path: Path
) -> None:
    """Neither in the browser of the user whom the page belongs to, nor in one that has the link."""
    services, before = DevServices.of(one.settings), num_runs(one)
    query = LAUNCH.replace("($tags: [ExecutionTag!]!)", "").replace("$tags", "[]")
    (tmp_path / "evil.html").write_text("<p>Look at this.</p>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        opened = context.new_page()
        answers: list[tuple[str, int]] = []
        opened.on("response", lambda got: answers.append((got.request.method, got.status)))
        for name in ("127.0.0.1", NAME):
            opened.goto(f"http://{name}:{one.environ['DAGSTER_PORT']}/?token={token_of(services)}")
            expect(opened.get_by_role("link", name=re.compile("Catalog")).first).to_be_visible()
            opened.goto(f"http://{name}:{server.server_port}/evil.html")
            answers.clear()
            place = f"{name}:{one.environ['DAGSTER_PORT']}"
            assert opened.evaluate(ATTACK, [place, query]) == "refused"
            # The browser itself kept back the last one, after the guard had refused its question.
            sent = [method for method, _ in answers]
            assert sent.count("GET") >= 2
            assert sent.count("POST") >= 3
            assert {status for _, status in answers} <= {403, 405}
        server.shutdown()
        context.close()
    assert num_runs(one) == before


def test_the_link_opens_the_page_and_a_cookie_keeps_it(
    browser: Browser, one: Project, tmp_path: Path
) -> None:
    services = DevServices.of(one.settings)
    context = browser.new_context()
    opened = context.new_page()
    place = f"http://{NAME}:{one.environ['DAGSTER_PORT']}"
    opened.goto(place)
    expect(opened.get_by_text("This page opens by its link alone")).to_be_visible()
    opened.screenshot(path=tmp_path / "without.png")
    opened.goto(f"{place}/runs?token={token_of(services)}")
    assert token_of(services) not in opened.url
    expect(opened.get_by_role("link", name=re.compile("Catalog")).first).to_be_visible()
    opened.goto(place)
    expect(opened.get_by_role("link", name=re.compile("Catalog")).first).to_be_visible()
    assert opened.evaluate(ASK, "{ version }") == 200
    opened.screenshot(path=tmp_path / "with.png")
    context.close()


def as_nobody(act: Callable[[], object]) -> str:
    """Do something in a process of another user; what came of it, as text."""
    if os.getuid():
        pytest.skip("another user of the host (only root can be one)")
    read, write = os.pipe()
    if not (child := os.fork()):  # his Python may not be able to read ours
        try:
            nobody = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            said = str(act())
        except Exception as error:
            said = type(error).__name__
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


def statuses(place: str, token: str, query: str) -> list[int]:
    """What a look at a page and a question to it come to."""
    found = []
    body = json.dumps({"query": query, "variables": {"tags": []}}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    for path, data in (("/runs", None), ("/graphql", body)):
        try:
            asked = urllib.request.Request(place + path, data, headers)
            with urllib.request.urlopen(asked, timeout=60) as answer:
                found.append(answer.status)
        except urllib.error.HTTPError as error:
            found.append(error.code)
    return found


def test_another_user_of_the_host_starts_nothing(one: Project) -> None:
    services, before = DevServices.of(one.settings), num_runs(one)
    place = services.address
    assert as_nobody(lambda: statuses(place, "guessed", LAUNCH)) == "[401, 401]"
    assert num_runs(one) == before
    # Nor does he find the token, or reach the code server, which does what it is told.
    assert services.token_folder
    kept = services.token_folder / page_link.FILE_NAME
    assert as_nobody(kept.read_text) == "PermissionError"
    commands = " ".join(process.command for process in services.processes())
    sockets = set(re.findall(r"--socket (\S+)", commands))
    assert sockets
    for path in sockets:
        assert as_nobody(lambda path=path: connect(path)) == "PermissionError"  # type: ignore[misc]
    token = token_of(services)
    assert as_nobody(lambda: statuses(place, token, "{ version }")) == "[200, 200]"


def test_nobody_takes_the_place_of_a_page_that_ended(one: Project) -> None:
    """Whoever listened there would be sent the token."""
    services = DevServices.of(one.settings)
    (page,) = [one for one in services.processes() if "guarded_page" in one.command]
    os.kill(page.pid, signal.SIGKILL)
    tries = 0
    while not services.answers():
        assert as_nobody(lambda: listen(services.port)) == "None"
        tries += 1
    assert tries > 1
    assert page.pid not in {one.pid for one in services.processes()}


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.connect(path)


def test_programs_of_others_pass_with_the_token(one: Project) -> None:
    """As Dagster's own client gives it."""
    services = DevServices.of(one.settings)
    client = DagsterGraphQLClient(
        "127.0.0.1",
        port_number=int(one.environ["DAGSTER_PORT"]),
        # By a name with which our own user tells nothing.
        headers={"Host": NAME, "Authorization": f"Bearer {token_of(services)}"},
    )
    location = "opentr_pipeline.definitions"
    assert client.reload_repository_location(location).status.value == "SUCCESS"
