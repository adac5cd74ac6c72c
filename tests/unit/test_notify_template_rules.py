"""Which templates may be saved: what a form may hold, what WhatsApp takes, and that nothing saved can run long."""

import json
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.notify.checking import Report, check_forms, sources_of
from services.notify.cli.templates import app
from services.notify.domain.contents import Email, FreeText, Sms, WhatsAppTemplate
from services.notify.domain.templates import (
    FormsByLanguage,
    ParametersWrong,
    TemplateNotFound,
    TemplateRefused,
    check_values,
    declared,
    parameters_of_event,
    plan_of,
    samples,
)
from services.notify.forms import FormFault, compiled, whatsapp_form
from services.notify.handlers.templates import check_sources, parameters_of
from services.notify.plans import PLANS, TEMPLATES
from services.notify.rendering import (
    Extras,
    FormMissing,
    Template,
    TemplateFault,
    compose,
    release_templates,
    version_of,
    whatsapp_form_of,
)

NUMBER = UUID(int=7)
SENT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OFFER = "booth-assigned"
OWN = Template(
    OFFER,
    "00112233445566aa",
    {
        "id": "Ada lapak\n\nHalo {{ name }}, lapak {{ booth }}.\n",
        "id.sms": "Lapak:\nHalo {{ name }}, ada lapak {{ booth }} di {{ bazaar_name }}.",
        "id.whatsapp": "category: utility\nbuttons: YA | TIDAK\n\n"
        "Halo {{ name }}, ada lapak untuk Anda di {{ bazaar_name }}: nomor {{ booth }}. Anda mau?",
    },
)
EMAIL = "Ada lapak\n\nHalo {{ name }}, lapak {{ booth }}.\n"


def of_offer(**forms: str) -> Report:
    """What is found in these forms of an offer; those not given are the release's."""
    sources = dict(release_templates()[OFFER].sources) | {key.replace("_", "."): text for key, text in forms.items()}
    found = plan_of(OFFER)
    assert found is not None
    return check_forms(OFFER, sources, parameters_of_event(*found))


def reasons(report: Report) -> str:
    return "\n".join(f"{fault.field} {fault.line} {fault.reason}" for fault in report.faults)


def written(channel: Any, template: Template | None = None, language: str = "id", **params: Any) -> Any:
    """The offer on a channel."""
    found = plan_of(OFFER)
    assert found is not None
    values = {**samples(parameters_of_event(*found))[0], **params}
    return compose(
        template or OWN,
        channel,
        language=language,
        params=values,
        name="Siti Aminah",
        notification_id=NUMBER,
    )


# ---- every form of the release


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_of_the_release_could_be_saved_as_they_are(name: str) -> None:
    found = plan_of(name)
    assert found is not None
    template = release_templates()[name]
    has_party = found[1].party is not None
    report = check_forms(name, template.sources, parameters_of_event(*found), has_party=has_party)
    assert not report.faults, reasons(report)
    assert set(report.sizes) == {
        f"forms.{language}.{channel}" for language in ("id", "en") for channel in ("email", "sms", "whatsapp")
    }


def test_every_field_of_every_plan_has_a_known_kind() -> None:
    for event, plan in PLANS.items():
        for parameter in parameters_of_event(event, plan).values():
            schema = event.model_json_schema()["properties"].get(parameter.name, {"type": "string"})
            if parameter.kind == "text":
                assert "string" in str(schema), (plan.template, parameter.name)


def test_samples_try_every_literal_and_every_absence() -> None:
    found = plan_of("application-rescheduled")
    assert found is not None
    tried = samples(parameters_of_event(*found))
    assert {one["booth"] is None for one in tried} == {True, False}
    assert any(one["booth"] is None and one["respond_by"] is not None for one in tried)
    assert any(one["site_name"] is None and one["release_by"] is None and one["respond_by"] is None for one in tried)


def test_the_command_names_sizes_and_faults_and_its_exit_code_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CliRunner().invoke(app, ["check", "--json"])
    assert answer.exit_code == 0, answer.output
    reports = json.loads(answer.stdout)
    assert set(reports) == set(TEMPLATES)
    assert reports[OFFER]["sizes"]["forms.id.sms"] in (1, 2, 3)
    faulty = Template(OFFER, "v", dict(release_templates()[OFFER].sources) | {"id.sms": "Lapak: {{ nama }}"})
    monkeypatch.setattr("services.notify.rendering.release_templates", lambda: {OFFER: faulty})
    answer = CliRunner().invoke(app, ["check"])
    assert answer.exit_code == 1
    assert "'nama' is not known here" in answer.output


