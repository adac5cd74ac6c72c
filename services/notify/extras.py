"""What goes along with a message besides its words: the link that ends messages like it.

Days as calendar files belong to the words (`rendering`), files that another system attached to the message
(`delivery.writing`).
"""

from services.notify.delivery import MakeExtras
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
    """Every e-mail that may be ended carries the link that ends it; none where it is not known how we are reached."""

    def make(job: Job, channel: Channel) -> Extras:
        if channel != "email" or public_url is None or job.must or job.template.startswith(ANSWER):
            return Extras()
        topic = None if job.template == DIGEST else job.topic
        return Extras(
            stop_url(public_url, sealer, vendor_id=job.vendor_id, notification_id=job.id, topic=topic, now=clock.now())
        )

    return make
