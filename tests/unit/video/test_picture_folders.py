"""A folder of PNG pictures: its order, its bits, and what is no clip."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from shared.video.decode import VideoError, VideoLimits
from shared.video.pictures import is_sequence, iter_pictures, picture_files, probe_pictures, read_pictures

RAMP = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21


def written(folder: Path, name: str, picture: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> Path:
    path = folder / name
    cv2.imwrite(str(path), picture)
    return path


def test_digits_in_names_are_numbers(tmp_path: Path) -> None:
    for name in ("f10.png", "f9.png", "f1.png", "f100.png", "e2.png"):
        written(tmp_path, name, np.zeros((16, 16), np.uint8))
    assert [file.name for file in picture_files(tmp_path)] == ["e2.png", "f1.png", "f9.png", "f10.png", "f100.png"]
    assert is_sequence(tmp_path) and not is_sequence(tmp_path / "f1.png")


@pytest.mark.parametrize("kind", ["grey8", "grey16", "rgb8", "rgb16", "rgba8"])
def test_every_kind_of_png_is_read_as_opencv_reads_it_with_eight_bits(tmp_path: Path, kind: str) -> None:
    colour = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
    low = (colour >> 8).astype(np.uint8)
    pictures = {
        "grey8": low[..., 0],
        "grey16": RAMP,
        "rgb8": low,
        "rgb16": colour,
        "rgba8": np.dstack([low, np.full((48, 64), 7, np.uint8)]),
    }
    path = written(tmp_path, "1.png", pictures[kind])
    (frame,) = iter_pictures(tmp_path)
    wanted = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert wanted is not None
    assert np.array_equal(frame.rgb, wanted[..., ::-1])


def test_only_the_named_pictures_are_opened(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    written(tmp_path, "2.png", np.full((16, 16, 3), 90, np.uint8))
    (last,) = read_pictures(picture_files(tmp_path)[-1:])
    assert (last == 90).all()
    with pytest.raises(VideoError, match=r"1\.png is not a readable PNG picture"):
        list(iter_pictures(tmp_path))


def test_one_size_one_rate_and_limits(tmp_path: Path) -> None:
    written(tmp_path, "1.png", np.zeros((16, 24, 3), np.uint8))
    written(tmp_path, "2.png", np.zeros((16, 16, 3), np.uint8))
    found = probe_pictures(tmp_path, fps=12)
    assert (found.width, found.height, found.frames, found.duration_seconds) == (24, 16, 2, pytest.approx(1 / 6))
    with pytest.raises(VideoError, match=r"the frame size changes: 2\.png is 16x16, the first picture 24x16"):
        list(iter_pictures(tmp_path))
    with pytest.raises(VideoError, match=r"1\.png is 24x16, which is too large"):
        probe_pictures(tmp_path, fps=12, limits=VideoLimits(max_pixels=300))
    with pytest.raises(VideoError, match="at most 1 are accepted"):
        picture_files(tmp_path, limits=VideoLimits(max_frames=1))


def test_names_in_capitals_count_and_hidden_files_do_not(tmp_path: Path) -> None:
    written(tmp_path, "A1.png", np.zeros((16, 16), np.uint8)).rename(tmp_path / "A1.PNG")
    (tmp_path / "._A1.png").write_bytes(b"\0\5\x16\7")
    assert [file.name for file in picture_files(tmp_path)] == ["A1.PNG"]


def test_a_folder_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("shared.video.pictures.os.listdir", refused)
    with pytest.raises(VideoError, match="the folder cannot be read: Permission denied"):
        picture_files(tmp_path)


def test_a_path_that_cannot_be_looked_at_is_no_folder(tmp_path: Path) -> None:
    assert not is_sequence(tmp_path / ("x" * 300))