# ---- composing


def test_a_message_has_the_form_of_its_channel() -> None:
    email, sms, whatsapp = written("email"), written("sms"), written("whatsapp")
    assert isinstance(email, Email)
    assert isinstance(sms, Sms)
    assert isinstance(whatsapp, WhatsAppTemplate)
    assert "\n" not in sms.text
    form = whatsapp_form_of(OWN, "id")
    assert form.body == "Halo {{1}}, ada lapak untuk Anda di {{2}}: nomor {{3}}. Anda mau?"
    assert whatsapp == WhatsAppTemplate(
        form.name, "id", ("Siti Aminah", "Bazar Jakpreneur Ramadan", "A07"), whatsapp.buttons, "utility"
    )


def test_buttons_carry_their_label_and_what_they_are_about() -> None:
    whatsapp = written("whatsapp", application_id="01890a5d-ac96-774b-bcce-b302099a8057")
    assert whatsapp.buttons == (
        "YA:01890a5d-ac96-774b-bcce-b302099a8057",
        "TIDAK:01890a5d-ac96-774b-bcce-b302099a8057",
    )


def test_extras_go_along_with_an_email() -> None:
    content = compose(
        Template("news", "v", {"id": "Kabar\n\n{% if stop_url %}Berhenti: {{ stop_url }}{% endif %}\n"}),
        "email",
        language="id",
        params={},
        name="Siti",
        notification_id=NUMBER,
        extras=Extras(unsubscribe_url="https://lapak.example/stop/abc"),
    )
    assert isinstance(content, Email)
    assert content.unsubscribe_url == "https://lapak.example/stop/abc"
    assert "Berhenti: https://lapak.example/stop/abc" in content.body


def test_an_email_about_a_booth_that_is_sure_has_its_days_as_a_calendar_file() -> None:
    found = plan_of("booth-confirmed")
    assert found is not None
    params = samples(parameters_of_event(*found))[0]

    def composed(**changed: Any) -> Any:
        template = release_templates()["booth-confirmed"]
        return compose(
            template, "email", language="en", params={**params, **changed}, name="Siti", notification_id=SENT
        )

    (file,) = composed().attachments
    assert (file.name, file.content_type.split(";")[0]) == ("schedule.ics", "text/calendar")
    assert written("email").attachments == ()
    with pytest.raises(TemplateFault):
        composed(days=["besok"])


def test_who_may_end_messages_is_shown_where() -> None:
    for language in ("id", "en"):
        for url in (None, "https://lapak.example/stop/abc"):
            content = compose(
                release_templates()["welcome"],
                "email",
                language=language,
                params={"kind": "usaha"},
                name="Siti",
                notification_id=NUMBER,
                extras=Extras(unsubscribe_url=url),
            )
            assert isinstance(content, Email)
            assert ("https:" in content.body) is (url is not None)
            assert "None" not in content.body


def test_a_version_from_before_the_channels_has_an_email_form_only() -> None:
    old = Template(OFFER, "0011223344556677", {"id": EMAIL, "en": EMAIL})
    assert isinstance(written("email", old), Email)
    for channel in ("sms", "whatsapp"):
        with pytest.raises(FormMissing):
            written(channel, old)


def test_an_answer_goes_over_whatsapp_as_free_text() -> None:
    answer = Template("reply-schedule", "v", {"id": "Jadwal\n\nAnda\n", "id.sms": "Jadwal Anda:\n{{ name }}"})
    assert written("whatsapp", answer) == FreeText("Jadwal Anda: Siti Aminah")


def test_a_parameter_is_one_line_whatever_it_holds() -> None:
    found = written("whatsapp", bazaar_name="Bazar\n\nIslami\t dan\x07 Ramadan")
    assert "Bazar Islami dan Ramadan" in found.parameters


@pytest.mark.parametrize("value", ["", "   ", "\n\t", "\x07"])
def test_an_empty_parameter_is_a_fault_that_names_its_place(value: str) -> None:
    with pytest.raises(TemplateFault, match=r"parameter \{\{2\}\} is empty"):
        written("whatsapp", bazaar_name=value)


def test_a_message_that_meta_would_find_too_long_is_a_fault() -> None:
    with pytest.raises(TemplateFault, match="longer than 1024"):
        written("whatsapp", bazaar_name="x" * 1000)


