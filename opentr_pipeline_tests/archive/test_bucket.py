"""What is of buckets alone; what they share with folders is in ``test_storage``."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest

from opentr_pipeline.archive import bucket, ranges
from opentr_pipeline.archive.bucket import BucketStorage
from opentr_pipeline.archive.changes import Clock, Watch
from opentr_pipeline.archive.ledger import Ledger
from opentr_pipeline.archive.media_files import MediaFile, scan
from opentr_pipeline.archive.object_names import names_of
from opentr_pipeline.archive.objects import object_store, remove
from opentr_pipeline.archive.partitioning import Partitioning
from opentr_pipeline.archive.recordings import ProbeMemory, probe_all
from opentr_pipeline.archive.references import find_references
from opentr_pipeline.archive.storage import Listed
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.errors import ArchiveError, SettingsError
from opentr_pipeline.planning.option_files import read_folder_file
from opentr_pipeline.planning.options import is_there
from opentr_pipeline.services.stack_settings import _mounted
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.settings.folder_file import folder_file
from opentr_pipeline.settings.given import given_settings, values_anywhere
from opentr_pipeline_tests.bucket_server import CREDENTIALS, Between, ask
from opentr_pipeline_tests.making import wav

FOLDERS = Partitioning("folder", 1, 256)


def settings_of(**variables: str) -> Settings:
    return load_settings(variables, env_file=None)


def put(address: BucketAddress, *names: str, content: bytes = b"") -> None:
    for name in names:
        obstore.put(object_store(address), name, content or name.encode())


def listings(between: Between) -> int:
    return sum("list-type" in one.path for one in between.asked)


def test_a_scan_of_many_folders_asks_once_for_all_that_one_answer_holds(
    address: BucketAddress, between: Between
) -> None:
    put(address, "top.wav", *(f"{n}/deep/{n}.wav" for n in range(20)), "0/.hidden/a.wav", "0/a.txt")
    between.asked.clear()
    found = scan(address)
    assert len(found.media_files) == 21
    assert found.left_alone == {"hidden or partial": 1, ".txt": 1}
    assert len(between.asked) == listings(between) == 2, "one to check, one for all folders"


def test_what_does_not_fit_ahead_is_listed_folder_by_folder(
    address: BucketAddress, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "MAX_AHEAD", 7)
    names = [*(f"many/{n}.wav" for n in range(12)), *(f"few/{n}/a.wav" for n in range(5)), "x.wav"]
    put(address, *names, "many/late/z.wav")
    storage = BucketStorage(address)
    assert {one.path for one in storage.list("many")} == {*names[:12], "many/late"}
    assert {one.path for one in scan(address).media_files} == {*names, "many/late/z.wav"}
    assert {one.path: one.is_folder for one in storage.list("")} == {
        "many": True,
        "few": True,
        "x.wav": False,
    }


def test_what_stands_for_an_empty_folder_is_no_file_in_it(address: BucketAddress) -> None:
    put(address, "radio/a.wav")
    where = address.url.removeprefix("s3://")
    ask(address.endpoint, "PUT", f"{where}/radio/")
    storage = BucketStorage(address)
    assert [one.path for one in storage.list("radio")] == ["radio/a.wav"]
    assert [one.path for one in scan(address).media_files] == ["radio/a.wav"]


def test_what_stands_for_a_folder_is_no_recording(address: BucketAddress) -> None:
    put(address, "a.wav")
    put_oddly(address, "show.mts/", "empty/")
    found = scan(address)
    assert [one.path for one in found.media_files] == ["a.wav"]
    put_oddly(address, "odd//b.wav")  # folders are listed one by one
    found = scan(address)
    assert [one.path for one in found.media_files] == ["a.wav"]
    assert "unreadable folder" not in found.left_alone


def test_an_outage_beside_such_a_name_ends_the_scan(
    address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(address, "odd/a.wav", "odd/b.txt")
    put_oddly(address, "odd//b.wav")
    stat = BucketStorage.stat
    asked: list[str] = []

    def failing(storage: BucketStorage, path: str) -> object:
        asked.append(path)
        if path.endswith(("a.wav", "b.txt")):
            raise OSError(errno.ETIMEDOUT, "The bucket did not answer: no connection")
        return stat(storage, path)

    monkeypatch.setattr(BucketStorage, "stat", failing)
    with pytest.raises(ArchiveError, match="no connection"):
        scan(address)
    assert asked == ["odd/a.wav"], "only media are asked for"


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 503])
def test_beside_a_name_that_cannot_be_had_a_refusal_says_why(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage there is no bad name, and nothing is gone by it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    class Refusing(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            code = {403: "AccessDenied", 503: "SlowDown"}[status]
            body = f"<Error><Code>{code}</Code></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refusing = BucketAddress("s3://tapes/radio", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(OSError, match={403: "ACCESS_DENIED", 503: "SLOW_DOWN"}[status]) as said:
            list(names_of(refusing, "a"))
    finally:
        server.shutdown()
        server.server_close()
    assert said.value.errno == errno.ETIMEDOUT


def put_oddly(address: BucketAddress, *names: str) -> None:
    """Objects of names that obstore does not take."""
    where = address.url.removeprefix("s3://")
    for name in names:
        ask(address.endpoint, "PUT", f"{where}/{urllib.parse.quote(name)}")


@pytest.mark.slow
def test_a_name_that_no_request_can_have_is_left_out_and_counted(
    address: BucketAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like the unreadable names of a folder; the files beside it are found as they are."""
    fine = ["a.wav", "odd/b.wav", "odd/deep/c.wav", "z/d.wav", f"odd/{'long' * 100}.wav"]
    put(address, *fine, "odd/b.reference.txt", "odd/dot.", "odd/c.txt")
    put_oddly(address, "odd//b.wav", "odd/./b.wav", "odd/../b.wav", "odd/\x01.wav", "odd/\x7f.wav")
    put_oddly(address, "//top.wav", "odd/deep/x//", "z/d.wav/", "z/")
    found = scan(address)
    assert [one.path for one in found.media_files] == sorted(fine)
    reason = "name that no request can have"
    assert found.left_alone == {reason: 7, "no extension": 1, ".txt": 2}
    # What was found so is what is met where it is asked for alone, and is probed as any other.
    storage = BucketStorage(address)
    for one in found.media_files:
        assert one == MediaFile(one.path, *storage.stat(one.path)[1:6])
    files = [("k", one) for one in found.media_files]
    probed = probe_all(address, files, ProbeMemory(tmp_path / "p.sqlite"))
    assert not any(one.is_guessed for one in probed)
    (texts,) = find_references(address, FOLDERS).values()
    assert [one.path for one in texts] == ["odd/b.reference.txt"]
    with pytest.raises(OSError, match="empty part, a dot alone or a control character"):
        storage.digest("odd/./b.wav")
    # The sensor's look takes the same, and is still at rest where nothing has changed.
    ledger = Ledger(tmp_path / "uploads.sqlite")
    for _ in range(2):
        with ledger.opened():
            watch = Watch(ledger, BucketStorage(address), -float("inf"), Clock())
            watch.look()
            assert (ledger.counts()["settled"], watch.num_unreadable) == (len(fine), 0)
    # An Arrow that does not know the keeper is no empty archive.
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    with pytest.raises(ArchiveError, match="cannot be named"):
        scan(address)


