"""The stack's supervisor: a process of its own that keeps the others running and takes orders over a Unix socket.

    python -m deploy.local.supervisor NAME ...

Everything it needs is in its environment (deploy/local/site.py). When it dies, however it dies, the kernel asks its
children to stop (Linux); elsewhere `down` and `up` find them in `state/children.json`.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

from deploy.local.keeper import POLL_SECONDS, Keeper
from deploy.local.plan import plan
from deploy.local.problems import SetupProblem
from deploy.local.site import LocalSite

LONGEST_REQUEST_BYTES = 64 * 1024


class Supervisor:
    """All keepers and the orders that change what they want."""

    def __init__(self, site: LocalSite, *, wanted: list[str], durable: bool) -> None:
        self._site = site
        self._stopping = asyncio.Event()
        self._wanted = wanted
        planned = plan(site, durable=durable)
        self._keepers = {entry.name: Keeper(entry, on_change=self._note_children) for entry in planned}
        self._orders: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "kill": self._kill,
            "down": self._down,
        }

    async def run(self) -> None:
        """Start what is wanted, serve orders, and at the end stop the services before what they work with."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        running = [asyncio.create_task(keeper.run(self._keepers)) for keeper in self._keepers.values()]
        for name in self._wanted:
            self._keepers[name].want()
        server = await self._listen()
        await self._stopping.wait()
        for stage in sorted({keeper.planned.stage for keeper in self._keepers.values()}):
            await asyncio.gather(*(k.stop() for k in self._keepers.values() if k.planned.stage == stage))
        server.close()
        self._site.control_socket().unlink(missing_ok=True)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _listen(self) -> asyncio.Server:
        path = self._site.control_socket()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid != os.geteuid():
            raise SetupProblem(f"{path.parent} belongs to somebody else", "Remove it, or set RUSHES_HOME")
        path.parent.chmod(0o700)
        path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._serve, path, limit=LONGEST_REQUEST_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One JSON line in, one JSON line out; a caller that goes away takes its answer's place in the bin."""
        with contextlib.suppress(OSError):
            writer.write(json.dumps(await self._obey(await reader.readline())).encode() + b"\n")
            await writer.drain()
            writer.close()

    async def _obey(self, line: bytes) -> dict[str, Any]:
        try:
            order = json.loads(line)
            return await self._orders[order["do"]](order)
        except (ValueError, KeyError, TypeError) as problem:
            return {"error": f"not an order: {problem}"}

    def _keeper(self, order: dict[str, Any]) -> Keeper:
        return self._keepers[order["name"]]

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        processes = [keeper.status.to_json() for keeper in self._keepers.values()]
        return {"supervisor": os.getpid(), "home": str(self._site.home), "processes": processes}

    async def _start(self, order: dict[str, Any]) -> dict[str, Any]:
        for name in order["names"]:
            self._keepers[name].want()
        return {"started": order["names"]}

    async def _stop(self, order: dict[str, Any]) -> dict[str, Any]:
        await self._keeper(order).stop()
        return {"stopped": order["name"]}

    async def _restart(self, order: dict[str, Any]) -> dict[str, Any]:
        await self._keeper(order).stop()
        self._keeper(order).want()
        return {"restarted": order["name"]}

    async def _kill(self, order: dict[str, Any]) -> dict[str, Any]:
        """After SIGKILL the answer waits until the death was noticed, so that the next look is not at the dead."""
        number = signal.Signals(order.get("signal", int(signal.SIGKILL)))
        keeper = self._keeper(order)
        pid = keeper.signal(number)
        while number is signal.SIGKILL and pid is not None and keeper.status.pid == pid:
            await asyncio.sleep(POLL_SECONDS)
        return {"pid": pid}

    async def _down(self, _: dict[str, Any]) -> dict[str, Any]:
        self._stopping.set()
        return {"stopping": os.getpid()}

    def _note_children(self) -> None:
        """Leave word of who is running, for the one who has to clean up after a supervisor that was killed."""
        children = []
        for keeper in self._keepers.values():
            if keeper.status.pid is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    created = psutil.Process(keeper.status.pid).create_time()
                    children.append({"name": keeper.planned.name, "pid": keeper.status.pid, "created": created})
        file = self._site.home / "state" / "children.json"
        part = file.with_suffix(".part")
        part.write_text(json.dumps(children))
        part.rename(file)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.supervisor", description=__doc__)
    parser.add_argument("names", nargs="+", help="what to start; the others can be started later")
    parser.add_argument("--not-durable", action="store_true", help="PostgreSQL without fsync, for tests")
    arguments = parser.parse_args()
    try:
        site = LocalSite.from_environment(os.environ)
    except SetupProblem as problem:
        sys.exit(f"supervisor: {problem}")
    state = site.home / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("supervisor: another one runs this stack")
        (state / "supervisor.pid").write_text(str(os.getpid()))
        asyncio.run(_run(site, wanted=arguments.names, durable=not arguments.not_durable))


async def _run(site: LocalSite, *, wanted: list[str], durable: bool) -> None:
    await Supervisor(site, wanted=wanted, durable=durable).run()


if __name__ == "__main__":
    main()
