"""`/standin/faults`: the one route the real server doesn't have."""

import asyncio
import json
import os

from aiohttp import web

from deploy.comfyui_standin.http_api import STANDIN

EXIT_STATUS = 70
"""How the process ends when asked to: at once, nothing saved."""

AT_ONCE = ("drop_sockets", "reset", "exit", "stall_sockets_s")


async def get_faults(request: web.Request) -> web.StreamResponse:
    """What is set."""
    return web.json_response(request.app[STANDIN].faults.shown())


async def delete_faults(request: web.Request) -> web.StreamResponse:
    """All off."""
    request.app[STANDIN].faults.clear()
    return web.json_response(request.app[STANDIN].faults.shown())


async def post_faults(request: web.Request) -> web.StreamResponse:
    """Lasting ones are set; those in `AT_ONCE` happen now. 400 with a reason, and nothing happens, for bad input."""
    standin = request.app[STANDIN]
    try:
        wanted = json.loads(await request.read())
        if not isinstance(wanted, dict):
            raise TypeError("a JSON object is expected")
        now = {name: wanted.pop(name) for name in AT_ONCE if name in wanted}
        standin.faults.change(wanted)
    except (ValueError, TypeError) as problem:
        return web.json_response({"error": str(problem)}, status=400)
    if now.get("stall_sockets_s"):
        standin.sockets.stall(float(now["stall_sockets_s"]))
    if now.get("reset"):
        standin.reset()
    if now.get("drop_sockets"):
        standin.sockets.drop_all()
    if now.get("exit"):
        asyncio.get_running_loop().call_later(0.05, os._exit, EXIT_STATUS)
    return web.json_response(standin.faults.shown())


def add_fault_routes(app: web.Application) -> None:
    """Under its own prefix, not under `/api`."""
    app.add_routes(
        [
            web.get("/standin/faults", get_faults),
            web.post("/standin/faults", post_faults),
            web.delete("/standin/faults", delete_faults),
        ]
    )
