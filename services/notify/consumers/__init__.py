"""What notify listens to: contact cards and locations to remember, events that make messages."""

from services.notify.consumers import copies, people, planning
from shared.consume import Subscription
from shared.events.bazaar import BazaarEvent
from shared.events.training import TraineeEvent
from shared.events.vendor import VendorEvent, VendorRegistered

SUBSCRIPTIONS = [
    *copies.CARDS,
    Subscription(
        VendorEvent.topic,
        on_many={
            **planning.planned(VendorEvent.topic),
            VendorRegistered: planning.welcome,
            **copies.VENDOR_EVENTS,
            **people.ON_MANY,
        },
    ),
    Subscription(TraineeEvent.topic, on_many=planning.planned(TraineeEvent.topic)),
    Subscription(BazaarEvent.topic, on_many={**copies.BAZAAR_EVENTS, **planning.planned(BazaarEvent.topic)}),
]
"""One per topic."""