@given(name=st.text(max_size=80), place=st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_whatever_a_name_holds_the_parameters_stay_in_their_places(name: str, place: str) -> None:
    form = whatsapp_form("probe", "id", "category: utility\n\nHalo {{ a }}, lapak di {{ b }} untuk Anda.")
    values = {"a": f"x{name}", "b": f"y{place}"}
    try:
        first, second = form.parameters(values)
    except FormFault:
        assert "\0" in name + place
        return
    assert first.startswith("x")
    assert second.startswith("y")
    assert (first + second).isprintable()


def test_the_name_at_meta_changes_with_the_form_and_with_nothing_else() -> None:
    body = "category: utility\n\nHalo {{ name }}, ada lapak."
    name = whatsapp_form("booth-assigned", "id", body).name
    assert name.startswith("lapak_booth_assigned_")
    assert len(name.rpartition("_")[2]) == 8
    assert whatsapp_form("booth-assigned", "id", body).name == name
    assert whatsapp_form("booth-assigned", "id", body + " Ya?").name != name


def test_a_version_is_all_forms_of_both_languages() -> None:
    sources = dict(release_templates()[OFFER].sources)
    version = version_of(sources)
    assert version == release_templates()[OFFER].version
    for key in sources:
        assert version_of(sources | {key: sources[key] + " "}) != version
    assert version_of(dict(reversed(sources.items()))) == version


def test_a_form_is_compiled_once_however_many_messages_it_makes() -> None:
    written("whatsapp")
    written("sms")
    before = whatsapp_form.cache_info().misses, compiled.cache_info().misses
    for _ in range(20):
        written("whatsapp")
        written("sms")
    assert (whatsapp_form.cache_info().misses, compiled.cache_info().misses) == before


# ---- what may not be saved


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("Ada lapak\n\nHalo {{ nama }}", 3, "'nama' is not known here; there are application_id, bazaar_name"),
        ("Ada lapak\n\n\n{{ booth | shout }}", 4, "there is no filter 'shout'"),
        ("Ada lapak\n\n{{ booth.number }}", 3, "there is no 'number' in it"),
        ("Ada lapak\n\n{% if promoted %}x", 3, "cannot be read"),
        ("Ada lapak\n\n{{ booth | moment }}", 3, "cannot be written for every event: ValueError"),
        ("Ada lapak\n\n{{ days | rupiah }}", 3, "cannot be written for every event"),
        ("Ada lapak\n\n{{ phase }}", 3, "an absent value would be printed as None"),
        ("\n\nHalo {{ name }}", 1, "begins with an empty line"),
        ("Ada lapak\nuntuk Anda\n\nx", 2, "the subject goes over its one line"),
        ("{{ bazaar_name ~ bazaar_name ~ bazaar_name ~ bazaar_name ~ bazaar_name ~ bazaar_name ~ bazaar_name }}\n\nx",
         1, "longer than 150"),
        ("Ada lapak\n\n{{ party_name }}", 3, "'party_name' is not known here"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_form_and_line(source: str, line: int, reason: str) -> None:
    report = of_offer(id=source)
    assert [(fault.field, fault.line) for fault in report.faults] == [("forms.id.email", line)], reasons(report)
    assert reason in report.faults[0].reason


BOMBS = {
    "a long loop": "{% for i in range(10 ** 9) %}x{% endfor %}",
    "a range printed": "{{ range(10 ** 9) | join }}",
    "multiplied text": "{{ 'x' * 10 ** 9 }}",
    "a power": "{{ 10 ** 10 ** 10 }}",
    "a wide field": "{{ '%1000000000d' % 1 }}",
    "a padded text": "{{ booth | center(10 ** 9) }}",
    "formatted": "{{ '%1000000000d' | format(1) }}",
    "loops in loops": "{% for a in days %}{% for b in days %}{% for c in days %}x{% endfor %}{% endfor %}{% endfor %}",
    "a loop that calls itself": "{% for a in days recursive %}{{ loop(days) }}{% endfor %}",
    "doubling": "{% set a = 'xx' %}{% set a = a ~ a %}{{ a }}",
    "replacing": "{{ booth | replace('A', 'AAAAAAAAAAAAAAA') }}",
    "indented": "{{ booth | indent(10 ** 9, true) }}",
    "a slice": "{{ booth[::-1] }}",
    "calling a macro": "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "the classes of Python": "{{ ''.__class__.__mro__ }}",
    "by the filter attr": "{{ booth | attr('__class__') }}",
    "by map": "{{ days | map(attribute='__class__') | join }}",
    "map with a filter that is not ours": "{{ days | map('pprint') | join }}",
    "another file": "{% include 'id/footer.txt' %}",
    "another template": "{% extends 'x' %}",
    "an import": "{% import 'os' as os %}",
    "globals": "{{ cycler }}",
    "a namespace": "{% set ns = namespace(x=1) %}",
    "numbers in a loop": "{% for i in (1, 2, 3) %}x{% endfor %}",
    "a loop over letters": "{% for letter in booth %}{{ letter }}{% endfor %}",
    "a loop over nothing known": "{% for day in jours %}x{% endfor %}",
    "a loop that hides a parameter": "{% for booth in days %}{{ booth }}{% endfor %}",
}


@pytest.mark.parametrize("what", BOMBS)
@pytest.mark.parametrize("key", ["id", "id_sms", "id_whatsapp"])
def test_what_could_run_long_or_look_elsewhere_is_refused_at_once(what: str, key: str) -> None:
    head = {"id": "Subjek\n\n", "id_sms": "Lapak: ", "id_whatsapp": "category: utility\n\nHalo {{ name }}, "}[key]
    began = time.process_time()
    report = of_offer(**{key: f"{head}{BOMBS[what]} selesai."})
    assert time.process_time() - began < 2.0
    assert any(fault.field.startswith("forms.id.") for fault in report.faults), what


@pytest.mark.parametrize(
    "nested",
    ["{{ " + "(" * 3000 + "booth" + ")" * 3000 + " }}", "{% if booth %}" * 300 + "x" + "{% endif %}" * 300,
     "{{ " + " ~ ".join(["booth"] * 1500) + " }}", "{{ " + "not " * 1500 + "booth }}"],
)  # fmt: skip
def test_deep_nesting_is_refused_and_harms_nobody(nested: str) -> None:
    began = time.process_time()
    report = of_offer(id_sms=f"Lapak: {nested}")
    assert time.process_time() - began < 2.0
    assert report.faults


@given(st.text(alphabet="{}%| ()[]'\"~.*+-=<>abdefhimnorsty 019\n", max_size=60))
@settings(max_examples=120, deadline=None)
def test_no_text_whatever_breaks_the_check(text: str) -> None:
    began = time.process_time()
    of_offer(id_sms=f"Lapak: {text}")
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("category: utility\n\n{{ name }} mendapat lapak hari ini.", "neither begin nor end"),
        ("category: utility\n\nAda lapak untuk Anda di {{ bazaar_name }}", "neither begin nor end"),
        ("category: utility\n\nAda lapak untuk Anda di {{ bazaar_name }}.", "neither begin nor end"),
        ("category: utility\n\nHalo {{ name }} {{ booth }}, ada lapak untuk Anda.", "beside each other"),
        ("category: utility\n\nHalo {{ name }}, ada\n\n\nlapak.", "more than one empty line"),
        ("category: utility\n\nHalo {{ name }}, ada\tlapak.", "a tab"),
        ("category: utility\n\nHalo {{ name }} dan {{ booth }} ya.", "need 5 words"),
        (f"category: utility\n\nHalo {{{{ name }}}}, {'kata ' * 250}.", "characters; 1024"),
        ("category: utility\nbuttons: A | B | C | D\n\nHalo {{ name }}, ada lapak.", "4 buttons"),
        ("category: utility\nbuttons: YA | YA\n\nHalo {{ name }}, ada lapak.", "say the same"),
        (f"category: utility\nbuttons: {'x' * 26}\n\nHalo {{{{ name }}}}, ada lapak.", "25 characters"),
        ("category: promo\n\nHalo {{ name }}, ada lapak.", "`category:` must be one of"),
        ("colour: red\n\nHalo {{ name }}, ada lapak.", "only `category:` and `buttons:`"),
        ("category: utility", "no empty line"),
        ("category: utility\n\nHalo {{ name }}, {% if promoted %}ya{% endif %} ada.", "{{ expressions }} only"),
        ("category: utility\n\nHalo {{ name }}, ada {% raw %}{{1}}{% endraw %} lapak.", "braces in the text"),
        ("category: utility\n\nHalo {{ name }}, ada {{ '' }} lapak untuk Anda.", "parameter {{2}} is empty"),
        ("category: utility\n\nHalo {{ name }}, ada {{ phase }} lapak untuk Anda.", "printed as None"),
    ],
)
def test_what_meta_would_refuse_is_refused_here(body: str, reason: str) -> None:
    report = of_offer(id_whatsapp=body)
    assert reason in reasons(report), reasons(report)
    assert {fault.field for fault in report.faults} == {"forms.id.whatsapp"}


