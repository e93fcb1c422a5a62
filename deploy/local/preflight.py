"""Looked at before anything starts, so that what is wrong with the machine is one line and not a stack trace."""

import errno
import os
import shutil
import socket
import sys
from pathlib import Path

import psutil

from deploy import topology
from deploy.local import kafka, postgres
from deploy.local.problems import SetupProblem
from deploy.local.site import LocalSite, port_variable

LEAST_FREE_BYTES = 1 << 30


def check(site: LocalSite, processes: list[str]) -> None:
    """SetupProblem for the first thing that would keep these processes from starting. Downloads Kafka where needed."""
    check_folder(site.home)
    check_disk(site.home)
    for name in processes:
        if name in site.ports:
            check_port(name, site.ports[name])
    if topology.KAFKA in processes:
        controller = f"{topology.KAFKA}_controller"
        check_port(controller, site.ports[controller])
        kafka.java()
        kafka.jars()
    if topology.POSTGRES in processes:
        postgres.binaries()


def check_folder(home: Path) -> None:
    """Make the folder if it is missing and prove that it can be written to."""
    mend = "Give it to your user, or set RUSHES_HOME to another folder"
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".writable-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            raise _disk_full(home) from problem
        raise SetupProblem(f"{home} cannot be written to ({problem.strerror})", mend) from problem


def check_disk(home: Path) -> None:
    """Kafka and PostgreSQL stop badly on a full disk; better not to start."""
    if shutil.disk_usage(home).free < LEAST_FREE_BYTES:
        raise _disk_full(home)


def _disk_full(home: Path) -> SetupProblem:
    free = shutil.disk_usage(home).free >> 20
    return SetupProblem(
        f"Only {free} MiB are free on the disk of {home}, {LEAST_FREE_BYTES >> 20} MiB are needed",
        "Free some space (`make reset` removes old data), or set RUSHES_HOME to another disk",
    )


def check_port(process: str, port: int) -> None:
    """SetupProblem when somebody listens there already, or the port may not be opened."""
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            mend = f"Stop it, or move {process} with {port_variable(process)}=<another port>"
            if problem.errno == errno.EACCES:
                raise SetupProblem(f"Port {port} for {process} needs root", mend) from problem
            raise SetupProblem(f"Port {port} for {process} is in use by {_listener(port)}", mend) from problem


def _listener(port: int) -> str:
    """Who listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                found = psutil.Process(connection.pid)
                return f"{' '.join(found.cmdline())[:80] or found.name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
