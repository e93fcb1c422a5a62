"""The node classes: those of the real server that an image-to-video graph needs, with the same names and inputs."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from deploy.comfyui_standin import image_model, lora_files, media
from deploy.comfyui_standin.folders import Folders, OutsideFolder, next_output
from deploy.comfyui_standin.image_model import Pixels
from deploy.comfyui_standin.node_types import JSON, Input, NodeClass, NodeResult, Running, choice, link, number, text
from deploy.comfyui_standin.node_values import Conditioning, Latent, Model, Video
from deploy.comfyui_standin.samplers import SAMPLERS, SCHEDULERS

MAX_SIDE = 16384
MAX_CLIP_BYTES = 4 * 1024**3
"""A clip is held in memory whole; beyond this one the prompt fails instead of the process."""

RESAMPLING = {
    "nearest-exact": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


def _image_problem(folders: Folders, inputs: JSON) -> str | None:
    name = inputs.get("image")
    if not isinstance(name, str):
        return None
    try:
        known = folders.annotated(name).is_file()
    except OutsideFolder:
        known = False
    return None if known else f"Invalid image file: {name}"


def _file_fingerprint(folders: Folders, inputs: JSON) -> str:
    return hashlib.sha256(folders.annotated(inputs["image"]).read_bytes()).hexdigest()


def _load_image(running: Running, inputs: JSON) -> NodeResult:
    image = media.load_image(running.folders.annotated(inputs["image"]))
    return NodeResult((image, np.zeros(image.shape[:3], np.uint8)))


def _scale_image(running: Running, inputs: JSON) -> NodeResult:
    images, width, height = inputs["image"], inputs["width"], inputs["height"]
    rows, columns = images.shape[1:3]
    if width == 0 and height == 0:
        return NodeResult((images,))
    width = width or max(1, round(columns * height / rows))
    height = height or max(1, round(rows * width / columns))
    if inputs["crop"] == "center":
        images = np.stack([image_model.resize(image, width=width, height=height) for image in images])
    method = RESAMPLING[inputs["upscale_method"]]
    return NodeResult((np.stack([cv2.resize(image, (width, height), interpolation=method) for image in images]),))


def _blur_image(running: Running, inputs: JSON) -> NodeResult:
    side = 2 * inputs["blur_radius"] + 1
    blurred = [cv2.GaussianBlur(image, (side, side), inputs["sigma"]) for image in inputs["image"]]
    return NodeResult((np.stack(blurred),))


def _repeat_image(running: Running, inputs: JSON) -> NodeResult:
    return NodeResult((np.repeat(inputs["image"], inputs["amount"], axis=0),))


def _image_from_batch(running: Running, inputs: JSON) -> NodeResult:
    images = inputs["image"]
    first = min(inputs["batch_index"], len(images) - 1)
    return NodeResult((images[first : first + inputs["length"]].copy(),))


def _load_checkpoint(running: Running, inputs: JSON) -> NodeResult:
    checkpoint = lora_files.read_checkpoint(running.folders.model_path("checkpoints", inputs["ckpt_name"]))
    return NodeResult((Model(checkpoint), "clip", "vae"))


def _load_lora(running: Running, inputs: JSON) -> NodeResult:
    model: Model = inputs["model"]
    lora = lora_files.read_lora(running.folders.model_path("loras", inputs["lora_name"]))
    model = replace(model, loras=(*model.loras, (lora, inputs["strength_model"])))
    return NodeResult((model, inputs["clip"]) if "clip" in inputs else (model,))


def _encode_text(running: Running, inputs: JSON) -> NodeResult:
    return NodeResult((Conditioning(image_model.embed(inputs["text"])),))


def _image_to_video(running: Running, inputs: JSON) -> NodeResult:
    start = inputs.get("start_image")
    first = None if start is None else start[0]
    positive, negative = (replace(inputs[name], start=first) for name in ("positive", "negative"))
    return NodeResult((positive, negative, Latent(inputs["width"], inputs["height"], inputs["length"])))


def _encode_pixels(running: Running, inputs: JSON) -> NodeResult:
    pixels = inputs["pixels"]
    return NodeResult((Latent(pixels.shape[2], pixels.shape[1], len(pixels), pixels),))


def _start_of(conditioning: Conditioning, latent: Latent, seed: int) -> Pixels:
    if conditioning.start is not None:
        return conditioning.start
    if latent.frames is not None:
        return np.asarray(latent.frames[0], np.uint8)
    clouds = np.random.default_rng(seed).uniform(40, 215, (6, 6, 3)).astype(np.float32)
    grown = cv2.resize(clouds, (latent.width, latent.height), interpolation=cv2.INTER_CUBIC)
    return np.clip(grown, 0, 255).astype(np.uint8)


def _sample(running: Running, inputs: JSON) -> NodeResult:
    model: Model = inputs["model"]
    positive: Conditioning = inputs["positive"]
    negative: Conditioning = inputs["negative"]
    latent: Latent = inputs["latent_image"]
    pairs = zip(positive.embedding, negative.embedding, strict=True)
    settings = image_model.Settings(
        width=latent.width,
        height=latent.height,
        frames=latent.length,
        seed=inputs["seed"],
        steps=inputs["steps"],
        cfg=inputs["cfg"],
        sampler=inputs["sampler_name"],
        scheduler=inputs["scheduler"],
        denoise=inputs["denoise"],
        embedding=tuple(wanted - 0.5 * unwanted for wanted, unwanted in pairs),
    )
    if latent.length * latent.height * latent.width * 3 > MAX_CLIP_BYTES:
        raise MemoryError(f"out of memory: {latent.length} frames of {latent.width}x{latent.height} are too many")
    start = _start_of(positive, latent, settings.seed)
    look = image_model.prepare(settings, model.checkpoint, model.loras)
    frames = np.empty((latent.length, latent.height, latent.width, 3), np.uint8)
    made = image_model.render(start, look, lambda step: running.progress(step, settings.steps), quick=running.quick)
    for index, frame in enumerate(made):
        frames[index] = frame
    return NodeResult((replace(latent, frames=frames),))


def _decode(running: Running, inputs: JSON) -> NodeResult:
    latent: Latent = inputs["samples"]
    if latent.frames is None:
        return NodeResult((np.full((latent.length, latent.height, latent.width, 3), 127, np.uint8),))
    return NodeResult((latent.frames,))


def _create_video(running: Running, inputs: JSON) -> NodeResult:
    return NodeResult((Video(inputs["images"], float(inputs["fps"])),))


def _save_video(running: Running, inputs: JSON) -> NodeResult:
    if inputs["format"] not in ("auto", "mp4") or inputs["codec"] not in ("auto", "h264"):
        raise ValueError("Only MP4 format and H264 codec are supported for now")
    video: Video = inputs["video"]
    root = running.folders.base / "output"
    folder, prefix, subfolder, counter = next_output(root, inputs["filename_prefix"])
    name = f"{prefix}_{counter:05}_.mp4"
    media.save_mp4(folder / name, video.images, video.fps, running.metadata)
    saved = {"filename": name, "subfolder": subfolder, "type": "output"}
    return NodeResult(ui={"images": [saved], "animated": [True]})


def _save_images(running: Running, images: Pixels, prefix: str, kind: str) -> NodeResult:
    folder, prefix, subfolder, counter = next_output(running.folders.base / kind, prefix)
    saved = []
    for offset, image in enumerate(images):
        name = f"{prefix}_{counter + offset:05}_.png"
        media.save_png(folder / name, image, running.metadata)
        saved.append({"filename": name, "subfolder": subfolder, "type": kind})
    return NodeResult(ui={"images": saved})


def _save_image(running: Running, inputs: JSON) -> NodeResult:
    return _save_images(running, inputs["images"], inputs["filename_prefix"], "output")


def _preview_image(running: Running, inputs: JSON) -> NodeResult:
    return _save_images(running, inputs["images"], "ComfyUI_temp", "temp")


def _preview_any(running: Running, inputs: JSON) -> NodeResult:
    value = inputs["source"]
    return NodeResult(ui={"text": (value if isinstance(value, str) else json.dumps(value, default=str),)})


def _value(running: Running, inputs: JSON) -> NodeResult:
    return NodeResult((inputs["value"],))


def _primitive(name: str, kind: str, spec: Input) -> NodeClass:
    return NodeClass(name, {"value": spec}, (kind,), _value, "utils/primitive", name, unchecked_choices=True)


def _files(folder: str) -> Input:
    return Input("COMBO", options=lambda folders: folders.models(folder))


def _classes() -> list[NodeClass]:
    seed = Input("INT", extra={"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True})
    strength = number("FLOAT", 1.0, -100.0, 100.0, 0.01)
    image_name = Input("COMBO", options=lambda folders: folders.input_images(), extra={"image_upload": True})
    side = number("INT", 512, 0, MAX_SIDE)
    size = number("INT", 832, 16, MAX_SIDE, 16)
    batch = number("INT", 1, 1, 4096)
    prefix = text(default="ComfyUI")
    conditions = {"positive": link("CONDITIONING"), "negative": link("CONDITIONING")}
    lora = {"model": link("MODEL"), "lora_name": _files("loras"), "strength_model": strength}
    return [
        NodeClass("LoadImage", {"image": image_name}, ("IMAGE", "MASK"), _load_image, "image", "Load Image",
                  check=_image_problem, fingerprint=_file_fingerprint),
        NodeClass("ImageScale", {"image": link("IMAGE"), "upscale_method": choice(*RESAMPLING), "width": side,
                  "height": side, "crop": choice("disabled", "center")}, ("IMAGE",), _scale_image,
                  "image/upscaling", "Upscale Image"),
        NodeClass("ImageBlur", {"image": link("IMAGE"), "blur_radius": number("INT", 1, 1, 31),
                  "sigma": number("FLOAT", 1.0, 0.1, 10.0, 0.1)}, ("IMAGE",), _blur_image,
                  "image/postprocessing", "Image Blur"),
        NodeClass("RepeatImageBatch", {"image": link("IMAGE"), "amount": batch}, ("IMAGE",), _repeat_image,
                  "image/batch", "RepeatImageBatch"),
        NodeClass("ImageFromBatch", {"image": link("IMAGE"), "batch_index": number("INT", 0, 0, 4095),
                  "length": batch}, ("IMAGE",), _image_from_batch, "image/batch", "ImageFromBatch"),
        NodeClass("CheckpointLoaderSimple", {"ckpt_name": _files("checkpoints")}, ("MODEL", "CLIP", "VAE"),
                  _load_checkpoint, "loaders", "Load Checkpoint"),
        NodeClass("LoraLoader", {**lora, "clip": link("CLIP"), "strength_clip": strength}, ("MODEL", "CLIP"),
                  _load_lora, "loaders", "Load LoRA"),
        NodeClass("LoraLoaderModelOnly", lora, ("MODEL",), _load_lora, "loaders", "LoraLoaderModelOnly"),
        NodeClass("CLIPTextEncode", {"text": text(multiline=True), "clip": link("CLIP")}, ("CONDITIONING",),
                  _encode_text, "conditioning", "CLIP Text Encode (Prompt)"),
        NodeClass("WanImageToVideo", {**conditions, "vae": link("VAE"), "width": size, "height": size,
                  "length": number("INT", 81, 1, MAX_SIDE, 4), "batch_size": batch,
                  "start_image": link("IMAGE", required=False)}, ("CONDITIONING", "CONDITIONING", "LATENT"),
                  _image_to_video, "conditioning/video_models", "WanImageToVideo", unchecked_choices=True),
        NodeClass("VAEEncode", {"pixels": link("IMAGE"), "vae": link("VAE")}, ("LATENT",), _encode_pixels, "latent",
                  "VAE Encode"),
        NodeClass("KSampler", {"model": link("MODEL"), "seed": seed, "steps": number("INT", 20, 1, 10000),
                  "cfg": number("FLOAT", 8.0, 0.0, 100.0, 0.1), "sampler_name": choice(*SAMPLERS),
                  "scheduler": choice(*SCHEDULERS), **conditions, "latent_image": link("LATENT"),
                  "denoise": number("FLOAT", 1.0, 0.0, 1.0, 0.01)}, ("LATENT",), _sample, "sampling", "KSampler"),
        NodeClass("VAEDecode", {"samples": link("LATENT"), "vae": link("VAE")}, ("IMAGE",), _decode, "latent",
                  "VAE Decode"),
        NodeClass("CreateVideo", {"images": link("IMAGE"), "fps": number("FLOAT", 30.0, 1.0, 120.0)}, ("VIDEO",),
                  _create_video, "image/video", "Create Video", unchecked_choices=True),
        NodeClass("SaveVideo", {"video": link("VIDEO"), "filename_prefix": text(default="video/ComfyUI"),
                  "format": choice("auto", "mp4", default="auto"), "codec": choice("auto", "h264", default="auto")},
                  (), _save_video, "image/video", "Save Video", output_node=True, unchecked_choices=True),
        NodeClass("SaveImage", {"images": link("IMAGE"), "filename_prefix": prefix}, (), _save_image, "image",
                  "Save Image", output_node=True),
        NodeClass("PreviewImage", {"images": link("IMAGE")}, (), _preview_image, "image", "Preview Image",
                  output_node=True),
        NodeClass("PreviewAny", {"source": link("*")}, (), _preview_any, "utils", "Preview Any", output_node=True),
        _primitive("PrimitiveInt", "INT", number("INT", 0, -(2**63), 2**63 - 1)),
        _primitive("PrimitiveFloat", "FLOAT", number("FLOAT", 0.0, -1e308, 1e308, 0.1)),
        _primitive("PrimitiveBoolean", "BOOLEAN", Input("BOOLEAN")),
        _primitive("PrimitiveString", "STRING", text()),
        _primitive("PrimitiveStringMultiline", "STRING", text(multiline=True)),
    ]  # fmt: skip


def node_classes() -> dict[str, NodeClass]:
    """Every node class by name."""
    return {node.name: node for node in _classes()}


def metadata_of(graph: Any, extra_data: JSON) -> dict[str, str]:
    """What save nodes write into their files: the whole graph, and each key of `extra_pnginfo`."""
    extra = extra_data.get("extra_pnginfo") or {}
    return {"prompt": json.dumps(graph), **{str(name): json.dumps(value) for name, value in extra.items()}}
