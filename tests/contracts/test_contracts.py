"""The contracts: generated files up to date, released promises kept, one golden message of each released version."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from shared import contracts
from shared.contracts.cli import contracts as contracts_command
from shared.events.envelope import Command, Message, read_envelope
from shared.events.vendor import ContactCard
from shared.telemetry import PERSONAL_KEYS

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_FILES = sorted(GOLDEN.glob("*.json"))


def kind_of(path: Path) -> type[Message]:
    return Message.registry[path.name.split(".")[0]]


def golden(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def test_generated_files_are_up_to_date_and_nothing_released_is_broken() -> None:
    assert contracts.check() == []


def test_generation_gives_the_same_bytes_each_time() -> None:
    assert contracts.generate() == contracts.generate()


def test_every_message_is_released() -> None:
    assert {path.stem for path in contracts.RELEASED.glob("*.json")} == {kind.__name__ for kind in contracts.messages()}


# ---- personal data stays off the facts

PERSONAL = frozenset({"nik", "phone", "email", "street", "address", "birth_date", "born_on", "full_name"})
NAMES_OF_THINGS = frozenset({"BazaarAnnounced", "BazaarPlanned", "BazaarMoved", "BazaarGrown", "BazaarCancelled",
                             "BazaarHeld", "PartnerAgreementMade"})  # fmt: skip
"""Their `name` is a bazaar's, a site's or an organisation's."""


def fields_of(schema: Mapping[str, Any]) -> set[str]:
    """Names of all fields of a message, also inside."""
    found = set(schema.get("properties", {}))
    return found.union(*(fields_of(one) for one in schema.get("$defs", {}).values()))


def personal_fields(kind: type[Message]) -> set[str]:
    """Fields of a fact that could hold personal data."""
    allowed = {"name"} if kind.__name__ in NAMES_OF_THINGS else set()
    return fields_of(kind.model_json_schema()) & (PERSONAL | PERSONAL_KEYS) - allowed


def test_no_fact_has_a_field_for_personal_data() -> None:
    facts = [kind for kind in contracts.messages() if kind.topic.endswith(".events.v1")]
    assert len(facts) > 100
    assert {kind.__name__: found for kind in facts if (found := personal_fields(kind))} == {}


def test_contact_cards_would_be_found_among_the_facts() -> None:
    assert personal_fields(ContactCard) == {"name", "phone", "email"}


