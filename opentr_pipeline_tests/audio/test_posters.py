"""Pictures out of films: not black, upright, and never at the cost of anything else."""

import io
import struct
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from opentr_pipeline.audio import posters
from opentr_pipeline.audio.posters import MAX_BYTES, WIDTH, find_poster, poster_of

BLACK_S, FILM_S, RATE = 4, 10, 5
RED, BLUE = (220, 30, 30), (30, 30, 220)


def film(
    path: Path, codec: str, size: tuple[int, int] = (640, 360), *, is_black: bool = False
) -> Path:
    """Black for some seconds, then red on the left and blue on the right."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = RATE
        for number in range(FILM_S * RATE):
            picture = np.zeros((height, width, 3), "uint8")
            if number >= BLACK_S * RATE and not is_black:
                picture[:, : width // 2], picture[:, width // 2 :] = RED, BLUE
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def shown(jpeg: bytes) -> Any:
    with av.open(io.BytesIO(jpeg)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def is_like(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return bool((abs(pixel - np.array(colour)) < 60).all())


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "mpeg4"), ("a.mp4", "libx264"), ("a.webm", "libvpx")]
)
def test_a_poster_is_small_and_not_the_black_of_the_beginning(
    tmp_path: Path, name: str, codec: str
) -> None:
    jpeg = find_poster(film(tmp_path / name, codec))
    picture = shown(jpeg)
    assert picture.shape == (270, WIDTH, 3)
    assert len(jpeg) < 10_000
    assert is_like(picture[135, 100], RED)
    assert is_like(picture[135, 400], BLUE)


def test_a_film_of_a_telephone_is_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", "mpeg4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # clockwise
    content[matrix : matrix + len(turned)] = turned
    path.write_bytes(content)
    picture = shown(find_poster(path))
    assert picture.shape[0] > picture.shape[1]
    assert is_like(picture[40, 100], RED)  # what was on the left is above
    assert is_like(picture[-40, 100], BLUE)


def test_what_shows_nothing_has_no_poster(tmp_path: Path) -> None:
    assert find_poster(film(tmp_path / "a.mkv", "mpeg4", is_black=True)) == b""


def test_odd_files_cost_their_poster_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = film(tmp_path / "whole.mkv", "mpeg4")
    assert 0 < len(poster_of(whole, tmp_path) or b"") < MAX_BYTES
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[:300])
    assert poster_of(cut, tmp_path) == b""
    with pytest.raises(FileNotFoundError):
        poster_of(tmp_path / "gone.mkv", tmp_path)
    with pytest.raises(OSError, match="leaves the archive"):  # a link out of the archive
        poster_of(whole, tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "av.py").write_text("raise SystemExit")
    assert poster_of(whole, tmp_path), "a file beside the archive is no module of ours"
    monkeypatch.setattr(posters, "TIMEOUT_S", 0.001)
    assert poster_of(whole, tmp_path) is None, "another time there may be one"


def test_the_process_is_bounded() -> None:
    """More memory than it may have ends it with an error, and costs this machine nothing."""
    code = (
        "from opentr_pipeline.audio import posters; posters._within_bounds();"
        f"bytes({posters.MEMORY_BYTES})"
    )
    done = subprocess.run(["python", "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
