"""Templates are paused and resumed by operators: a wrong text is stopped at once."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from services.notify.domain.pauses import PauseTemplate, ResumeTemplate
from services.notify.domain.templates import TemplateName
from services.notify.handlers import pauses as handlers
from services.notify.store import pauses as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["templates"])

Name = Annotated[TemplateName, Path(description="Name of the template, for example booth-assigned")]


class TemplatePausedAnswer(BaseModel):
    """A template that is paused now, and what the pause found."""

    template: str
    held: int = Field(description="Messages that wait until it is resumed; their deadlines still end them")
    under_way: int = Field(description="Messages that were being handed over at that moment: they leave")
    left_in_a_day: int = Field(description="Messages, of those planned in the last day, that have left or may have")


class TemplateResumedAnswer(BaseModel):
    """A template that is used again; how many messages go on."""

    template: str
    released: int


class TemplatePauseRow(BaseModel):
    """Somebody paused or resumed it. `messages`: that were held, or went on."""

    pause_id: UUID
    template: str
    paused: bool
    actor: str
    reason: str
    at: datetime
    messages: int


class TemplatePausePage(BaseModel):
    """A page of pauses of templates, newest first."""

    items: list[TemplatePauseRow]
    next: str | None


@router.post("/templates/{name}/pause", responses={200: {"model": TemplatePausedAnswer}})
async def pause_template(name: Name, command: PauseTemplate, edge: EdgeDep) -> Response:
    """Let nothing of a template leave from now on, by any channel, and not into the inbox either. What is planned
    meanwhile waits too. Operators.
    """
    edge.caller.require("operator")

    async def act(conn: Connection) -> TemplatePausedAnswer:
        found = await handlers.pause(conn, name, command, by=edge.caller.subject, now=edge.now)
        return TemplatePausedAnswer(template=name, **found._asdict())

    return await edge.once(act)


@router.post("/templates/{name}/resume", responses={200: {"model": TemplateResumedAnswer}})
async def resume_template(name: Name, command: ResumeTemplate, edge: EdgeDep) -> Response:
    """Use a template again. What was held leaves, with the words in use now unless others are wished. Operators."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> TemplateResumedAnswer:
        released = await handlers.resume(conn, name, command, by=edge.caller.subject, now=edge.now)
        return TemplateResumedAnswer(template=name, released=released)

    return await edge.once(act)


@router.get("/template-pauses")
async def list_template_pauses(
    edge: EdgeDep,
    template: Annotated[TemplateName | None, Query()] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> TemplatePausePage:
    """Who paused and resumed templates, when and why. Operators."""
    edge.caller.require("operator")
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.list_pauses(conn, template=template, before=before, limit=limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row["pause_id"])
    return TemplatePausePage(items=[TemplatePauseRow(**row) for row in found["items"]], next=found["next"])
