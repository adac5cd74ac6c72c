"""Budgets over HTTP: what providers may still be asked for."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.notify.domain.budgets import ProviderBudget
from services.notify.handlers import budgets as handlers
from services.notify.settings import NotifySettings
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["budgets"])


class RateView(BaseModel):
    """The token bucket: messages a second, and how many could leave at this moment."""

    per_second: float
    now: float


class PeopleView(BaseModel):
    """People we wrote to first in the last day, of the portfolio's tier; and how many more there may be, for messages
    to many and for offers.
    """

    portfolio: str
    tier: int
    used: int
    left_for_broadcasts: int
    left_for_offers: int


class MoneyView(BaseModel):
    """Rupiah of today in Jakarta: spent, put aside for what is under way, and left."""

    daily: int | None
    spent: int
    put_aside: int
    messages: int
    left_for_broadcasts: int | None
    left_for_offers: int | None


class BudgetView(BaseModel):
    """One provider. null: no such limit."""

    provider: str
    rate: RateView | None
    people: PeopleView | None
    money: MoneyView
    pair_seconds: float = Field(description="Between two messages to one person")


class BudgetsAnswer(BaseModel):
    """All providers with limits, by name."""

    items: list[BudgetView]


@router.get("/budgets")
async def show_budgets(edge: EdgeDep) -> BudgetsAnswer:
    """What is used of every provider's budgets, and what is left."""
    edge.caller.require("operator")
    settings = edge.platform.settings
    assert isinstance(settings, NotifySettings)
    items = []
    async with edge.read() as conn:
        for _, budget in sorted(settings.budgets().items()):
            items.append(_view(budget, await handlers.look(conn, budget, now=edge.now)))
    return BudgetsAnswer(items=items)


def _view(budget: ProviderBudget, look: handlers.Look) -> BudgetView:
    people = None
    if budget.tier is not None:
        people = PeopleView(
            portfolio=budget.portfolio,
            tier=budget.tier,
            used=look.recipients,
            left_for_broadcasts=look.people_left(urgent=False) or 0,
            left_for_offers=look.people_left(urgent=True) or 0,
        )
    money: dict[str, Any] = {
        "daily": None if budget.daily_millirupiah is None else budget.daily_millirupiah // 1000,
        "spent": -(-look.spent_millirupiah // 1000),
        "put_aside": -(-look.held_millirupiah // 1000),
        "messages": look.messages,
        "left_for_broadcasts": look.rupiah_left(urgent=False),
        "left_for_offers": look.rupiah_left(urgent=True),
    }
    return BudgetView(
        provider=budget.provider,
        rate=None if budget.per_second is None else RateView(per_second=budget.per_second, now=look.tokens),
        people=people,
        money=MoneyView(**money),
        pair_seconds=budget.pair_seconds,
    )
