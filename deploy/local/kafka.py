"""Apache Kafka in KRaft mode, one node that is broker and controller, run straight from its published jars.

`kafka/pom.xml` pins the version; Maven resolves the jars once into `var/kafka-libs/<hash>`, and each must match
`kafka/jars.sha256`. The user's own Maven settings (mirrors, proxies) apply.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.processes import HOST, ProcessRecord, StackError, accepts, is_alive, kill, launch, log_tail
from deploy.local.state import var_dir
from deploy.local.waiting import run_blocking

FILES = Path(__file__).with_name("kafka")
JAVA_MAJOR_MIN = 17
START_SECONDS_MAX = 90.0
RESOLVE_SECONDS_MAX = 600
HEAP = "-Xmx512m"

# One node, nothing expires, topics only on purpose, groups form at once. A broker that was killed may register
# again only when its old session has lapsed: 9 s by default, 3 s here. The rest is Kafka's default.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.retention.bytes=-1
"""


def version() -> str:
    """The Kafka release the pom pins."""
    found = re.search(r"<kafka\.version>([^<]+)<", (FILES / "pom.xml").read_text())
    if found is None:
        raise StackError("deploy/local/kafka/pom.xml names no <kafka.version>.")
    return found.group(1)


def java() -> str:
    """The Java to run (JAVA_HOME, else PATH), at least of version 17."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    found = [path for path in (*candidates, shutil.which("java")) if path and os.access(path, os.X_OK)]
    if not found:
        raise StackError(f"Apache Kafka needs Java {JAVA_MAJOR_MIN} or newer, and there is no `java` here.")
    for path in found:
        out = subprocess.run([path, "-version"], capture_output=True, text=True)
        major = re.search(r'version "(?:1\.)?(\d+)', out.stderr + out.stdout)
        if major and int(major.group(1)) >= JAVA_MAJOR_MIN:
            return path
    raise StackError(f"Apache Kafka needs Java {JAVA_MAJOR_MIN} or newer; {found[0]} is older.")


def libraries(on_progress: Callable[[str], None]) -> Path:
    """The folder with Kafka's jars, resolved by Maven on first use and checked against the committed hashes."""
    pinned = b"".join((FILES / name).read_bytes() for name in ("pom.xml", "jars.sha256"))
    target = var_dir() / "kafka-libs" / hashlib.sha256(pinned).hexdigest()[:16]
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "resolve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        maven = shutil.which("mvn")
        if maven is None:
            raise StackError("Apache Kafka's jars are resolved by Maven, and there is no `mvn` here.")
        on_progress(f"resolving Apache Kafka {version()} with Maven (once)")
        coming = target.with_name(target.name + ".new")
        shutil.rmtree(coming, ignore_errors=True)
        _resolve(maven, coming)
        _check(coming)
        coming.rename(target)
    return target


def _resolve(maven: str, target: Path) -> None:
    command = [maven, "-q", "-B", "--no-transfer-progress", "-Dstyle.color=never", "-f", str(FILES / "pom.xml")]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    for attempt in (1, 2, 3):
        try:
            out = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=RESOLVE_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"Maven did not finish within {RESOLVE_SECONDS_MAX} s.") from error
        if out.returncode == 0:
            return
        if attempt < 3:  # what a registry refused a moment ago often comes on the second asking
            time.sleep(2.0 * attempt)
            command = [*command[:1], "-U", *(part for part in command[1:] if part != "-U")]
    raise StackError(f"Maven could not resolve Apache Kafka {version()}:\n{out.stdout.strip()[-1500:]}")


def _check(folder: Path) -> None:
    lines = [line.split() for line in (FILES / "jars.sha256").read_text().splitlines()]
    wanted = {name: digest for digest, name in lines}
    got = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    if wrong:
        raise StackError(f"Jars that differ from deploy/local/kafka/jars.sha256: {', '.join(wrong)}.")


def start(
    state_dir: Path,
    port: int,
    controller_port: int,
    *,
    on_progress: Callable[[str], None],
    remember: Callable[[ProcessRecord], None],
) -> ProcessRecord:
    """Start the broker on `<state_dir>/kafka/data`, formatted on first use, and return once it answers for metadata."""
    executable, jars = java(), libraries(on_progress)
    home = state_dir / "kafka"
    data = home / "data"
    home.mkdir(parents=True, exist_ok=True)
    if not (data / "meta.properties").exists():
        _format(executable, jars, home)
    properties = home / "server.properties"
    properties.write_text(PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, data=data))
    record = launch(
        state_dir,
        "kafka",
        [
            executable,
            "-Xms128m",
            HEAP,
            "-XX:MaxGCPauseMillis=20",
            "-XX:+ExitOnOutOfMemoryError",
            *_common(jars),
            "kafka.Kafka",
            str(properties),
        ],
        cwd=home,
        address=f"{HOST}:{port}",
    )
    remember(record)
    try:
        wait_ready(record, port)
    except StackError:
        kill(record)
        raise
    return record


def wait_ready(record: ProcessRecord, port: int) -> None:
    """Return once the broker answers a metadata request with itself in it."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not (accepts(port) and answers(f"{HOST}:{port}")):
        if not is_alive(record):
            raise StackError(f"The broker ended while starting:\n{log_tail(record.log)}")
        if time.monotonic() > deadline:
            raise StackError(f"The broker did not answer within {START_SECONDS_MAX:.0f} s:\n{log_tail(record.log)}")
        time.sleep(0.05)


def answers(bootstrap: str) -> bool:
    """Whether a broker there answers a metadata request and names at least one live broker."""

    async def probe() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()

    return run_blocking(probe)


def _format(executable: str, jars: Path, home: Path) -> None:
    """Format beside the final place, then move: a data folder that exists is whole, whenever we are killed."""
    fresh, data = home / "data.new", home / "data"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    properties = home / "format.properties"
    properties.write_text(PROPERTIES.format(host=HOST, port=9092, controller_port=9093, data=fresh))
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config", str(properties)]
    out = subprocess.run(
        [executable, *quick, *_common(jars), *tool],
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    properties.unlink()
    if out.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted:\n{out.stdout.strip()[-1500:]}")
    fresh.rename(data)


def _common(jars: Path) -> list[str]:
    return [f"-Dlog4j2.configurationFile={FILES / 'log4j2.xml'}", "-cp", f"{jars}/*"]
