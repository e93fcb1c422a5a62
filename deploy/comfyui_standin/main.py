"""Start: `python -m deploy.comfyui_standin --listen 127.0.0.1 --port 8188 --base-directory DIR`."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
from aiohttp import web

from deploy.comfyui_standin.fault_api import add_fault_routes
from deploy.comfyui_standin.faults import Faults
from deploy.comfyui_standin.folders import Folders
from deploy.comfyui_standin.http_api import STANDIN, add_routes, refuse_foreign_origins
from deploy.comfyui_standin.lora_files import CHECKPOINT_NAME, write_checkpoint
from deploy.comfyui_standin.server import Options, StandIn


def build_app(options: Options) -> web.Application:
    """One application with its worker thread and its send loop."""
    app = web.Application(client_max_size=options.max_upload_bytes, middlewares=[refuse_foreign_origins])
    app[STANDIN] = StandIn(options)
    add_routes(app)
    add_fault_routes(app)
    app.cleanup_ctx.append(_background)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    standin = app[STANDIN]
    sender = asyncio.create_task(standin.sockets.send_loop())
    standin.start_worker()
    yield
    sender.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sender


def prepare_folders(base: Path) -> Folders:
    """Make the folders, and a checkpoint if there is none, so that a graph can name one."""
    folders = Folders(base.resolve())
    folders.prepare()
    if not folders.models("checkpoints"):
        write_checkpoint(base / "models" / "checkpoints" / CHECKPOINT_NAME)
    return folders


def parse(argv: list[str]) -> tuple[Options, str, int]:
    """Options, host and port. Faults may be set from the start by STANDIN_FAULTS (the JSON of `/standin/faults`)."""
    environment = os.environ
    parser = argparse.ArgumentParser(prog="python -m deploy.comfyui_standin", description=__doc__)
    parser.add_argument("--listen", default=environment.get("STANDIN_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(environment.get("STANDIN_PORT", "8188")))
    base = environment.get("STANDIN_BASE_DIRECTORY", ".local/comfyui")
    parser.add_argument("--base-directory", type=Path, default=Path(base))
    parser.add_argument("--disable-metadata", action="store_true")
    parser.add_argument("--max-upload-size", type=float, default=100, help="MB")
    arguments = parser.parse_args(argv)
    faults = Faults()
    try:
        faults.change(json.loads(environment.get("STANDIN_FAULTS", "{}")))
    except ValueError as problem:
        parser.error(f"STANDIN_FAULTS: {problem}")
    options = Options(
        folders=prepare_folders(arguments.base_directory),
        faults=faults,
        embed_metadata=not arguments.disable_metadata,
        max_upload_bytes=int(arguments.max_upload_size * 1024 * 1024),
        argv=tuple(argv),
    )
    return options, arguments.listen, arguments.port


def main() -> None:
    """Serve until SIGTERM or SIGINT, which end the process at once with nothing saved, as the real server's do."""
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    cv2.setNumThreads(1)
    options, host, port = parse(sys.argv[1:])
    try:
        asyncio.run(_serve(build_app(options), host, port))
    except OSError as problem:
        sys.exit(f"comfyui stand-in: can't listen on {host}:{port}: {problem.strerror or problem}")


async def _serve(app: web.Application, host: str, port: int) -> None:
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print(f"comfyui stand-in: http://{host}:{port}", flush=True)
    await asyncio.Event().wait()
