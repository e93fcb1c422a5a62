"""What the fields of the JSON output mean."""

from collections.abc import Mapping

from services.scoring.domain import METRICS

MEANINGS: Mapping[str, str] = {
    "motion": "mean length of the optical flow, per second",
    "motion_jump": "the step that departs most from the steps around it",
    "warping_error": "each frame against the one before, moved along the flow, where it was visible (Lai et al. 2018); "
    "details.visible is that share of the picture",
    "flicker": "light that jumps to and fro, apart from motion; root mean square over the frames",
    "temporal_flicker": "VBench's: (255 - mean change of R, G and B) / 255, of static clips only",
    "frozen_frames": "as FFmpeg's freezedetect judges them, for at least --freeze-seconds",
    "black_frames": "as FFmpeg's blackdetect judges them",
    "cuts": "how many FFmpeg's scdet finds inside the clip; the series is its score in percent",
}
"""What is measured, for the metrics whose name and unit do not say it."""


def _about(name: str) -> str:
    metric = METRICS[name]
    meaning = f"{MEANINGS[name]}; " if name in MEANINGS else ""
    return f"score: {meaning}{metric.unit}; {metric.range}; better: {metric.direction}"


FIELDS: Mapping[str, str] = {
    "verdict": "score: pass, warn or fail; the weakest gate decides",
    "quality_score": "score: 0 to 1, higher is better; falls whenever any gated metric gets worse",
    "metric_suite_version": "score: numbers of different versions are not compared",
    "identity_backend": "score, identity: name and version of what compares faces; numbers of different ones are not "
    "compared",
    "metrics": "by name: the metrics of this clip",
    "value": "the metric's value, in its unit; null with a reason in not_measurable",
    "unit": "of the value",
    "direction": "higher, lower (is better) or two_sided",
    "worst_frame": "where the metric is worst, counted from 0; null where no frame shows any of it",
    "worst_value": "the value there",
    "worst_region": "x, y, width, height in pixels of the clip: where in that frame it is worst",
    "details": "further numbers of the same metric",
    "note": "one line for people",
    "outcomes": "score: each gate with its verdict, the limit that was crossed, and a sentence",
    "series": "with --series: [frame, value] for every frame",
    **{f"metrics.{name}": _about(name) for name in METRICS},
    "frames": "compare: frames compared",
    "left_out": "compare: frames of the longer clip that had no partner; 0 without --align start",
    "resized": "compare: true if the clip was resized to the reference",
    "bits": "compare: of the samples; 255 is the peak of 8 bits, 1023 of 10",
    "range": "compare: full or native, as asked",
    "expanded": "compare: true if a limited-range stream was expanded to the full range before measuring",
    "segments": "drift: the clips in their order, with what could not be measured",
    "position": "drift: counted from 1, the clip that the others are set against",
    "clip": "drift: its file",
    "reason": "drift: why a clip has no value",
    "values": "drift: one for each clip that has one",
    "limit_above": "drift: of the gate: fails above, or warns if nothing fails; limit_below likewise",
    "slope": "drift: per segment, with its 95 % interval in slope_low and slope_high; null with fewer than 3 clips",
    "crossed_at": "drift: the first clip that is beyond a limit",
    "crossing": "drift: the position that is expected to be the first beyond the limit, with the earliest and latest "
    "(95 %); null unless the slope is news",
    "outlook": "drift: that in words",
    "metrics.ssim": "compare: SSIM of luma, 7x7 uniform window, sample covariance; -1 to 1, higher is better",
    "metrics.ssim_gaussian": "compare: SSIM of luma, Gaussian window (sigma 1.5, 11 taps), population covariance; -1 "
    "to 1, higher is better",
    "metrics.psnr_y": "compare: PSNR of Y in dB, higher is better, null where the planes are equal (infinite); psnr_u "
    "and psnr_v likewise, absent where the two clips have no such planes of one shape",
    "metrics.mse": "compare: mean squared error of luma in squared levels; 0 upwards, lower is better",
    "metrics.mae": "compare: mean absolute error of luma in levels; 0 upwards, lower is better",
    "mean": "compare: mean over the frames; null if infinite",
    "p5": "compare: one frame in twenty is at least as bad; null if infinite",
    "pooled": "compare: PSNR of the mean squared error of all frames; null if infinite",
    "similarity": "identity: likeness of the two pictures' faces as the back-end measures it, higher is more alike",
    "is_identity": "identity: false if the back-end only notices that a look changed",
    "usable": "identity --status: false if nothing can be compared; problem says why",
    "device": "identity --status: cpu or cuda, as asked",
    "providers": "identity --status: by model, what its session really runs on (session.get_providers())",
    "problem": "identity --status: what is missing, or that a model runs on the processor although CUDA was asked for",
    "notice": "identity --status: what the numbers mean, and what the licence of the weights allows",
}
"""Every field of the JSON output: meaning, unit, range, direction."""
