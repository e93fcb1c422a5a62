"""The stand-in's image model as a pure function: what changes the pixels, how smoothly, and what does not."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from deploy.comfyui_standin.image_model import Checkpoint, Lora, Pixels, Settings, embed, prepare, render, resize
from deploy.comfyui_standin.lora_files import (
    FIELD_CELLS,
    Region,
    colour_matrix,
    displacement_field,
    read_checkpoint,
    read_lora,
    write_checkpoint,
    write_lora,
    write_lora_from_parameters,
)

ASTRONAUT = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
START = resize(ASTRONAUT, width=64, height=64)
SETTINGS = Settings(width=64, height=64, frames=6, seed=11, steps=4, cfg=6.0)
NO_LORA = Lora(
    colour=np.zeros((3, 4), np.float32),
    local_colour=np.zeros((3, 4), np.float32),
    region=np.zeros((FIELD_CELLS, FIELD_CELLS), np.float32),
    displacement=np.zeros((2, FIELD_CELLS, FIELD_CELLS), np.float32),
    detail=np.zeros(2, np.float32),
)
REGION = Region(0.44, 0.22, 0.2, 0.2)
STRONG = Lora(
    colour=colour_matrix(warmth=0.05, saturation=0.1),
    local_colour=colour_matrix(hue=0.3),
    region=REGION.weights(),
    displacement=displacement_field(REGION, bulge=0.03, swirl=0.03),
    detail=np.asarray([0.2, 0.1], np.float32),
)


def clip(
    settings: Settings = SETTINGS,
    *loras: tuple[Lora, float],
    start: Pixels = START,
    checkpoint: Checkpoint | None = None,
) -> Pixels:
    look = prepare(settings, checkpoint or Checkpoint(), loras)
    return np.stack(list(render(start, look)))


def distance(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_the_same_settings_give_the_same_bytes() -> None:
    assert clip(SETTINGS).tobytes() == clip(SETTINGS).tobytes()


def test_another_seed_gives_another_clip() -> None:
    assert distance(clip(), clip(replace(SETTINGS, seed=12))) > 0.5


def test_a_lora_of_zeros_changes_nothing() -> None:
    assert np.array_equal(clip(), clip(SETTINGS, (NO_LORA, 1.0)))


def test_a_lora_at_strength_zero_changes_nothing() -> None:
    assert np.array_equal(clip(), clip(SETTINGS, (STRONG, 0.0)))


def test_a_loras_effect_grows_steadily_with_its_strength() -> None:
    plain = clip()
    grown = [distance(plain, clip(SETTINGS, (STRONG, strength))) for strength in (0.25, 0.5, 0.75, 1.0)]
    assert grown == sorted(grown)
    steps = np.diff([0.0, *grown])
    assert steps.max() < 4 * steps.min()


def test_a_little_more_strength_changes_little() -> None:
    assert distance(clip(SETTINGS, (STRONG, 0.80)), clip(SETTINGS, (STRONG, 0.81))) < 0.5


def test_the_clip_begins_with_its_start_image() -> None:
    assert distance(clip()[0], START) < 4.0


def test_frames_follow_each_other_without_a_jump() -> None:
    frames = clip(replace(SETTINGS, frames=16))
    moves = [distance(one, other) for one, other in pairwise(frames)]
    assert max(moves) < 3 * float(np.median(moves))


def test_a_chain_of_clips_drifts_further_with_each_link() -> None:
    start, ends = START, list[Pixels]()
    for position in range(3):
        settings = replace(SETTINGS, seed=20 + position)
        plain, changed = clip(settings, start=start), clip(settings, (STRONG, 1.0), start=ends[-1] if ends else start)
        start = plain[-1]
        ends.append(changed[-1])
        if position == 0:
            first = distance(plain[-1], changed[-1])
    assert distance(start, ends[-1]) > 1.5 * first


def test_more_steps_leave_less_grain() -> None:
    grain = []
    for steps in (2, 6, 20):
        flat = np.full_like(START, 128)
        grain.append(float(clip(replace(SETTINGS, steps=steps), start=flat)[-1].std()))
    assert grain == sorted(grain, reverse=True)
    assert grain[0] > grain[-1]


@pytest.mark.parametrize("change", [{"cfg": 9.0}, {"sampler": "heun"}, {"scheduler": "karras"}, {"denoise": 0.5}])
def test_every_sampler_setting_shows_in_the_pixels(change: dict[str, object]) -> None:
    other = replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert 0.0 < distance(clip(), clip(other)) < 12.0


def test_more_guidance_means_more_contrast() -> None:
    low, high = clip(replace(SETTINGS, cfg=1.0))[-1], clip(replace(SETTINGS, cfg=15.0))[-1]
    assert high.std() > low.std()


def test_a_prompt_changes_the_clip_and_a_similar_prompt_changes_it_less() -> None:
    words = "a calm portrait of an astronaut in front of a rocket"
    base = clip(replace(SETTINGS, embedding=embed(words)))
    near = clip(replace(SETTINGS, embedding=embed(words + " today")))
    far = clip(replace(SETTINGS, embedding=embed("neon rain")))
    assert 0.0 < distance(base, near) < distance(base, far)


def test_an_empty_prompt_adds_nothing() -> None:
    assert embed("  ") == (0.0,) * 6


def test_a_draft_shows_the_same_scene_as_the_full_size() -> None:
    full = clip(replace(SETTINGS, width=128, height=128), (STRONG, 1.0), start=ASTRONAUT)[-1]
    draft = clip(SETTINGS, (STRONG, 1.0), start=ASTRONAUT)[-1]
    other = clip(replace(SETTINGS, seed=12), (STRONG, 1.0), start=ASTRONAUT)[-1]
    same = distance(resize(full, width=64, height=64), draft)
    assert same < distance(resize(full, width=64, height=64), other)


def test_a_checkpoint_file_changes_tone_and_comes_back_as_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "base.safetensors")
    write_checkpoint(tmp_path / "dark.safetensors", tone_gamma=1.2)
    base, dark = read_checkpoint(tmp_path / "base.safetensors"), read_checkpoint(tmp_path / "dark.safetensors")
    assert np.array_equal(clip(checkpoint=base), clip())
    assert clip(checkpoint=dark)[-1].mean() < clip()[-1].mean()


def test_a_lora_file_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "look.safetensors"
    write_lora(path, colour=STRONG.colour, region=REGION, displacement=STRONG.displacement, detail=(0.2, 0.1))
    read = read_lora(path)
    assert np.array_equal(read.colour, STRONG.colour)
    assert np.array_equal(read.displacement, STRONG.displacement)
    assert np.array_equal(read.region, REGION.weights())


def test_a_requantised_lora_changes_pixels_but_hardly_the_picture(tmp_path: Path) -> None:
    parameters = {"colour": {"warmth": 0.011, "saturation": 0.023}, "detail": [0.05, 0.02]}
    write_lora_from_parameters(tmp_path / "a.safetensors", parameters)
    write_lora_from_parameters(tmp_path / "b.safetensors", {**parameters, "quantisation_step": 1 / 512})
    one, other = (clip(SETTINGS, (read_lora(tmp_path / name), 1.0)) for name in ("a.safetensors", "b.safetensors"))
    assert 0.0 < distance(one, other) < 0.5


def test_a_file_that_is_no_lora_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "junk.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match=r"junk\.safetensors"):
        read_lora(tmp_path / "junk.safetensors")
    write_checkpoint(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="lora key not found"):
        read_lora(tmp_path / "other.safetensors")


def test_progress_is_told_once_per_step_and_may_stop_the_render() -> None:
    heard: list[int] = []
    list(render(START, prepare(SETTINGS, Checkpoint(), ()), heard.append))
    assert sorted(set(heard)) == [0, 1, 2, 3, 4]

    def stop(step: int) -> None:
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(render(START, prepare(SETTINGS, Checkpoint(), ()), stop))
