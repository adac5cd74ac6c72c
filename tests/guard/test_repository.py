"""The repository guards itself: contracts, topics, migrations, structure."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.db import MigrationError, migration_files
from shared.events.envelope import Message
from shared.kafka import TOPICS
from tests.conftest import repository_root

ROOT = repository_root()
SERVICES = ("vendor", "bazaar", "training", "notify")


def _sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def _contracts() -> list[type[Message]]:
    """Every message but those that tests define."""
    return [message for message in Message.registry.values() if message.__module__.startswith("shared.")]


def test_every_topic_of_a_contract_is_created_and_no_other() -> None:
    assert {spec.name for spec in TOPICS} == {message.topic for message in _contracts()}


def test_every_message_names_a_topic_of_its_publisher_and_a_key_that_is_a_field() -> None:
    for message in _contracts():
        assert re.fullmatch(r"lapak\.[a-z]+\.(events|commands|contact)\.v1", message.topic), message
        assert message.key in message.model_fields, message


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_are_numbered_without_a_gap(service: str) -> None:
    names = [name for name, _ in migration_files(service)]
    assert any(name.startswith("shared/") for name in names)
    assert any(name.startswith(f"{service}/") for name in names)


def test_a_gap_in_the_numbers_is_found(tmp_path: Path) -> None:
    for owner, names in (("shared", ["0001_a.sql"]), ("services/x", ["0001_a.sql", "0003_c.sql"])):
        folder = tmp_path / owner / "migrations"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"0003_c\.sql: number 0002 was expected"):
        migration_files("x", root=tmp_path)


TAKES_AWAY = re.compile(
    r"DROP\s+(COLUMN|TABLE|VIEW|FUNCTION)|\bRENAME\b|SET\s+NOT\s+NULL|ALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b",
    re.I,
)
NEXT_ACTION = re.compile(r",\s*(?=ADD\b|DROP\b|ALTER\b)", re.I)


def _breaks_the_release_before(sql: str) -> list[str]:
    """What of a migration a process of the release before, which serves on beside it, could not work with."""
    plain = re.sub(r"--[^\n]*", "", sql)
    altering = [one.strip() for one in plain.split(";") if re.match(r"\s*(ALTER|DROP)\b", one, re.I)]
    actions = [action for statement in altering for action in NEXT_ACTION.split(statement)]
    return [
        action
        for action in actions
        if TAKES_AWAY.search(action)
        or (re.search(r"ADD\s+COLUMN\b.*\bNOT\s+NULL\b", action, re.I | re.S) and "DEFAULT" not in action.upper())
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_leave_what_the_release_before_works_with(service: str) -> None:
    found = {name: _breaks_the_release_before(path.read_text()) for name, path in migration_files(service)}
    assert not {name: actions for name, actions in found.items() if actions}


@pytest.mark.parametrize(
    "planted",
    [
        "ALTER TABLE a DROP COLUMN b;",
        "ALTER TABLE a ADD COLUMN c int, DROP COLUMN b;",
        "ALTER TABLE a RENAME TO b;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "ALTER TABLE a\n    -- said\n    ADD COLUMN b text NOT NULL,\n    ADD COLUMN c int NOT NULL DEFAULT 0;",
        "DROP TABLE a;",
    ],
)
def test_a_planted_migration_that_takes_something_away_is_found(planted: str) -> None:
    assert len(_breaks_the_release_before(planted)) == 1


def test_what_is_added_with_a_default_and_what_is_loosened_is_no_finding() -> None:
    sql = "ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 0, ALTER COLUMN c DROP NOT NULL, DROP CONSTRAINT d;"
    assert _breaks_the_release_before(sql) == []


def _handlers_of_everything(source: str) -> int:
    """How many bare handlers of every exception stand in this source without re-raising or a reason."""
    count = 0
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)} if node.type else {"Exception"}
        reraises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        if names & {"Exception", "BaseException"} and not reraises and "#" not in lines[node.lineno - 1]:
            count += 1
    return count


def test_whoever_catches_everything_raises_again_or_says_why() -> None:
    found = {path: _handlers_of_everything(path.read_text()) for path in _sources("shared", "services", "deploy")}
    assert not {path.relative_to(ROOT) for path, count in found.items() if count}


def test_a_planted_catch_of_everything_is_found() -> None:
    assert _handlers_of_everything("try:\n    pass\nexcept Exception:\n    pass\n") == 1
    assert _handlers_of_everything("try:\n    pass\nexcept Exception:\n    raise\n") == 0


def test_sql_stands_in_store_and_in_the_mechanisms_only() -> None:
    statement = re.compile(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.S)
    elsewhere = [
        path.relative_to(ROOT)
        for path in _sources("services")
        if "store" not in path.relative_to(ROOT).parts
        and path.name != "store.py"
        and statement.search(path.read_text())
    ]
    assert not elsewhere


def test_import_contracts_hold_and_a_planted_import_breaks_them(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for folder in ("services", "shared"):
        subprocess.run(["cp", "-r", str(ROOT / folder), str(copy / folder)], check=True)
    subprocess.run(["cp", str(ROOT / "pyproject.toml"), str(copy)], check=True)
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    clean = subprocess.run(lint, cwd=copy, capture_output=True, text=True, check=False)
    assert clean.returncode == 0, clean.stdout
    with (copy / "services" / "vendor" / "domain.py").open("a") as domain:
        domain.write("\nimport asyncpg\nimport services.bazaar.domain\n")
    broken = subprocess.run(lint, cwd=copy, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert "Services never import each other BROKEN" in broken.stdout
    assert "The domain and the contracts do no I/O BROKEN" in broken.stdout


GUIDES = ("registry", "bazaars", "training", "messages")


def guide_script(text: str) -> str:
    """The examples of a guide in their order: all blocks that name no other language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return "".join(block for language, block in blocks if language == "")


