"""The HTTP routes of the real server, each also under `/api`."""

import json
import mimetypes
import os
import platform
import sys
import uuid
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from deploy.comfyui_standin import media
from deploy.comfyui_standin.folders import OutsideFolder, inside, store_upload
from deploy.comfyui_standin.image_model import IMAGE_MODEL_VERSION
from deploy.comfyui_standin.node_types import JSON
from deploy.comfyui_standin.server import StandIn
from deploy.comfyui_standin.validation import validate

VERSION = f"0.3.64-standin.{IMAGE_MODEL_VERSION}"
STANDIN = web.AppKey("standin", StandIn)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@web.middleware
async def refuse_foreign_origins(request: web.Request, handler: Any) -> web.StreamResponse:
    """A page from elsewhere must not drive a server on loopback."""
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    own = urlsplit(f"//{host}")
    if origin and own.hostname in LOOPBACK and urlsplit(origin).netloc != own.netloc:
        return web.Response(status=403)
    answer: web.StreamResponse = await handler(request)
    return answer


async def post_prompt(request: web.Request) -> web.StreamResponse:
    """Validate here, run later."""
    standin = request.app[STANDIN]
    if standin.faults.strikes("refuse_next_prompts"):
        return web.Response(status=503)
    body = json.loads(await request.read())
    number = float(body["number"]) if "number" in body else float(next(standin.numbers))
    if body.get("front"):
        number = -number
    if "prompt" not in body:
        error = {
            "type": "no_prompt",
            "message": "No prompt provided",
            "details": "No prompt provided",
            "extra_info": {},
        }
        return web.json_response({"error": error, "node_errors": {}}, status=400)
    graph: JSON = body["prompt"]
    prompt_id = str(body.get("prompt_id", uuid.uuid4()))
    verdict = validate(graph, standin.classes, standin.folders, body.get("partial_execution_targets"))
    if verdict.error is not None:
        return web.json_response({"error": verdict.error, "node_errors": verdict.node_errors}, status=400)
    extra_data = body.get("extra_data", {})
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    extra_data.get("client_id")
    standin.queue.put((number, prompt_id, graph, extra_data, verdict.outputs))
    standin.queue_changed()
    if standin.faults.strikes("lose_next_replies") and request.transport is not None:
        request.transport.abort()
    answer = {"prompt_id": prompt_id, "number": int(number) if number.is_integer() else number}
    return web.json_response({**answer, "node_errors": verdict.node_errors})


async def get_prompt(request: web.Request) -> web.StreamResponse:
    """How much there is to do."""
    return web.json_response(request.app[STANDIN].status())


async def get_queue(request: web.Request) -> web.StreamResponse:
    """Running and pending."""
    return web.json_response(request.app[STANDIN].queue.shown())


async def post_queue(request: web.Request) -> web.StreamResponse:
    """Take prompts out of the waiting line; always 200."""
    standin, body = request.app[STANDIN], await request.json()
    if body.get("clear"):
        standin.queue.delete(None)
    if "delete" in body:
        standin.queue.delete(body["delete"])
    standin.queue_changed()
    return web.Response()


async def get_history(request: web.Request) -> web.StreamResponse:
    """All of it, or a page."""
    query = request.rel_url.query
    most = int(query["max_items"]) if "max_items" in query else None
    offset = int(query["offset"]) if "offset" in query else -1
    return web.json_response(request.app[STANDIN].queue.history(None, most, offset))


async def get_history_entry(request: web.Request) -> web.StreamResponse:
    """One prompt; `{}` while it isn't finished, and when it isn't known."""
    return web.json_response(request.app[STANDIN].queue.history(request.match_info["prompt_id"]))


async def post_history(request: web.Request) -> web.StreamResponse:
    """Forget; files stay."""
    standin, body = request.app[STANDIN], await request.json()
    if body.get("clear"):
        standin.queue.forget(None)
    if "delete" in body:
        standin.queue.forget(body["delete"])
    return web.Response()


async def post_interrupt(request: web.Request) -> web.StreamResponse:
    """Stop the running prompt, or only a certain one; always 200."""
    standin = request.app[STANDIN]
    try:
        body = await request.json()
    except json.JSONDecodeError:
        body = {}
    wanted = body.get("prompt_id")
    if wanted is None or wanted == standin.queue.running_id():
        standin.executor.interrupt.set()
    return web.Response()


async def post_free(request: web.Request) -> web.StreamResponse:
    """`free_memory` empties the result cache before the next prompt."""
    body = await request.json()
    if body.get("free_memory"):
        request.app[STANDIN].queue.free_memory = True
    return web.Response()


