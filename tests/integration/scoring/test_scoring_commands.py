"""The commands: what they print, what they refuse in one line, and with which exit code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from services.scoring.commands import FIELDS, main
from services.scoring.domain import CLIP_METRICS
from tests.support.clips import camera, clip, photograph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    clip(folder / "good.mp4", camera(photograph("astronaut"), frames=8))
    clip(folder / "short.mp4", camera(photograph("astronaut"), frames=5))
    clip(folder / "small.mp4", camera(photograph("astronaut"), frames=8, size=(80, 80)))
    (folder / "pictures").mkdir()
    for number, picture in enumerate(camera(photograph("astronaut"), frames=6)):
        Image.fromarray(picture).save(folder / "pictures" / f"{number}.png")
    Image.fromarray(photograph("astronaut")).save(folder / "face.png")
    Image.fromarray(photograph("coffee")).save(folder / "cup.png")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "cut.mp4").write_bytes((folder / "good.mp4").read_bytes()[:-3000])
    (folder / "strict.json").write_text('{"sharpness": {"fail_below": 0.99}}')
    (folder / "wrong.json").write_text('{"sharpness": {"fail_above": 0.99}}')
    (folder / "nonsense.json").write_text("[1, 2")
    return folder


@pytest.fixture(autouse=True)
def weightless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCORING_IDENTITY_BACKEND", "SCORING_IDENTITY_DEVICE", "RUSHES_FACE_MODELS"):
        monkeypatch.delenv(name, raising=False)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([str(each) for each in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_score_as_json_has_every_metric_with_its_unit_and_direction(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = said(capsys, "score", folder / "good.mp4", "--identity", folder / "face.png", "--json")
    assert tuple(report["metrics"]) == CLIP_METRICS
    assert report["verdict"] == "pass"
    assert report["metrics"]["sharpness"]["direction"] == "higher"
    assert report["metrics"]["identity_similarity"]["value"] > 0.9
    assert "series" not in report["metrics"]["sharpness"]


def test_every_json_field_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = (
        said(capsys, "score", folder / "good.mp4", "--identity", folder / "face.png", "--series", "--json"),
        said(capsys, "compare", folder / "good.mp4", folder / "good.mp4", "--series", "--json"),
    )
    for report in reports:
        fields = {*report} | {key for metric in report["metrics"].values() for key in metric}
        assert fields - {"width", "height", "not_measurable"} <= set(FIELDS)
        assert {f"metrics.{name}" for name in report["metrics"]} - {"metrics.psnr_u", "metrics.psnr_v"} <= set(FIELDS)


def test_series_have_a_value_for_every_frame(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = said(capsys, "score", folder / "good.mp4", "--series", "--json")
    for name, first in (("sharpness", 0), ("motion", 1), ("frozen_frames", 1), ("black_frames", 0)):
        assert [frame for frame, _ in report["metrics"][name]["series"]] == list(range(first, 8))
    compared = said(capsys, "compare", folder / "good.mp4", folder / "good.mp4", "--series", "--json")
    assert compared["metrics"]["ssim"]["series"] == [[frame, 1.0] for frame in range(8)]
    assert compared["metrics"]["psnr_y"]["mean"] is None
    where = {(found["worst_frame"], found["worst_region"]) for found in compared["metrics"].values()}
    assert where == {(None, None)}, "a clip that equals the reference is nowhere worst"


def test_what_was_expected_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = ("--expect-frames", 8, "--expect-fps", 16, "--expect-size", "160x160")
    good = folder / "good.mp4"
    assert said(capsys, "score", good, *right, "--json")["metrics"]["matches_request"]["value"] == 1.0
    wrong = said(capsys, "score", good, *right[:-1], "320x160", "--json")
    assert wrong["verdict"] == "fail"
    assert wrong["metrics"]["matches_request"]["note"] == "width 160 instead of 320"


def test_gates_of_a_file_replace_the_built_in_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = said(capsys, "score", folder / "good.mp4", "--gates", folder / "strict.json", "--json")
    assert report["verdict"] == "fail"
    assert report["quality_score"] <= 0.25


def test_how_long_a_freeze_must_last_can_be_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shots = list(camera(photograph("astronaut"), frames=16))
    held = clip(folder / "held.mp4", iter([*shots[:4], *[shots[4]] * 8, *shots[12:]]))
    for seconds, share in (("0.25", 7 / 15), ("0.5", 7 / 15), ("0.6", 0.0)):
        report = said(capsys, "score", held, "--freeze-seconds", seconds, "--json")
        assert report["metrics"]["frozen_frames"]["value"] == pytest.approx(share)


def test_a_folder_of_pictures_is_scored(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = said(capsys, "score", folder / "pictures", "--fps", 12, "--expect-fps", 12, "--expect-frames", 6, "--json")
    assert report["metrics"]["matches_request"]["value"] == 1.0
    assert report["metrics"]["motion"]["value"] > 0


def test_of_several_source_images_the_likest_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def similarity(*images: str) -> float:
        named = [part for image in images for part in ("--identity", folder / image)]
        report = said(capsys, "score", folder / "good.mp4", *named, "--json")
        return float(report["metrics"]["identity_similarity"]["value"] or 0)

    assert similarity("face.png", "cup.png") == similarity("face.png") > 0.9


@pytest.fixture(scope="module")
def reddening(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five clips of one picture, each redder than the one before, and the last one no clip at all."""
    folder = tmp_path_factory.mktemp("chain")
    clips = []
    for number in range(5):
        redder = [
            np.clip(frame + np.array([3 * number, 0, -3 * number]), 0, 255).astype(np.uint8)
            for frame in camera(photograph("astronaut"), frames=4)
        ]
        clips.append(clip(folder / f"{number}.mp4", redder))
    (folder / "broken.mp4").write_bytes(b"no clip")
    return [*clips, folder / "broken.mp4"]