# ---- golden messages


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.name)
def test_a_golden_message_is_read_by_todays_code_and_keeps_its_meaning(path: Path) -> None:
    record = golden(path)
    kind = kind_of(path)
    message = kind.from_bytes(json.dumps(record["body"]).encode())
    again = json.loads(message.to_bytes())
    assert {field: again[field] for field in record["body"]} == record["body"]
    assert (kind.topic, message.subject) == (record["topic"], record["key"])


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.name)
def test_the_envelope_of_a_golden_message_is_read(path: Path) -> None:
    record = golden(path)
    headers: dict[str, str] = record["headers"]
    envelope = read_envelope([(name, value.encode()) for name, value in headers.items()])
    assert envelope.type == kind_of(path).__name__
    assert envelope.subject == record["key"]
    assert str(envelope.id) == headers["ce_id"]
    assert (envelope.sequence is None) == issubclass(kind_of(path), Command)
    assert envelope.traceparent == headers["traceparent"]


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.name)
def test_a_golden_message_fits_its_schemas(path: Path) -> None:
    record = golden(path)
    schema = json.loads((contracts.SCHEMAS / f"{kind_of(path).__name__}.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(record["body"])
    document = json.loads((contracts.SCHEMAS / contracts.ASYNCAPI).read_bytes())
    message = document["components"]["messages"][kind_of(path).__name__]
    Draft202012Validator({**message["headers"], "components": document["components"]}).validate(record["headers"])
    Draft202012Validator({**message["payload"], "components": document["components"]}).validate(record["body"])


@pytest.mark.parametrize("kind", contracts.messages(), ids=lambda kind: kind.__name__)
def test_the_newest_golden_message_has_every_field(kind: type[Message]) -> None:
    versions = [path for path in GOLDEN_FILES if kind_of(path) is kind]
    assert versions, f"golden/{kind.__name__}.v1.json is missing"
    assert versions == [GOLDEN / f"{kind.__name__}.v{number}.json" for number in range(1, len(versions) + 1)]
    missing = kind.model_fields.keys() - golden(versions[-1])["body"].keys()
    assert not missing, f"a new field needs golden/{kind.__name__}.v{len(versions) + 1}.json that carries it"


# ---- AsyncAPI


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        inner = [found for value in node.values() for found in references(value)]
        return [node["$ref"], *inner] if isinstance(node.get("$ref"), str) else inner
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads((contracts.SCHEMAS / contracts.ASYNCAPI).read_bytes())
    assert document["asyncapi"] == "3.0.0"
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_the_asyncapi_document_has_the_shape_of_the_specification() -> None:
    document = json.loads((contracts.SCHEMAS / contracts.ASYNCAPI).read_bytes())
    assert set(ApplicationSchema.model_validate(document).channels) == set(document["channels"])


def test_the_asyncapi_document_says_who_sends_and_who_receives() -> None:
    document = json.loads((contracts.SCHEMAS / contracts.ASYNCAPI).read_bytes())
    actions = {name: operation["action"] for name, operation in document["operations"].items()}
    assert actions["send.lapak.vendor.events.v1"] == "send"
    assert actions["receive.lapak.vendor.commands.v1"] == "receive"
    assert set(document["channels"]) == {kind.topic for kind in contracts.messages()}


# ---- the checker finds what it is there for

Change = Callable[[dict[str, Any]], object]


def field_of(schema: dict[str, Any], name: str) -> dict[str, Any]:
    field: dict[str, Any] = schema["properties"][name]
    return field


BREAKING: list[tuple[str, Change, str]] = [
    ("removed", lambda new: new["properties"].pop("rw"), "VendorRegistered.rw: the field was removed"),
    (
        "retyped",
        lambda new: field_of(new, "rw").update(type="integer"),
        "VendorRegistered.rw: its type changed from string to integer",
    ),
    (
        "new format",
        lambda new: field_of(new, "registered_on").update(format="date-time"),
        "VendorRegistered.registered_on: its type changed from string (date) to string (date-time)",
    ),
    (
        "null no longer taken",
        lambda new: field_of(new, "category")["anyOf"].pop(),
        "VendorRegistered.category: its type changed from null or string to string",
    ),
    (
        "newly required",
        lambda new: new["required"].append("agency"),
        "VendorRegistered.agency: the field is required now",
    ),
    (
        "a new required field",
        lambda new: (new["properties"].update(born={"type": "string"}), new["required"].append("born")),
        "VendorRegistered.born: the field is required now",
    ),
    (
        "no longer always there",
        lambda new: new["required"].remove("kind"),
        "VendorRegistered.kind: was always there and is optional now",
    ),
    (
        "enum narrowed",
        lambda new: field_of(new, "origin")["enum"].remove("file"),
        "VendorRegistered.origin: no longer takes file",
    ),
    (
        "enum where there was none",
        lambda new: field_of(new, "rt").update(enum=["001"]),
        "VendorRegistered.rt: took any value and takes only 001 now",
    ),
    (
        "pattern changed",
        lambda new: field_of(new, "rw").update(pattern="^0"),
        "VendorRegistered.rw: pattern was",
    ),
    (
        "limit lowered",
        lambda new: field_of(new, "category")["anyOf"][0].update(maxLength=10),
        "VendorRegistered.category: maxLength was 40 and is 10 now",
    ),
    (
        "limit raised from below",
        lambda new: field_of(new, "rw").update(minLength=2),
        "VendorRegistered.rw: minLength was not set and is 2 now",
    ),
    (
        "default changed",
        lambda new: field_of(new, "agency").update(default="ppkukm"),
        "VendorRegistered.agency: its default changed",
    ),
    ("another topic", lambda new: new.update({"x-topic": "other"}), "VendorRegistered: its topic changed"),
    ("another key", lambda new: new.update({"x-key": "rw"}), "VendorRegistered: its key changed"),
]


def schema_named(name: str) -> dict[str, Any]:
    return contracts.schema(Message.registry[name])


@pytest.mark.parametrize(("change", "sentence"), [case[1:] for case in BREAKING], ids=[case[0] for case in BREAKING])
def test_a_breaking_change_is_found(change: Change, sentence: str) -> None:
    released = schema_named("VendorRegistered")
    today = copy.deepcopy(released)
    change(today)
    [found] = contracts.breaks("VendorRegistered", released, today)
    assert found.startswith(sentence)


def test_a_breaking_change_inside_a_list_of_objects_is_found() -> None:
    released = schema_named("BazaarAnnounced")
    today = copy.deepcopy(released)
    del today["$defs"]["BazaarSite"]["properties"]["booths"]
    [found] = contracts.breaks("BazaarAnnounced", released, today)
    assert found.startswith("BazaarAnnounced.sites[].booths: the field was removed")


def test_a_breaking_change_inside_a_dict_is_found() -> None:
    released = schema_named("ApplicantQueued")
    today = copy.deepcopy(released)
    field_of(today, "ahead")["additionalProperties"]["type"] = "string"
    [found] = contracts.breaks("ApplicantQueued", released, today)
    assert found.startswith("ApplicantQueued.ahead{}: its type changed from integer to string")


@pytest.mark.parametrize(
    "change",
    [
        lambda new: new["properties"].update(note={"type": "string", "default": ""}),
        lambda new: field_of(new, "origin")["enum"].append("import"),
        lambda new: field_of(new, "category")["anyOf"][0].update(maxLength=80),
        lambda new: field_of(new, "rw").pop("pattern"),
        lambda new: new.update(description="said better"),
    ],
    ids=["a new optional field", "enum widened", "limit raised", "pattern dropped", "other words"],
)
def test_a_change_that_breaks_nobody_passes(change: Change) -> None:
    released = schema_named("VendorRegistered")
    today = copy.deepcopy(released)
    change(today)
    assert list(contracts.breaks("VendorRegistered", released, today)) == []


# ---- the files


def test_files_that_are_missing_edited_or_superfluous_are_named(tmp_path: Path) -> None:
    contracts.write(tmp_path)
    assert contracts.check(tmp_path, released=tmp_path / "none") == []
    (tmp_path / "BoothAssigned.json").unlink()
    (tmp_path / "ContactCard.json").write_text("{}")
    (tmp_path / "ForgottenEvent.json").write_text("{}")
    found = contracts.check(tmp_path, released=tmp_path / "none")
    assert [sentence.split()[0] for sentence in found] == [
        "BoothAssigned.json",
        "ContactCard.json",
        "ForgottenEvent.json",
    ]
    assert len(contracts.write(tmp_path)) == 3
    assert contracts.write(tmp_path) == []


def test_a_released_message_that_is_gone_is_named(tmp_path: Path) -> None:
    contracts.release(tmp_path)
    (tmp_path / "VendorVanished.json").write_text(json.dumps({"x-topic": "t", "x-key": "k"}))
    [found] = contracts.check(released=tmp_path)
    assert found.startswith("VendorVanished was released and is gone")


def test_nothing_is_released_that_breaks_an_earlier_promise(tmp_path: Path) -> None:
    contracts.release(tmp_path)
    path = tmp_path / "VendorRegistered.json"
    promised = json.loads(path.read_bytes())
    promised["properties"]["district"] = {"type": "string"}
    path.write_text(json.dumps(promised))
    with pytest.raises(ValueError) as caught:
        contracts.release(tmp_path)
    assert "VendorRegistered.district: the field was removed" in str(caught.value)
    assert json.loads(path.read_bytes()) == promised


def test_messages_of_tests_are_no_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Message, "registry", dict(Message.registry))

    class PlantedHappened(Message):
        topic = "lapak.planted.events.v1"
        key = "id"

        id: str

    assert "PlantedHappened" in Message.registry
    assert PlantedHappened not in contracts.messages()


# ---- the command


def test_the_command_checks_and_says_so() -> None:
    command = typer.Typer()
    command.command()(contracts_command)
    result = CliRunner().invoke(command, ["--check"])
    assert (result.exit_code, result.stdout) == (0, "contracts: up to date, nothing released is broken\n")


def test_the_command_fails_with_a_list_of_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contracts.write(tmp_path)
    (tmp_path / "ContactCard.json").unlink()
    monkeypatch.setattr("shared.contracts.cli.check", lambda: contracts.check(tmp_path))
    command = typer.Typer()
    command.command()(contracts_command)
    result = CliRunner().invoke(command, ["--check"])
    assert result.exit_code == 1
    assert result.stderr.startswith("ContactCard.json is missing in ")