async def upload_image(request: web.Request) -> web.StreamResponse:
    """Nothing checks that it is an image, as on the real server."""
    standin, form = request.app[STANDIN], await request.post()
    image = form.get("image")
    if image is None:
        return web.Response(status=400)
    if not isinstance(image, web.FileField):
        raise TypeError("image is not a file")
    kind, subfolder = str(form.get("type", "input")), str(form.get("subfolder", ""))
    root = standin.folders.of_type(kind)
    if root is None:
        raise ValueError(f"no such type: {kind}")
    try:
        folder = inside(root, subfolder)
        inside(folder, image.filename)
    except OutsideFolder:
        return web.Response(status=400)
    folder.mkdir(parents=True, exist_ok=True)
    overwrite = form.get("overwrite") in ("true", "1")
    name = store_upload(folder, image.filename, image.file.read(), overwrite=overwrite)
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


async def view(request: web.Request) -> web.StreamResponse:
    """A file, with ranges; or a picture re-encoded."""
    query = request.rel_url.query
    filename, root = query.get("filename", ""), request.app[STANDIN].folders.of_type(query.get("type", "output"))
    if not filename or filename.startswith("/") or ".." in filename or root is None:
        return web.Response(status=400)
    try:
        path = inside(inside(root, query.get("subfolder", "")), os.path.basename(filename))
    except OutsideFolder:
        return web.Response(status=403)
    if not path.is_file():
        return web.Response(status=404)
    headers = {"Content-Disposition": f'filename="{path.name}"'}
    if "preview" in query:
        form, _, quality = query["preview"].partition(";")
        form = form if form in ("webp", "jpeg") else "webp"
        content = media.reencoded(path, form, int(quality) if quality.isdigit() else 90)
        return web.Response(body=content, content_type=f"image/{form}", headers=headers)
    headers["Content-Type"] = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return web.FileResponse(path, headers=headers)


async def system_stats(request: web.Request) -> web.StreamResponse:
    """Readiness and environment. Says that this is a stand-in and what it computes with."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    libraries = {name: version(name) for name in ("numpy", "opencv-python-headless", "av", "pillow")}
    system = {
        "os": os.name if os.name == "nt" else sys.platform,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": VERSION,
        "required_frontend_version": None,
        "python_version": sys.version,
        "pytorch_version": "none (stand-in)",
        "embedded_python": False,
        "argv": list(request.app[STANDIN].options.argv),
        "standin": {"image_model": IMAGE_MODEL_VERSION, "machine": platform.machine(), "libraries": libraries},
    }
    memory = {"vram_total": total, "vram_free": free, "torch_vram_total": 0, "torch_vram_free": 0}
    return web.json_response({"system": system, "devices": [{"name": "cpu", "type": "cpu", "index": None, **memory}]})


async def object_info(request: web.Request) -> web.StreamResponse:
    """All node classes, or one; `{}` for one that isn't known."""
    standin, wanted = request.app[STANDIN], request.match_info.get("name")
    chosen = {n: c for n, c in standin.classes.items() if wanted in (None, n)}
    return web.json_response({name: node.described(standin.folders) for name, node in chosen.items()})


async def models(request: web.Request) -> web.StreamResponse:
    """The model folders, or the files in one."""
    folder = request.match_info.get("folder")
    if folder is None:
        return web.json_response(["checkpoints", "loras"])
    if folder not in ("checkpoints", "loras"):
        return web.Response(status=404)
    return web.json_response(request.app[STANDIN].folders.models(folder))


async def features(request: web.Request) -> web.StreamResponse:
    """What this server can do beyond the basics."""
    return web.json_response(
        {"supports_preview_metadata": True, "max_upload_size": request.app[STANDIN].options.max_upload_bytes}
    )


async def empty_list(request: web.Request) -> web.StreamResponse:
    """Nothing of that kind here."""
    return web.json_response([])


async def websocket(request: web.Request) -> web.StreamResponse:
    """The message stream."""
    return await request.app[STANDIN].sockets.serve(request)


def add_routes(app: web.Application) -> None:
    """All of them, twice."""
    for prefix in ("", "/api"):
        app.add_routes(
            [
                web.post(f"{prefix}/prompt", post_prompt),
                web.get(f"{prefix}/prompt", get_prompt),
                web.get(f"{prefix}/queue", get_queue),
                web.post(f"{prefix}/queue", post_queue),
                web.get(f"{prefix}/history", get_history),
                web.get(f"{prefix}/history/{{prompt_id}}", get_history_entry),
                web.post(f"{prefix}/history", post_history),
                web.post(f"{prefix}/interrupt", post_interrupt),
                web.post(f"{prefix}/free", post_free),
                web.post(f"{prefix}/upload/image", upload_image),
                web.get(f"{prefix}/view", view),
                web.get(f"{prefix}/system_stats", system_stats),
                web.get(f"{prefix}/object_info", object_info),
                web.get(f"{prefix}/object_info/{{name}}", object_info),
                web.get(f"{prefix}/models", models),
                web.get(f"{prefix}/models/{{folder}}", models),
                web.get(f"{prefix}/features", features),
                web.get(f"{prefix}/embeddings", empty_list),
                web.get(f"{prefix}/extensions", empty_list),
                web.get(f"{prefix}/ws", websocket),
            ]
        )
