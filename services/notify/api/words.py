"""A message in words, written anew: as its inbox shows it, and as each attempt put it for its channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.notify.api.answers import TextAnswer, WordsAnswer, masked, text
from services.notify.domain.contents import Email, FreeText, Sms, WhatsAppTemplate
from services.notify.domain.people import Contact
from services.notify.rendering import Template, TemplateFault, compose, render, whatsapp_form_of
from services.notify.store import intents, lookups
from shared.db import Connection
from shared.events.notify import Channel

__all__ = ["Material", "email_text", "find_material", "words_on"]


@dataclass(frozen=True)
class Material:
    """What a message is written from."""

    notification_id: UUID
    template: Template
    language: str
    params: Mapping[str, Any]
    name: str
    party: Contact | None


async def find_material(
    conn: Connection, row: Mapping[str, Any], contact: Contact | None, *, in_full: bool
) -> Material | None:
    """What it is written from; None without a card, or once it is removed. In full it names the mentor it tells of,
    which is for the person itself.
    """
    if contact is None or row["bodies_gone_at"] is not None:
        return None
    template = await intents.find_template(conn, row["template"], row["template_version"])
    if template is None:
        return None
    party_id = row["params"].get("mentor_id")
    party = None if party_id is None else await lookups.find_contact(conn, UUID(party_id))
    if party is not None and not in_full:
        party = masked(party)
    language = row["language"] or contact.language
    return Material(row["notification_id"], template, language, row["params"], contact.name, party)


def email_text(material: Material | None) -> TextAnswer | None:
    """The e-mail form, which the inbox shows too; None where it cannot be written."""
    if material is None:
        return None
    try:
        written = render(
            material.template,
            material.language,
            material.params,
            name=material.name,
            notification_id=material.notification_id,
            party=material.party,
        )
    except TemplateFault:
        return None
    return text(written)


def words_on(material: Material | None, channel: Channel) -> WordsAnswer | None:
    """The words that go by a channel; None where there is no form for it, or it cannot be written."""
    if material is None:
        return None
    try:
        content = compose(
            material.template,
            channel,
            language=material.language,
            params=material.params,
            name=material.name,
            notification_id=material.notification_id,
            party=material.party,
        )
        match content:
            case Email(subject, body):
                return WordsAnswer(subject=subject, body=body)
            case Sms(body) | FreeText(body):
                return WordsAnswer(body=body)
            case WhatsAppTemplate(name, _, parameters):
                form = whatsapp_form_of(material.template, material.language)
                return WordsAnswer(body=form.words(parameters), buttons=list(form.buttons), whatsapp_name=name)
    except TemplateFault:
        return None