def test_lines_of_a_whatsapp_form_count_from_its_head() -> None:
    report = of_offer(id_whatsapp="category: utility\nbuttons: YA\n\nHalo {{ name }},\nada {{ lapak }} untuk Anda.")
    assert [fault.line for fault in report.faults] == [5]
    report = of_offer(id_whatsapp="category: utility\n\nHalo {{ name }},\nada {{ booth | moment }} untuk Anda.")
    assert [fault.line for fault in report.faults] == [4]


def test_a_long_sms_is_refused_and_a_middling_one_warned_of() -> None:
    assert "takes 4 parts" in reasons(of_offer(id_sms="x" * 460))
    two = of_offer(id_sms="x" * 200)
    assert not two.faults
    assert "takes 2 parts" in " ".join(one.reason for one in two.warnings if one.field == "forms.id.sms")
    other = of_offer(id_sms="Halo \N{WAVING HAND SIGN}")
    assert "outside GSM-7" in " ".join(one.reason for one in other.warnings)


def test_a_channel_is_written_in_both_languages_or_in_none() -> None:
    sources = {key: text for key, text in release_templates()[OFFER].sources.items() if key != "en.sms"}
    found = plan_of(OFFER)
    assert found is not None
    report = check_forms(OFFER, sources, parameters_of_event(*found))
    assert "no counterpart in the other language" in reasons(report)


