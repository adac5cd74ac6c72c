"""HTTP routes of training, thin: who may, then the handler; what is read, as JSON."""

from services.training.api import attendance, classes, enrolments, personal_data, projections, trainees

ROUTERS = [
    classes.router,
    enrolments.router,
    attendance.router,
    trainees.router,
    personal_data.router,
    projections.router,
]
