"""HTTP routes of notify, thin: who may, then the handler; what is read, as JSON."""

from services.notify.api import figures, notifications, personal_data

ROUTERS = [
    notifications.router,
    personal_data.router,
    figures.router,
]
