"""The local stack's command line: `python -m deploy.local up|down|reset|status|logs|restart|kill`."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable

from deploy.local import kafka
from deploy.local.keeper import State, Status
from deploy.local.logs import print_logs
from deploy.local.problems import SetupProblem
from deploy.local.stack import READY_SECONDS, LocalStack, NotRunning


def main(argv: list[str] | None = None) -> None:
    """Exit code 0 when it is as asked, 1 with one line on stderr when not."""
    arguments = _parser().parse_args(argv)
    try:
        order: Callable[[LocalStack, argparse.Namespace], None] = arguments.order
        order(LocalStack(), arguments)
    except (SetupProblem, NotRunning) as problem:
        sys.exit(f"rushes: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    orders = parser.add_subparsers(required=True)
    up = orders.add_parser("up", help="start everything that is not running, keep the data")
    up.add_argument("names", nargs="*", help="only these processes")
    up.add_argument("--seconds", type=float, default=READY_SECONDS, help="how long to wait for readiness")
    up.set_defaults(order=_up)
    orders.add_parser("down", help="drain and stop everything, keep the data").set_defaults(order=_down)
    reset = orders.add_parser("reset", help="stop everything and remove the data")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.set_defaults(order=_reset)
    status = orders.add_parser("status", help="what runs, where and since when")
    status.add_argument("--json", action="store_true")
    status.set_defaults(order=_status)
    logs = orders.add_parser("logs", help="the last lines of all logs, or of one")
    logs.add_argument("name", nargs="?")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-n", "--lines", type=int, default=40)
    logs.set_defaults(order=lambda stack, given: print_logs(stack, given.name, lines=given.lines, follow=given.follow))
    fetch = orders.add_parser("fetch", help="download Kafka if it is not there")
    fetch.set_defaults(order=_fetch)
    restart = orders.add_parser("restart", help="drain one process and start it again")
    restart.add_argument("name")
    restart.set_defaults(order=_restart)
    kill = orders.add_parser("kill", help="send one process a signal; the supervisor restarts what dies")
    kill.add_argument("name")
    kill.add_argument("--signal", default="KILL", type=str.upper)
    kill.set_defaults(order=_kill)
    return parser


def _up(stack: LocalStack, arguments: argparse.Namespace) -> None:
    started_at = time.monotonic()
    print(f"starting in {stack.home} ...", flush=True)
    started = stack.start(arguments.names)
    stack.wait_ready(arguments.names, seconds=arguments.seconds, progress=_Announcer())
    if started:
        print(f"up after {time.monotonic() - started_at:.1f} s: {stack.site.url('studio')}")
    else:
        print(f"already running: {stack.site.url('studio')}")


class _Announcer:
    """Says each process once, when it becomes ready."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, status: list[Status]) -> None:
        done = [entry for entry in status if entry.state in {State.READY, State.DONE} and entry.name not in self._said]
        for entry in done:
            self._said.add(entry.name)
            where = f" on port {entry.port}" if entry.port else ""
            print(f"  [{len(self._said)}/{len(status)}] {entry.name} {entry.state}{where}", flush=True)


def _down(stack: LocalStack, _: argparse.Namespace) -> None:
    print("stopped, data kept" if stack.down() else "nothing was running")


def _reset(stack: LocalStack, arguments: argparse.Namespace) -> None:
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise SetupProblem("reset removes all data and asks first", "Say --yes (`make reset YES=1`)")
        if input(f"Remove all data in {stack.home}? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise SetupProblem("Nothing was removed", "Answer y to remove it")
    stack.reset()
    print(f"removed the data in {stack.home}")


def _status(stack: LocalStack, arguments: argparse.Namespace) -> None:
    status = stack.status()
    if arguments.json:
        print(json.dumps([entry.to_json() for entry in status], indent=2))
        return
    rows: list[tuple[str, ...]] = [("NAME", "PID", "PORT", "STATE", "RESTARTS", "UPTIME", "")]
    rows += [_row(entry) for entry in status]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())


def _row(entry: Status) -> tuple[str, ...]:
    up = "" if entry.started_at is None or entry.pid is None else _duration(time.time() - entry.started_at)
    port = "" if entry.port is None else str(entry.port)
    pid = "" if entry.pid is None else str(entry.pid)
    return (entry.name, pid, port, entry.state.value, str(entry.restarts), up, entry.reason or "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _fetch(_: LocalStack, __: argparse.Namespace) -> None:
    kafka.java()
    print(f"Kafka is in {kafka.jars()}")


def _restart(stack: LocalStack, arguments: argparse.Namespace) -> None:
    stack.restart(arguments.name)
    stack.wait_ready([arguments.name])
    print(f"{arguments.name} restarted")


def _kill(stack: LocalStack, arguments: argparse.Namespace) -> None:
    try:
        number = signal.Signals[f"SIG{arguments.signal.removeprefix('SIG')}"]
    except KeyError:
        raise SetupProblem(f"There is no signal {arguments.signal}", "Use e.g. KILL, TERM or STOP") from None
    pid = stack.kill(arguments.name, number)
    print(f"{arguments.name} does not run" if pid is None else f"sent {number.name} to {arguments.name} (pid {pid})")
