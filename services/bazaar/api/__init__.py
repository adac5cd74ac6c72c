"""HTTP routes of bazaars, thin: who may, then the handler; what is read, as JSON."""

from services.bazaar.api import applications, bazaars, days, personal_data, projections, rounds

ROUTERS = [
    bazaars.router,
    applications.router,
    rounds.router,
    days.router,
    personal_data.router,
    projections.router,
]
