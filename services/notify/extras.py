"""What goes along with a message besides its words: the link that ends messages like it, days as calendar files."""

from services.notify.calendar_files import attachments
from services.notify.delivery import MakeExtras
from services.notify.domain.contents import Attachment
from services.notify.domain.routing import ANSWER
from services.notify.handlers.stopping import stop_url
from services.notify.plans import DIGEST
from services.notify.rendering import Extras
from services.notify.store.claims import Job
from shared.clock import Clock
from shared.crypto import Sealer
from shared.events.notify import Channel

__all__ = ["stop_links"]


def stop_links(public_url: str | None, sealer: Sealer, clock: Clock) -> MakeExtras:
    """Every e-mail that may be ended carries the link that ends it; none where it is not known how we are reached.
    What tells of days that are sure carries them as a calendar file.
    """

    def make(job: Job, channel: Channel) -> Extras:
        if channel != "email":
            return Extras()
        return Extras(stop_link(job), calendar_files(job))

    def stop_link(job: Job) -> str | None:
        if job.must or public_url is None or job.template.startswith(ANSWER):
            return None
        topic = None if job.template == DIGEST else job.topic
        return stop_url(
            public_url, sealer, vendor_id=job.vendor_id, notification_id=job.id, topic=topic, now=clock.now()
        )

    def calendar_files(job: Job) -> tuple[Attachment, ...]:
        language = job.language or ("id" if job.contact is None else job.contact.language)
        return attachments(job.template, job.params, language=language, notification_id=job.id)

    return make
