"""A real S3 server for tests of files: S3Proxy, run from jars that Maven resolves once into `var/s3-libs`.

`s3/pom.xml` pins the version and `s3/jars.sha256` what every jar must be. It checks signatures (AWS version 4) and
keeps its objects in a folder, where a test can look at what a thief of the disk would see.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.local import kafka
from deploy.local.processes import HOST, StackError, accepts, free_port
from deploy.local.state import var_dir

FILES = Path(__file__).with_name("s3")
BUCKET = "lapak-vendor"
ACCESS_KEY, SECRET_KEY = "lapak-test", "only-for-tests"
RESOLVE_SECONDS_MAX = 600
START_SECONDS_MAX = 60.0
PROPERTIES = """\
s3proxy.endpoint=http://{host}:{port}
s3proxy.authorization=aws-v4
s3proxy.identity={access_key}
s3proxy.credential={secret_key}
jclouds.provider=filesystem
jclouds.filesystem.basedir={folder}
jclouds.identity=none
jclouds.credential=none
"""


class Bucket(NamedTuple):
    """The address of the server, and the folder its objects lie in."""

    endpoint: str
    folder: Path


@contextmanager
def serve_bucket(folder: Path) -> Iterator[Bucket]:
    """A running S3 server with one empty bucket. Without Java or Maven the test is skipped; never in CI."""
    try:
        java, jars = kafka.java(), _libraries()
    except StackError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NO S3 SERVER, S3 IS NOT TESTED: {error}")
    (folder / "objects" / BUCKET).mkdir(parents=True)
    port = free_port()
    properties = folder / "s3.properties"
    properties.write_text(
        PROPERTIES.format(host=HOST, port=port, access_key=ACCESS_KEY, secret_key=SECRET_KEY, folder=folder / "objects")
    )
    command = [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", f"-Dlogback.configurationFile={FILES / 'logback.xml'}"]
    command += ["-cp", f"{jars}/*", "org.gaul.s3proxy.Main", "--properties", str(properties)]
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not accepts(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"The S3 server did not start:\n{(folder / 's3.log').read_text()[-1500:]}")
            time.sleep(0.05)
        yield Bucket(f"http://{HOST}:{port}", folder / "objects" / BUCKET)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def _libraries() -> Path:
    """The folder with the server's jars, each as `jars.sha256` says."""
    pinned = b"".join((FILES / name).read_bytes() for name in ("pom.xml", "jars.sha256"))
    target = var_dir() / "s3-libs" / hashlib.sha256(pinned).hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "resolve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        coming = target.with_name(f"{target.name}.new")
        shutil.rmtree(coming, ignore_errors=True)
        _resolve(coming)
        _check(coming)
        coming.rename(target)
    return target


def _resolve(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError("The S3 server's jars are resolved by Maven, and there is no `mvn` here.")
    command = [maven, "-q", "-B", "--no-transfer-progress", "-Dstyle.color=never", "-f", str(FILES / "pom.xml")]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    out = subprocess.CompletedProcess[str](command, 1, "")
    for again in ([], ["-U"], ["-U"]):  # what a registry refused a moment ago often comes on the second asking
        out = subprocess.run(
            [*command, *again],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RESOLVE_SECONDS_MAX,
        )
        if out.returncode == 0:
            return
    raise StackError(f"Maven could not resolve the S3 server:\n{out.stdout.strip()[-1500:]}")


def _check(folder: Path) -> None:
    lines = [line.split() for line in (FILES / "jars.sha256").read_text().splitlines()]
    wanted = {name: digest for digest, name in lines}
    got = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    if wrong:
        raise StackError(f"Jars that differ from tests/integration/s3/jars.sha256: {', '.join(wrong)}.")
