"""Makes the providers that the settings name."""

from services.notify.channels import Provider
from services.notify.channels.email import Email
from services.notify.channels.twilio import Twilio
from services.notify.channels.vonage import Vonage
from services.notify.channels.whatsapp import WhatsApp
from services.notify.settings import NotifySettings, TwilioSettings, VonageSettings, WhatsAppSettings
from shared.crypto import Sealer

__all__ = ["providers"]


def providers(settings: NotifySettings, sealer: Sealer) -> list[Provider]:
    """Every way a message leaves: the mail server always, the others as `LAPAK_PROVIDERS` lists them."""
    found: list[Provider] = [Email(settings.server(), sealer.blind_index)]
    for one in settings.providers:
        match one:
            case WhatsAppSettings():
                found.append(WhatsApp(one))
            case TwilioSettings():
                found.append(Twilio(one, settings.public_url or ""))
            case VonageSettings():
                found.append(Vonage(one, settings.public_url or ""))
    return found
