"""What training does with messages of other services."""

from services.training.consumers import registry
from shared.consume import Subscription
from shared.events.vendor import VendorEvent

SUBSCRIPTIONS = [Subscription(topic=VendorEvent.topic, on_many={**registry.ON_MANY})]
