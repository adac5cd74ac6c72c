"""What the local stack remembers, and what it believes of it: pids, ports, half-written files."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import embedded_broker, kafka, processes, stack
from deploy.local.processes import ProcessRecord, StackError
from deploy.local.state import StackState, edit, read, state_dir
from services.cli import app

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("LAPAK_VAR", str(tmp_path))
    folder = state_dir("unit")
    folder.mkdir()
    yield folder
    for pid in processes.marked(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def until(path: str, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in Path(path).read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_launched_process_is_alive_until_it_ends(folder: Path) -> None:
    record = processes.launch(folder, "sleeper", SLEEP)
    assert processes.is_alive(record)
    assert os.getsid(record.pid) == record.pid
    assert processes.kill(record)
    assert not processes.is_alive(record)
    assert not processes.kill(record)


def test_a_stale_pid_is_not_alive(folder: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    record = ProcessRecord(name="x", pid=ended.pid, identity="boot:1", argv=[], log="", started_at="")
    assert not processes.is_alive(record)
    processes.stop_all([record])


def test_a_stranger_under_a_reused_pid_is_left_alone(folder: Path) -> None:
    stranger = processes.launch(folder, "stranger", SLEEP)
    remembered = stranger.model_copy(update={"name": "ours", "identity": "another boot:1"})
    assert not processes.is_alive(remembered)
    processes.stop_all([remembered])
    assert not processes.kill(remembered)
    assert processes.is_alive(stranger)


def test_a_process_that_ignores_the_request_is_killed_after_its_grace(folder: Path) -> None:
    record = processes.launch(folder, "deaf", STUBBORN, grace_seconds=0.3)
    until(record.log, "deaf")
    began = time.monotonic()
    processes.stop_all([record])
    assert 0.3 <= time.monotonic() - began < 5
    assert not processes.is_alive(record)


def test_children_of_a_stopped_process_do_not_stay_behind(folder: Path) -> None:
    code = f"import subprocess, time; print(subprocess.Popen({SLEEP!r}).pid, 'child', flush=True); time.sleep(60)"
    record = processes.launch(folder, "parent", [sys.executable, "-c", code])
    until(record.log, "child")
    child = int(Path(record.log).read_text().split()[0])
    assert processes.identity(child) is not None
    processes.stop_all([record])
    deadline = time.monotonic() + 5
    while processes.identity(child) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_state_survives_a_round_trip_and_is_private(folder: Path) -> None:
    record = processes.launch(folder, "sleeper", SLEEP)
    with edit(folder) as state:
        state.processes["sleeper"] = record
        state.ports["kafka"] = 19092
    assert read(folder).processes == {"sleeper": record}
    assert read(folder).ports == {"kafka": 19092}
    assert (folder / "stack.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", '{"version": 1, "proc', "[]", '{"version": 1, "unknown": true}'])
def test_an_unreadable_state_is_set_aside(folder: Path, content: str) -> None:
    (folder / "stack.json").write_text(content)
    assert read(folder) == StackState()
    assert (folder / "stack.json.unreadable").read_text() == content
    assert stack.status("unit") == []
    assert stack.running("unit") is None


def test_a_process_nobody_wrote_down_is_ended_by_stop(folder: Path) -> None:
    lost = processes.launch(folder, "lost", SLEEP)  # as after a kill between the start and the record
    (folder / "stack.json").write_text('{"version": 1, "proc')
    stack.stop("unit")
    assert not processes.is_alive(lost)


def test_a_spawned_process_is_listed_and_stopped(folder: Path) -> None:
    pid = stack.spawn("unit", "service-a", SLEEP, {"COLOUR": "green"}, address="127.0.0.1:1")
    (status,) = stack.status("unit")
    assert (status.name, status.pid, status.alive, status.address) == ("service-a", pid, True, "127.0.0.1:1")
    with pytest.raises(StackError, match="already runs"):
        stack.spawn("unit", "service-a", SLEEP, {})
    assert stack.stop_process("unit", "service-a")
    assert not stack.stop_process("unit", "service-a")
    stack.spawn("unit", "service-a", SLEEP, {})
    assert stack.kill("unit", "service-a")
    assert not stack.status("unit")[0].alive
    stack.stop("unit")
    assert stack.status("unit") == []


@pytest.mark.parametrize("process", ["kafka", "../evil", ""])
def test_a_spawned_process_needs_a_name_of_its_own(folder: Path, process: str) -> None:
    with pytest.raises(StackError, match="name of its own"):
        stack.spawn("unit", process, SLEEP, {})


def test_stopping_what_never_ran_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPAK_VAR", str(tmp_path))
    stack.stop("never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("name", ["", "..", "A", "a/b", "-a"])
def test_a_stack_name_cannot_leave_the_state_folder(name: str) -> None:
    with pytest.raises(StackError, match="name"):
        state_dir(name)


def test_a_port_in_use_is_named_and_another_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        assert not processes.port_is_free(taken)
        said: list[str] = []
        chosen = stack._choose("unit", StackState(ports={"kafka": taken}), "kafka", said.append)
        assert chosen != taken
        assert processes.port_is_free(chosen)
    assert (
        said
        == [
            f"port {taken} (kafka) is held by process {os.getpid()} ({Path(sys.executable).resolve().name}): "
            f"using {chosen} this time"
        ]
        or str(taken) in said[0]
    )
    assert processes.port_is_free(taken)


def test_the_port_used_last_is_used_again() -> None:
    port = processes.free_port()
    assert stack._choose("unit", StackState(ports={"smtp": port}), "smtp", pytest.fail) == port


def test_only_the_local_stack_prefers_fixed_ports() -> None:
    said: list[str] = []
    chosen = stack._choose("local", StackState(), "mail", said.append)
    assert chosen == stack.PREFERRED_PORTS["local"]["mail"] or said


# --- which broker --------------------------------------------------------------------------------


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("JAVA_HOME", "CI", "LAPAK_BROKER", "LAPAK_KAFKA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_java")
def test_without_java_the_stand_in_is_used_and_says_so() -> None:
    said: list[str] = []
    assert stack._wanted_broker(said.append) == "embedded"
    assert "no `java`" in said[0]
    assert said[1] == embedded_broker.WARNING


@pytest.mark.usefixtures("no_java")
@pytest.mark.parametrize("variables", [{"CI": "true"}, {"CI": "1"}, {"LAPAK_BROKER": "apache"}])
def test_where_apache_kafka_is_demanded_its_absence_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StackError, match="allows no other broker"):
        stack._wanted_broker(lambda _: None)


@pytest.mark.usefixtures("no_java")
def test_in_ci_the_stand_in_cannot_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPAK_BROKER", "embedded")
    assert stack._wanted_broker(lambda _: None) == "embedded"
    monkeypatch.setenv("CI", "true")
    with pytest.raises(StackError, match="CI=true"):
        stack._wanted_broker(lambda _: None)


def test_an_unknown_broker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPAK_BROKER", "rabbit")
    with pytest.raises(StackError, match="LAPAK_BROKER is auto, apache or embedded"):
        stack._wanted_broker(lambda _: None)


@pytest.mark.parametrize(("printed", "accepted"), [("11.0.2", False), ("1.8.0_1", False), ("17.0.15", True)])
def test_java_must_be_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, accepted: bool) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{printed}\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    if accepted:
        assert kafka.java() == str(program)
    else:
        with pytest.raises(StackError, match="is older"):
            kafka.java()


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kafka-clients.jar").write_bytes(b"not it")
    with pytest.raises(StackError, match=r"kafka-clients\.jar"):
        kafka._check(tmp_path)


def test_a_stack_that_is_not_there_is_not_called_stopped() -> None:
    said = CliRunner().invoke(app, ["down", "--stack", "nowhere"])
    assert said.exit_code == 1
    assert "no stack 'nowhere'" in said.output
