"""What training does with messages of other services."""

from services.training.consumers import booths, commands, figures, names, partners, programme, registry
from shared.consume import Subscription
from shared.crypto import Sealer
from shared.events.bazaar import BoothConfirmed
from shared.events.vendor import VendorEvent

SUBSCRIPTIONS = [
    Subscription(
        topic=VendorEvent.topic,
        on_many={
            **registry.ON_MANY,
            **partners.ON_MANY,
            **figures.ON_MANY,
            **programme.ON_MANY,
        },
    ),
    commands.SUBSCRIPTION,
    # of a bazaar's aggregates only applications with booths concern training
    Subscription(topic=BoothConfirmed.topic, on_many=booths.ON_MANY, sparse=True),
]


def subscriptions(sealer: Sealer) -> list[Subscription]:
    """What training listens to; `sealer` seals the names that it remembers."""
    return [*SUBSCRIPTIONS, names.subscription(sealer)]