def faults_of_script(script: str) -> str:
    """What bash finds wrong without running it."""
    return subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("guide", GUIDES)
def test_the_examples_of_a_guide_are_one_script(guide: str) -> None:
    script = guide_script((ROOT / "docs" / f"{guide}.md").read_text())
    assert "lapak token" in script
    assert faults_of_script(script) == ""


def test_an_answer_that_stands_among_the_commands_is_found() -> None:
    assert faults_of_script(guide_script("```\nlapak x\nline 4: this mentor's sheet\n```\n")) != ""


POSTS_WITHOUT_KEY = {
    "vendor": {"export", "reveal_person", "search_vendors", "reveal"},
    "bazaar": {"preview", "submit_form"},
    "training": {"preview_criteria"},
    "notify": {"plan_broadcast", "find_people", "preview", "take_webhook", "take_webhook_of", "end"},
}
"""They read, with a body; or a person's browser or a provider asks, which knows of no keys: said twice is said once."""


def _posts_that_may_act_twice(source: str) -> set[str]:
    """Which POST routes of a module act without asking for an Idempotency-Key, themselves or by a function beside."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
    posts = {
        function.name
        for function in functions
        for one in function.decorator_list
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "post"
    }
    calls = {
        function.name: {
            node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
        }
        for function in functions
    }
    asking = {name for name, called in calls.items() if "once" in called}
    return {name for name in posts if name not in asking and not calls[name] & (asking - posts)}


@pytest.mark.parametrize("service", SERVICES)
def test_every_post_that_acts_acts_once_for_its_key(service: str) -> None:
    modules = [path.read_text() for path in _sources(f"services/{service}")]
    assert set().union(*map(_posts_that_may_act_twice, modules)) == POSTS_WITHOUT_KEY[service]


def test_a_planted_post_that_may_act_twice_is_found() -> None:
    helped = "async def _move(edge):\n    return await edge.once(act)\n"
    post = "@router.post('/x')\nasync def {name}(edge):\n    return await {does}\n"
    source = helped + post.format(name="safe", does="_move(edge)") + post.format(name="unsafe", does="act(edge)")
    assert _posts_that_may_act_twice(source) == {"unsafe"}