def test_drift_of_files_in_their_order(reddening: list[Path], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = said(capsys, "drift", *reddening, "--identity", folder / "face.png", "--json")
    colour = report["metrics"]["drift_colour"]
    values = [each["value"] for each in colour["values"]]
    assert values[0] == 0.0 and values == sorted(values) and values[4] > 5
    assert 0 < colour["slope_low"] < colour["slope"] < colour["slope_high"]
    assert colour["slope"] == pytest.approx(values[4] / 4, rel=0.1)
    expected = 1 + 20.0 / colour["slope"]
    assert colour["crossing"]["limit"] == 20.0
    assert colour["crossing"]["position"] == pytest.approx(expected, abs=1.1)
    assert colour["crossing"]["earliest"] <= colour["crossing"]["position"] <= colour["crossing"]["latest"]
    assert report["metrics"]["drift_contrast"]["crossing"] is None
    assert [each["position"] for each in report["metrics"]["drift_identity"]["values"]] == [1, 2, 3, 4, 5]
    assert report["segments"][5]["not_measurable"].startswith("the clip cannot be decoded")
    fields = {*report} | {key for metric in report["metrics"].values() for key in metric} | {*report["segments"][0]}
    assert fields - {"not_measurable", "limit_below", "slope_low", "slope_high"} <= set(FIELDS)


def test_drift_for_people_and_without_a_person(reddening: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", *map(str, reddening[:3])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("drift_colour") and "expected beyond its limit 20 at segment" in lines[0]
    assert "segment 1 has no identity_similarity: the character has no source image" in lines[-1]


def test_the_texts_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(folder / "good.mp4")]) == 0
    assert capsys.readouterr().out.startswith("pass, quality 0.")
    assert main(["compare", str(folder / "good.mp4"), str(folder / "good.mp4")]) == 0
    assert "8 frames of 160x160, 8 bits, limited range expanded" in capsys.readouterr().out
    assert main(["identity", str(folder / "face.png"), str(folder / "face.png")]) == 0
    assert capsys.readouterr().out.startswith("1.0000 (face-region 1)")
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "--fields"])
    assert "ssim_gaussian" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "absent.mp4"], "score: the clip cannot be decoded: the file does not exist"),
        (["score", "empty.mp4"], "score: the clip cannot be decoded: the file is empty (0 bytes)"),
        (["score", "cut.mp4"], "score: the clip cannot be decoded: "),
        (["score", "face.png"], "score: the clip cannot be decoded: "),
        (["score", "good.mp4", "--identity", "good.mp4"], "score: good.mp4: the picture cannot be read"),
        (["score", "good.mp4", "--gates", "wrong.json"], "score: wrong.json is not a file of gates: sharpness: higher"),
        (["score", "good.mp4", "--gates", "nonsense.json"], "score: nonsense.json is not a file of gates: "),
        (["score", "good.mp4", "--gates", "absent.json"], "score: absent.json cannot be read: "),
        (["compare", "good.mp4", "short.mp4"], "compare: the reference has 8 frames, the clip 5; --align start"),
        (["compare", "good.mp4", "small.mp4"], "compare: the reference is 160x160, the clip 80x80; --align size"),
        (["compare", "good.mp4", "empty.mp4"], "compare: the clip: the file is empty (0 bytes)"),
        (["compare", "absent.mp4", "good.mp4"], "compare: the reference: the file does not exist"),
        (["score", "x" * 300], "score: the clip cannot be decoded: the file cannot be read: File name too long"),
        (["score", "good.mp4", "--identity", "absent.png"], "score: absent.png: the picture does not exist"),
        (["drift", "good.mp4", "absent.mp4"], "drift: absent.mp4: the clip does not exist"),
        (["identity", "--status", "face.png"], "identity: --status compares no pictures"),
        (["drift", "good.mp4"], "drift: drift needs a first clip and at least one more, in their order"),
        (["drift", "empty.mp4", "good.mp4"], "drift: empty.mp4: the clip cannot be decoded: the file is empty"),
        (["identity", "face.png"], "identity: two pictures are compared; or ask for --status"),
        (["identity", "face.png", "absent.png"], "identity: absent.png: the picture does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ('{"sharpness": {"fail_below": NaN}}', "sharpness: fail_below must be a finite number"),
        ('{"sharpness": {"fail_below": 1e999}}', "sharpness: fail_below must be a finite number"),
        ('{"sharpness": {"fail_below": 1' + 400 * "0" + "}}", "int too large to convert to float"),
        ("[1]", 'it should look like {"sharpness": {"fail_below": 0.1}}'),
        (100_000 * "[", "it is nested too deeply"),
        (b"\xff\xfe", "it is no text in UTF-8"),
    ],
    ids=["nan", "infinity", "huge", "list", "deep", "utf-16"],
)
def test_limits_that_cannot_be_are_one_line_and_exit_code_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gates: str | bytes, message: str
) -> None:
    (tmp_path / "g.json").write_bytes(gates if isinstance(gates, bytes) else gates.encode())
    assert main(["score", str(folder / "good.mp4"), "--gates", str(tmp_path / "g.json")]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"score: g.json is not a file of gates: {message}\n")