# ---- declared parameters

KINDS = {"judul": "text", "hari": "date", "jam": "moment", "biaya": "rupiah", "tautan": "url"}
VALUES: dict[str, Any] = {
    "judul": "Bazar Ramadan",
    "hari": "2023-03-20",
    "jam": "2023-03-20T09:00:00+07:00",
    "biaya": 120_000,
    "tautan": "https://lapak.example.go.id/ramadan",
}


def test_a_broadcast_shows_what_it_declares() -> None:
    sources = dict.fromkeys(
        ("id", "en"), "{{ judul }}\n\n{{ hari | day }}, {{ jam | moment }}: {{ biaya | rupiah }}, {{ tautan }}\n"
    )
    assert not check_sources("broadcast-ramadan", sources, KINDS).faults
    assert check_values(declared(KINDS), VALUES) == VALUES
    with pytest.raises(TemplateRefused) as refused:
        check_sources("broadcast-ramadan", sources | {"id": "{{ judul | day }}\n\nx"}, KINDS)
    assert refused.value.details["errors"][0]["field"] == "forms.id.email"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("judul", ""), ("judul", "a\nb"), ("judul", 7), ("judul", "x" * 1001), ("judul", None),
        ("hari", "2023-02-30"), ("hari", "besok"), ("jam", "2023-03-20T09:00:00"), ("jam", "09.00"),
        ("biaya", "120000"), ("biaya", -1), ("biaya", 1.5), ("biaya", True),
        ("tautan", "http://lapak.example.go.id"), ("tautan", "javascript:alert(1)"), ("tautan", "lapak"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_with_what_is_expected(name: str, value: Any) -> None:
    with pytest.raises(ParametersWrong) as refused:
        check_values(declared(KINDS), VALUES | {name: value})
    (error,) = refused.value.details["errors"]
    assert error["field"] == f"params.{name}"
    assert error["reason"].startswith("must be ")


def test_missing_and_unknown_values_are_named() -> None:
    with pytest.raises(ParametersWrong) as refused:
        check_values(declared(KINDS), {**{key: VALUES[key] for key in VALUES if key != "hari"}, "warna": "merah"})
    assert {error["field"] for error in refused.value.details["errors"]} == {"params.hari", "params.warna"}


def test_a_new_template_is_for_broadcasts_only() -> None:
    with pytest.raises(TemplateNotFound):
        parameters_of("hello-world", None)
    with pytest.raises(TemplateRefused):
        parameters_of(OFFER, {"judul": "text"})
    with pytest.raises(TemplateRefused):
        parameters_of("broadcast-x", {"name": "text"})


def test_a_text_that_was_read_from_us_is_saved_with_its_footer_once() -> None:
    released = release_templates()["welcome"].sources
    forms = {language: {"email": released[language]} for language in ("id", "en")}
    saved = sources_of(FormsByLanguage.model_validate(forms))
    assert saved == {language: released[language] for language in ("id", "en")}
    assert sources_of(FormsByLanguage.model_validate({name: {"email": text} for name, text in saved.items()})) == saved
