"""`boundary` and `smooth` on encoded clips: what is said, what is written, and what is refused."""

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from services.smoothing.adapters.clips import kept_frames, write_repaired
from services.smoothing.commands import FIELDS, main
from services.smoothing.domain import Method
from services.smoothing.kernels.picture import luma
from services.smoothing.workers import repairing
from services.smoothing.workers.checking import check
from services.smoothing.workers.repairing import smooth
from shared.video.decode import VideoError, iter_frames
from shared.video.encode import encode_h264
from shared.video.ends import facts
from tests.support.seams import CORPUS, WARM, Rgb, Seam, exposed

SIZE = (160, 96)
CONTROL = Seam(photograph="astronaut", move="pan", defect="none")
LIGHT = Seam(photograph="astronaut", move="pan", defect="exposure step", spoil=exposed(1.15))
COLOUR = Seam(photograph="astronaut", move="pan", defect="colour step", spoil=WARM)


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return COLOUR.clips(tmp_path_factory.mktemp("colour"), frames=24, size=SIZE)


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return CONTROL.clips(tmp_path_factory.mktemp("control"), frames=24, size=SIZE)


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    assert main([str(argument) for argument in arguments]) == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def pixels(path: Path) -> list[Rgb]:
    return [frame.rgb for frame in iter_frames(path)]