def test_what_fails_is_said_with_its_frame_and_its_region(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g.json").write_bytes(b"\xef\xbb\xbf" + (folder / "strict.json").read_bytes())
    assert main(["score", str(folder / "good.mp4"), "--gates", str(tmp_path / "g.json")]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    found = said(capsys, "score", folder / "good.mp4", "--json")["metrics"]["sharpness"]
    x, y, width, height = found["worst_region"]
    where = f"worst at frame {found['worst_frame']} in x {x}, y {y}, {width} x {height} pixels"
    assert line == f"  fail: sharpness {found['value']:.4g} is below 0.99, {where}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["score"],
        ["score", "a", "--expect-size", "9"],
        ["score", "a", "--freeze-seconds", "0"],
        ["score", "a", "--expect-frames", "0"],
        ["score", "a", "--expect-frames", "-5"],
        ["score", "a", "--expect-fps", "nan"],
        ["score", "a", "--expect-fps", "inf"],
        ["compare", "a"],
        ["nothing"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_photograph_is_seen_as_the_camera_noted_it_was_held_and_with_all_its_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a phone stores lying, with a note; and grey of 16 bits, which Pillow by itself clips at 255."""
    upright = Image.fromarray(photograph("astronaut"))
    upright.save(tmp_path / "upright.png")
    noted = Image.Exif()
    noted[ExifTags.Base.Orientation] = 6
    upright.rotate(90, expand=True).save(tmp_path / "noted.png", exif=noted)
    grey = np.asarray(upright.convert("L"))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    for one, two in (("upright", "noted"), ("grey", "grey16")):
        report = said(capsys, "identity", tmp_path / f"{one}.png", tmp_path / f"{two}.png", "--json")
        assert report["similarity"] > 0.999, two


def test_a_setting_that_cannot_be_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORING_IDENTITY_DEVICE", "tpu")
    for command in (["identity", "--status"], ["score", str(folder / "good.mp4")]):
        assert main(command) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == f"{command[0]}: SCORING_IDENTITY_DEVICE: Input should be 'cpu' or 'cuda'\n"


def test_that_a_model_fell_back_is_not_a_second_line_beside_bad_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weightless back-end has no model, so it cannot run on a graphics card, wherever this runs."""
    monkeypatch.setenv("SCORING_IDENTITY_DEVICE", "cuda")
    good, face = str(folder / "good.mp4"), str(folder / "face.png")
    for bad in (["score", "absent.mp4"], ["drift", good, "absent.mp4"], ["identity", face, "absent.png"]):
        assert main(bad) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["identity", face, face, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["similarity"] > 0.99
    assert printed.err.startswith("identity: CUDA was asked for")


def test_status_says_what_compares_and_a_missing_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(capsys, "identity", "--status", "--json")["backend"] == "face-region"
    monkeypatch.setenv("SCORING_IDENTITY_BACKEND", "onnx-pair")
    assert main(["identity", "--status", "--json"]) == 2
    printed = capsys.readouterr()
    status = json.loads(printed.out)
    assert not status["usable"] and status["is_identity"]
    assert "RUSHES_FACE_MODELS" in status["problem"]
    assert printed.err == f"identity: {status['problem']}\n"
    assert main(["identity", "a.png", "b.png"]) == 2
