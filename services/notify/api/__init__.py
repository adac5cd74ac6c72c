"""HTTP routes of notify, thin: who may, then the handler; what is read, as JSON."""

from services.notify.api import (
    bounces,
    broadcasts,
    budgets,
    figures,
    inbox,
    keys,
    notifications,
    personal_data,
    providers,
    replies,
    sending,
    subscribers,
    template_pauses,
    templates,
    webhooks,
    wishes,
)

ROUTERS = [
    notifications.router,
    personal_data.router,
    figures.router,
    providers.router,
    replies.router,
    templates.router,
    template_pauses.router,
    webhooks.router,
    bounces.router,
    budgets.router,
    broadcasts.router,
    inbox.router,
    wishes.router,
    keys.router,
    sending.router,
    subscribers.router,
]
