"""What the site gives away: pages, parts of media that were taken, and nothing else."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from opentr_pipeline.site.server import application, pages_routes

SOUND = bytes(range(256)) * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pages with a link to a tape, and links that nobody of ours made."""
    pages, archive = tmp_path / "pages", tmp_path / "archive"
    for place in (pages / "media" / "1f", pages / ".written", archive):
        place.mkdir(parents=True)
    (archive / "tape.flac").write_bytes(SOUND)
    (archive / "secret.txt").write_text("not taken")
    (tmp_path / "outside.wav").write_bytes(SOUND)
    (archive / "moved.wav").symlink_to(tmp_path / "outside.wav")
    (pages / "index.html").write_text("home")
    (pages / ".written" / "@root.json").write_text("{}")
    links = {
        "1f.flac": archive / "tape.flac",
        "2f.wav": tmp_path / "outside.wav",
        "3f.wav": archive / ".." / "outside.wav",
        "4f.wav": archive / "gone.wav",
        "5f.wav": archive,
        "6f.wav": archive / "moved.wav",
    }
    for name, target in links.items():
        (pages / "media" / "1f" / name).symlink_to(target)
    (pages / "whole").symlink_to(archive)
    return tmp_path


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(application(folder / "pages", folder / "archive"))


def test_a_part_of_a_recording_is_answered_with_that_part(client: TestClient) -> None:
    part = client.get("/media/1f/1f.flac", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, SOUND[100:200])
    assert part.headers["content-range"] == "bytes 100-199/1024"
    end = client.get("/media/1f/1f.flac", headers={"Range": "bytes=-24"})
    assert (end.status_code, end.content) == (206, SOUND[-24:])
    assert client.get("/media/1f/1f.flac", headers={"Range": "bytes=4096-"}).status_code == 416
    whole = client.get("/media/1f/1f.flac")
    assert (whole.status_code, whole.content) == (200, SOUND)
    assert whole.headers["accept-ranges"] == "bytes"


def test_nothing_else_of_the_archive_or_the_disk_can_be_had(client: TestClient) -> None:
    assert client.get("/").text == "home"
    for path in (
        *(f"/media/1f/{number}f.wav" for number in (2, 3, 4, 5, 6)),
        *("/whole/secret.txt", "/whole", "/media/", "/.written/@root.json"),
        *("/../archive/secret.txt", "/%2e%2e/archive/secret.txt", "/media/../../outside.wav"),
        "/%00",
    ):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "opentr" in answer.text
    assert client.post("/index.html").status_code == 405


def test_the_address_without_its_last_slash_leads_to_the_home_page(folder: Path) -> None:
    routes = pages_routes(folder / "pages", folder / "archive")
    answer = TestClient(Starlette(routes=routes)).get("/pages", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/pages/")
    assert TestClient(Starlette(routes=routes)).get("/pages/").text == "home"


def test_pages_run_no_script_but_the_sites_own_and_are_asked_for_again(client: TestClient) -> None:
    page = client.get("/index.html")
    rules = page.headers["content-security-policy"]
    assert "script-src 'self';" in rules
    assert "frame-ancestors 'none'" in rules
    assert page.headers["x-content-type-options"] == "nosniff"
    again = client.get("/index.html", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