class TestBoundary:
    def test_a_continuous_move_is_green_and_a_colour_step_is_not(
        self, colour: tuple[Path, Path], control: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert said(capsys, "boundary", *control, "--json")["verdict"] == "green"
        spoiled = said(capsys, "boundary", *colour, "--json")
        assert spoiled["verdict"] in {"yellow", "red"}
        assert spoiled["recommendation"] == "frame_blending"
        assert (spoiled["before"]["offset"], spoiled["before"]["kind"]) == (0, "appearance")
        assert spoiled["before"]["saturation_step"] > 0.005

    def test_both_seams_of_the_middle_clip(
        self, colour: tuple[Path, Path], control: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        report = said(capsys, "boundary", *control, "--after", colour[1], "--json")
        assert report["before"]["verdict"] == "green"
        assert report["boundary_ssim_after"] == report["after"]["ssim"]
        assert report["verdict"] == report["after"]["verdict"] != "green"

    def test_every_field_is_explained(
        self, colour: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        look = said(capsys, "boundary", *colour, "--after", colour[0], "--series", "--json")
        mend = said(capsys, "smooth", *colour, "--method", "blend", "--out", tmp_path, "--json")
        assert names(look) | names(mend) == set(FIELDS)
        assert len(look["before"]["steps"]) == 23

    def test_ssim_is_that_of_the_two_frames_at_the_cut(self, colour: tuple[Path, Path]) -> None:
        last, first = pixels(colour[0])[-1], pixels(colour[1])[0]
        expected = structural_similarity(luma(rgb=last), luma(rgb=first))
        assert check(*colour).ssim == pytest.approx(expected, abs=1e-8)

    def test_a_draft_is_compared_with_the_full_tier(self, control: tuple[Path, Path], tmp_path: Path) -> None:
        draft = tmp_path / "draft.mp4"
        encode_h264(draft, CONTROL.next(frames=20, size=(80, 48)), fps=16)
        assert check(control[0], draft).worst_visibility < 1.0

    def test_a_repeated_handover_frame_is_no_stutter(self, control: tuple[Path, Path], tmp_path: Path) -> None:
        handed = tmp_path / "handed.mp4"
        encode_h264(handed, [pixels(control[0])[-1], *CONTROL.next(frames=20, size=SIZE)], fps=16)
        seam = check(control[0], handed)
        assert seam.repeats_handover
        assert seam.worst_visibility < 1.0
        assert not check(*control).repeats_handover


def names(answer: dict[str, Any]) -> set[str]:
    found = set(answer)
    for value in answer.values():
        for inner in value if isinstance(value, list) else [value]:
            found |= names(inner) if isinstance(inner, dict) else set()
    return found


class TestSmooth:
    def test_a_repair_is_a_new_file_and_the_rest_stays_as_it_was(
        self, colour: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = [path.read_bytes() for path in colour]
        report = said(capsys, "smooth", *colour, "--method", "blend", "--frames", "6", "--out", tmp_path, "--json")
        assert report["accepted"]
        assert (report["previous"], report["changed_frames"]) == (None, 6)
        assert [path.read_bytes() for path in colour] == given
        was, became = pixels(colour[1]), pixels(Path(report["next"]))
        assert len(was) == len(became)
        for one, two in zip(was[7:], became[7:], strict=True):
            assert np.abs(one.astype(np.float32) - two).mean() < 2.0
        assert report["after"]["visibility"] < 0.5 * report["before"]["visibility"]

    def test_a_seam_that_is_none_is_not_touched(
        self, control: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for method in ("blend", "reextract"):
            report = said(capsys, "smooth", *control, "--method", method, "--out", tmp_path, "--json", code=1)
            assert report["refused_because"] != []
            assert (report["previous"], report["next"]) == (None, None)
        assert list(tmp_path.iterdir()) == []

    def test_half_a_re_extraction_leaves_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The later clip breaks while it is written, after the earlier one was."""
        seam = next(seam for seam in CORPUS if seam.rewind == 6)
        clips = seam.clips(tmp_path, frames=24, size=SIZE)
        whole = repairing.write_repaired

        def breaking(path: Path, frames: Iterable[Rgb], *, fps: Fraction, source: Path, skip: int = 0) -> int:
            if source == clips[1]:
                raise VideoError("frame 7 is damaged")
            return whole(path, frames, fps=fps, source=source, skip=skip)

        monkeypatch.setattr(repairing, "write_repaired", breaking)
        with pytest.raises(VideoError, match="frame 7"):
            smooth(*clips, method=Method.RE_EXTRACTION, out=tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []

    def test_progress_counts_the_frames_that_are_encoded(self, colour: tuple[Path, Path], tmp_path: Path) -> None:
        told: list[tuple[int, int]] = []
        smooth(*colour, method=Method.FRAME_BLENDING, out=tmp_path, progress=lambda *now: told.append(now))
        assert told == [(frame, 24) for frame in range(1, 25)]

    def test_a_repair_that_is_refused_leaves_no_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One frame is too short a fade for a still scene: half the step stays visible."""
        still = Seam(photograph="astronaut", move="still", defect="colour step", spoil=WARM)
        clips = still.clips(tmp_path, frames=20, size=SIZE)
        out = tmp_path / "out"
        report = said(
            capsys, "smooth", *clips, "--method", "blend", "--frames", "1", "--out", out, "--json", code=1
        )  # fmt: skip
        refused = report["refused_because"]
        assert any(reason.startswith("a new seam appears 1 frame after the cut") for reason in refused)
        assert list(out.iterdir()) == []

    def test_a_step_before_the_cut_is_repaired_in_the_earlier_clip(self, tmp_path: Path) -> None:
        frames = list(COLOUR.previous(frames=24, size=SIZE))
        early, later = tmp_path / "early.mp4", tmp_path / "later.mp4"
        encode_h264(early, [*frames[:20], *map(WARM, frames[20:])], fps=16)
        encode_h264(later, COLOUR.next(frames=24, size=SIZE), fps=16)
        repair = smooth(early, later, method=Method.FRAME_BLENDING, out=tmp_path / "out")
        assert repair.offset == -4
        assert repair.decision.accepted, repair.decision.reasons
        assert repair.next is None
        assert repair.previous is not None
        assert len(pixels(repair.previous)) == 24
        assert np.abs(pixels(repair.previous)[-1].astype(np.float32) - pixels(early)[-1]).mean() < 3.0

    def test_re_extraction_drops_what_was_shown_twice(self, tmp_path: Path) -> None:
        seam = next(seam for seam in CORPUS if seam.rewind == 4)
        clips = seam.clips(tmp_path, frames=24, size=SIZE)
        repair = smooth(*clips, method=Method.RE_EXTRACTION, out=tmp_path / "out")
        assert repair.decision.accepted, repair.decision.reasons
        assert repair.dropped_previous + repair.dropped_next == 4
        for path, dropped in ((repair.previous, repair.dropped_previous), (repair.next, repair.dropped_next)):
            assert (path is None) == (dropped == 0)
            assert path is None or len(pixels(path)) == 24 - dropped

    def test_an_earlier_repair_is_never_overwritten(self, colour: tuple[Path, Path], tmp_path: Path) -> None:
        first = smooth(*colour, method=Method.FRAME_BLENDING, out=tmp_path, frames=4)
        second = smooth(*colour, method=Method.FRAME_BLENDING, out=tmp_path, frames=5)
        assert first.next is not None
        assert second.next is not None
        assert first.next != second.next
        assert first.next.exists()

    @pytest.mark.parametrize("method", [Method.FRAME_BLENDING, Method.RE_EXTRACTION])
    def test_sound_is_kept_and_stays_in_step(self, method: Method, tmp_path: Path) -> None:
        rewound = method is Method.RE_EXTRACTION
        seam = next(seam for seam in CORPUS if seam.rewind == 6) if rewound else COLOUR
        clips = seam.clips(tmp_path, frames=24, size=SIZE)
        for clip in clips:
            with_sound(clip)
        repair = smooth(*clips, method=method, out=tmp_path / "out")
        assert repair.decision.accepted, repair.decision.reasons
        made = [path for path in (repair.previous, repair.next) if path is not None]
        assert made
        assert (repair.dropped_next > 0) == rewound
        for path in made:
            gone = repair.dropped_next if path == repair.next else 0
            source = clips[1] if path == repair.next else clips[0]
            assert sound(path) == pytest.approx(sound(source, skip=gone / 16), abs=0.008)


def test_odd_sizes_ten_bits_and_other_containers_are_repaired_with_their_sound(tmp_path: Path) -> None:
    size = (163, 95)
    clips = tmp_path / "previous.mkv", tmp_path / "next.mkv"
    runs = LIGHT.previous(frames=24, size=size), LIGHT.next(frames=24, size=size)
    for clip, frames in zip(clips, runs, strict=True):
        with av.open(str(clip), mode="w", format="matroska") as made:
            video = made.add_stream("ffv1", rate=Fraction(24000, 1001))
            audio = made.add_stream("flac", rate=48_000, layout="mono", format="s16")
            video.width, video.height, video.pix_fmt = *size, "yuv422p10le"
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                made.mux(video.encode(picture.reformat(format="yuv422p10le")))
            made.mux(video.encode(None))
            resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
            for frame in tone():
                for part in resampler.resample(frame):
                    made.mux(audio.encode(part))
            made.mux(audio.encode(None))
    repair = smooth(*clips, method=Method.FRAME_BLENDING, out=tmp_path / "out")
    assert repair.decision.accepted, repair.decision.reasons
    assert repair.next is not None
    found = facts(repair.next)
    assert (found.width, found.height, found.fps, found.has_audio) == (164, 96, Fraction(24000, 1001), True)


def as_pngs(clip: Path, folder: Path) -> Path:
    folder.mkdir()
    for index, frame in enumerate(pixels(clip)):
        cv2.imwrite(str(folder / f"frame_{index + 1}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


class TestSequences:
    def test_a_folder_of_pngs_is_measured_as_the_clip_it_came_from(
        self, colour: tuple[Path, Path], tmp_path: Path
    ) -> None:
        whole = check(*colour)
        folders = as_pngs(colour[0], tmp_path / "a"), as_pngs(colour[1], tmp_path / "b")
        assert check(*folders) == whole
        assert check(folders[0], colour[1]) == whole

    def test_a_repaired_folder_is_a_clip_at_the_rate_of_its_neighbour(
        self, colour: tuple[Path, Path], tmp_path: Path
    ) -> None:
        folder = as_pngs(colour[1], tmp_path / "b")
        repair = smooth(colour[0], folder, method=Method.FRAME_BLENDING, out=tmp_path / "out")
        assert repair.decision.accepted, repair.decision.reasons
        assert repair.next is not None
        assert facts(repair.next).fps == 16
        assert len(pixels(repair.next)) == 24

    @pytest.mark.parametrize(
        ("content", "line"),
        [({}, "the folder has no PNG pictures"), ({"1.png": b"x"}, "1.png is not a readable PNG picture")],
    )
    def test_a_folder_that_is_no_sequence_is_one_line_and_exit_code_2(
        self, content: dict[str, bytes], line: str, colour: tuple[Path, Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        for name, data in content.items():
            (tmp_path / name).write_bytes(data)
        assert main(["boundary", str(colour[0]), str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"boundary: {line}\n"


def test_sound_of_dropped_frames_is_dropped_with_them(tmp_path: Path) -> None:
    clip, _ = COLOUR.clips(tmp_path, frames=24, size=SIZE)
    with_sound(clip)
    made = tmp_path / "made.mp4"
    assert write_repaired(made, kept_frames(clip, skip=4, drop=1), fps=Fraction(16), source=clip, skip=4) == 19
    assert sound(made) == pytest.approx(sound(clip, skip=4 / 16), abs=0.008)
    assert facts(made).has_audio


def with_sound(clip: Path) -> None:
    """Adds two seconds of a tone whose loudness rises, as AAC."""
    partial = clip.with_suffix(".sound.mp4")
    with av.open(str(clip)) as given, av.open(str(partial), mode="w") as made:
        video = made.add_stream_from_template(given.streams.video[0])
        audio = made.add_stream("aac", rate=48_000, layout="mono")
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                made.mux(packet)
        for frame in tone():
            made.mux(audio.encode(frame))
        made.mux(audio.encode(None))
    partial.replace(clip)


def tone() -> Iterator[av.AudioFrame]:
    time = np.arange(72_000) / 48_000
    wave = (0.6 * time / 1.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    for start in range(0, len(wave), 1024):
        block = np.ascontiguousarray(wave[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        yield frame


def sound(path: Path, *, skip: float = 0.0) -> list[float]:
    """Loudness of eight moments of the first second that is left."""
    with av.open(str(path)) as container:
        blocks = [
            (float(frame.time or 0.0), frame.to_ndarray()[0]) for frame in container.decode(container.streams.audio[0])
        ]
    times = np.concatenate([start + np.arange(len(block)) / 48_000 for start, block in blocks]) - skip
    wave = np.concatenate([block for _, block in blocks])
    edges = np.linspace(0.1, 1.1, 9)
    pairs = zip(edges, islice(edges, 1, None), strict=False)
    return [float(np.sqrt(np.mean(wave[(times >= low) & (times < high)] ** 2))) for low, high in pairs]


class TestBadInput:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["boundary", "a.mp4"],
            ["boundary", "a", "b", "--window", "x"],
            ["smooth", "a", "b", "--method", "glue"],
            ["x"],
        ],
    )
    def test_wrong_usage_is_one_line_and_exit_code_2(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("rushes") and error.count("\n") == 1

    def test_the_fields_of_the_json_are_explained(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["smooth", "--fields"])
        assert end.value.code == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIELDS)

    @pytest.mark.parametrize(
        ("content", "line"),
        [(None, "the file does not exist"), (b"", "the file is empty (0 bytes)"), (b"text", "not a readable")],
    )
    def test_a_file_that_is_no_clip_is_one_line_and_exit_code_2(
        self, content: bytes | None, line: str, control: tuple[Path, Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        path = tmp_path / "clip.mp4"
        if content is not None:
            path.write_bytes(content)
        for arguments in (["boundary", str(control[0]), str(path)], ["boundary", str(path), str(control[1])]):
            assert main(arguments) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"boundary: {line}")
            assert error.count("\n") == 1

    @pytest.mark.parametrize(
        ("size", "fps", "frames", "line"),
        [
            ((96, 160), 16, 20, "the clips have different shapes: 160x96 and 96x160"),
            (SIZE, 24, 20, "the clips run at 16 and 24 frames per second"),
            (SIZE, 16, 1, "each clip needs at least 2 frames, not 1"),
            ((20, 12), 16, 20, "frames of 20x12 are too small; 32x32 is least"),
        ],
    )
    def test_a_pair_that_cannot_be_compared_says_why(
        self, size: tuple[int, int], fps: int, frames: int, line: str, control: tuple[Path, Path], tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        other = tmp_path / "other.mp4"
        encode_h264(other, CONTROL.next(frames=frames, size=size), fps=fps)
        assert main(["boundary", str(control[0]), str(other)]) == 2
        assert capsys.readouterr().err == f"boundary: {line}\n"

    def test_numbers_out_of_reach_are_refused(
        self, control: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pair = [str(path) for path in control]
        assert main(["boundary", *pair, "--window", "0"]) == 2
        assert main(["smooth", *pair, "--method", "blend", "--frames", "-1", "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err == (
            "boundary: a window of 0 frames is not possible; 1 to 240 are\n"
            "smooth: -1 frames are not possible; 1 to 120 are\n"
        )

    def test_a_clip_that_breaks_off_while_it_is_repaired_leaves_nothing(
        self, colour: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken, out = tmp_path / "broken.mp4", tmp_path / "out"
        content = bytearray(colour[1].read_bytes())
        broken.write_bytes(bytes(content[: int(len(content) * 0.85)]))
        assert (
            main(["smooth", str(colour[0]), str(broken), "--method", "blend", "--frames", "4", "--out", str(out)]) == 2
        )
        assert capsys.readouterr().err.count("\n") == 1
        assert list(out.iterdir()) == []

    def test_an_output_folder_that_is_a_file_is_refused(
        self, colour: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        taken = tmp_path / "taken"
        taken.write_text("x")
        assert main(["smooth", *map(str, colour), "--method", "blend", "--out", str(taken)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