def test_names_that_were_given_before_a_refusal_are_not_given_again(
    address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(address, "a.wav", "b.wav", "c/d.wav", "e.wav")
    put_oddly(address, "d/./b.wav", "\x7f.wav")
    storage, listed = BucketStorage(address), BucketStorage(address)._level

    def two_pages(folder: str) -> Iterator[Listed]:
        yield from (one for one in listed(folder) if one.path in ("a.wav", "b.wav", "c"))
        raise OSError(errno.EINVAL, "a name")

    monkeypatch.setattr(storage, "_listed_by_pages", two_pages)
    found = sorted(one.path for one in storage.list("") if not one.refusal)
    assert found == ["a.wav", "b.wav", "c", "d", "e.wav"]


def test_bytes_come_in_blocks_with_one_ahead(
    address: BucketAddress, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 100_000)
    monkeypatch.setattr(ranges, "MAX_BLOCKS", 3)
    content = hashlib.shake_256(b"noise").digest(1_000_001)
    put(address, "a.wav", content=content)
    between.asked.clear()
    storage = BucketStorage(address)
    with storage.opened("a.wav") as stream:
        assert stream.read(10) == content[:10]
        assert [one.num_bytes for one in between.asked if one.method == "GET"] == [100_000]
        stream.seek(999_999)
        assert stream.read() == content[999_999:]
        stream.seek(0)
        assert stream.read() == content
        stream.seek(650_000)
        assert stream.read(10) == content[650_000:650_010]
    fetched = [one for one in between.asked if one.method == "GET"]
    assert sum(one.num_bytes for one in fetched) <= 1_000_001 + 3 * 100_000
    with pytest.raises(ValueError, match="closed"):
        stream.read()


def test_an_object_that_is_replaced_while_it_is_read_is_noticed(
    address: BucketAddress, between: Between, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ranges, "BLOCK_BYTES", 10_000)
    put(address, "a.wav", content=bytes(50_000))
    storage = BucketStorage(address)
    with storage.opened("a.wav") as stream:
        stream.read(100)
        put(address, "a.wav", content=b"x" * 50_000)
        stream.seek(30_000)
        with pytest.raises(OSError, match="replaced") as refused:
            stream.read(100)
        assert refused.value.errno == errno.ESTALE
    # While a probe reads it: nothing is remembered, a later run looks again.
    put(address, "a.wav", content=wav(tmp_path / "a.wav", seconds=1.0).read_bytes())
    files = [("k", one) for one in scan(address).media_files]

    def replace(method: str, path: str) -> None:
        if method == "GET" and path.endswith("/a.wav"):
            between.before = lambda method, path: None
            put(address, "a.wav", content=b"x" * 32_044)

    between.before = replace
    memory = ProbeMemory(tmp_path / "p.sqlite")
    (found,) = probe_all(address, files, memory)
    assert (found.probe.status, found.is_guessed) == ("failed", True)
    assert "replaced meanwhile" in found.probe.reason
    assert not memory.recall([files[0][1]])


def test_a_file_is_probed_and_decoded_from_what_each_look_fetches_once(
    address: BucketAddress, between: Between, tmp_path: Path
) -> None:
    media = wav(tmp_path / "a.wav", seconds=5.0)
    put(address, "radio/a.wav", content=media.read_bytes())
    files = [("radio", one) for one in scan(address).media_files]
    between.asked.clear()
    (found,) = probe_all(address, files, ProbeMemory(tmp_path / "p.sqlite"))
    assert found.media_fingerprint == hashlib.sha256(media.read_bytes()).hexdigest()
    assert found.probe.duration_s == pytest.approx(5.0)
    size = media.stat().st_size
    assert sum(one.num_bytes for one in between.asked) == size, "digest and headers in one read"
    sound = Sound(lambda: BucketStorage(address).opened("radio/a.wav"))
    here, there = list(Sound(media).blocks()), list(sound.blocks())
    assert all((a == b).all() for a, b in zip(here, there, strict=True))
    assert sum(one.num_bytes for one in between.asked) == 2 * size


def test_uploads_settle_at_once_and_replaced_objects_are_news(
    address: BucketAddress, between: Between, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "uploads.sqlite")

    def look() -> dict[str, int]:
        with ledger.opened():
            watch = Watch(ledger, BucketStorage(address), -float("inf"), Clock())
            watch.look()
            return {state: n for state, n in ledger.counts().items() if n}

    put(address, "radio/a.wav", "radio/b.wav")
    assert look() == {"settled": 2}
    between.asked.clear()
    put(address, "radio/a.wav", content=b"other")
    put(address, "film/c.wav")
    obstore.delete(object_store(address), "radio/b.wav")
    assert look() == {"settled": 2}
    between.asked.clear()
    assert look() == {"settled": 2}
    assert [one.method for one in between.asked] == ["GET"], "a look at what is the same"
    obstore.delete(object_store(address), ["radio/a.wav", "film/c.wav"])
    assert look() == {}
    with ledger.opened():
        assert [folder.path for folder in ledger.folders()] == [b""]


def test_options_and_references_are_found_in_a_bucket(
    address: BucketAddress, tmp_path: Path
) -> None:
    put(address, "radio/a.wav", "radio/a.reference.txt", "film/b.wav")
    settings = settings_of(ARCHIVE_DIR=address.url, S3_ENDPOINT_URL=address.endpoint)
    assert settings.workspace.archive == address
    with pytest.raises(SettingsError, match="production stack takes folders"):
        _mounted(settings.workspace, tmp_path)
    # Steps and services, which may be called in another folder, are told the same place.
    assert given_settings(values_anywhere(settings), tmp_path).workspace.archive == address
    assert folder_file(settings, is_there) is None
    put(address, "opentr.toml", content=b'["radio"]\nlanguage = "it"\n')
    place = folder_file(settings, is_there)
    assert place == address / "opentr.toml"
    assert read_folder_file(place, address) == {"radio": {"whisper_language": "it"}}
    put(address, "opentr.toml", content=b'["radioo"]\nlanguage = "it"\n')
    with pytest.raises(SettingsError, match="'radioo' is not a folder"):
        read_folder_file(place, address)
    put(address, "opentr.toml", content=b'["radio"]\nvocabulary_file = "/etc/passwd"\n')
    with pytest.raises(SettingsError, match="as hotwords"):
        read_folder_file(place, address)
    (texts,) = find_references(address, FOLDERS).values()
    assert [one.path for one in texts] == ["radio/a.reference.txt"]


@pytest.mark.parametrize(
    "said", ["s3:/tapes", "s3://", "ftp://tapes", "s3://user:secret@tapes", "s3://a/../b"]
)
def test_an_address_that_cannot_be_one_is_refused(said: str) -> None:
    if said == "s3:/tapes":  # a folder, however odd
        assert isinstance(settings_of(ARCHIVE_DIR=said).workspace.archive, Path)
        return
    with pytest.raises(SettingsError, match="ARCHIVE_DIR must be a folder, or a place in a bucket"):
        settings_of(ARCHIVE_DIR=said)
    with pytest.raises(SettingsError, match="S3_ENDPOINT_URL must be"):
        settings_of(S3_ENDPOINT_URL="http://user:secret@host")


def test_who_cannot_ask_hears_why_and_nothing_secret(
    buckets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArchiveError, match="404 Not Found") as refused:
        scan(BucketAddress("s3://no-such-bucket", buckets))
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(SettingsError, match="extra buckets"):
        scan(BucketAddress("s3://somewhere-else", buckets))


@pytest.mark.slow
def test_a_plain_machine_imports_nothing_of_buckets(tmp_path: Path) -> None:
    wav(tmp_path / "a" / "a.wav", seconds=0.5)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import opentr_pipeline.definitions\n"
        "from opentr_pipeline.archive.media_files import MediaFile, scan\n"
        "from opentr_pipeline.archive.recordings import ProbeMemory, probe_all\n"
        f"files = [('k', one) for one in scan(Path({str(tmp_path / 'a')!r})).media_files]\n"
        f"probe_all(Path({str(tmp_path / 'a')!r}), files, ProbeMemory(Path('p.sqlite')))\n"
        "assert files and not {'obstore', 'ray', 'boto3'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.slow
def test_a_process_that_steps_are_forked_from_asks_no_bucket(tmp_path: Path) -> None:
    """Theirs would wait for threads that are not there."""
    code = "import sys, opentr_pipeline.launching.preload; assert 'obstore' not in sys.modules"
    asked = {"ARCHIVE_DIR": "s3://tapes/a", "OUTPUT_DIR": "s3://tapes/b"}
    environ = {**os.environ, **asked, "S3_ENDPOINT_URL": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environ)


def test_a_version_is_the_same_in_answers_and_in_listings_of_azure(address: BucketAddress) -> None:
    put(address, "a.wav")
    said = obstore.head(object_store(address), "a.wav")
    bare = {**said, "e_tag": str(said["e_tag"]).strip('"')}
    storage = BucketStorage(address)
    assert storage._facts(said) == storage._facts(bare)  # type: ignore[arg-type]
    remove(object_store(address), ["a.wav", "gone.wav"])
    assert not scan(address).media_files


def test_a_fork_of_who_has_asked_says_so(address: BucketAddress) -> None:
    scan(address)
    child = os.fork()
    if not child:
        try:
            scan(address)
        except RuntimeError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
