"""What monitoring sees: what is left of budgets, what is paused, what is held back."""

from prometheus_client import REGISTRY

from services.notify.domain.budgets import ProviderBudget, Spent
from services.notify.handlers import budgets, providers
from services.notify.measuring import measure_budgets, measure_once
from tests.integration.notify import card, enrolled, people
from tests.integration.outside import Outside


async def test_what_is_left_of_budgets_and_what_is_paused_is_measured(outside: Outside) -> None:
    desk = outside.desk
    limited = ProviderBudget(
        provider="sms-a", portfolio="sms-a", per_second=5.0, daily_millirupiah=100_000, reserve_percent=20
    )
    free = ProviderBudget(provider="sms-b", portfolio="sms-b")
    async with desk.database.transaction() as conn:
        await providers.add_providers(conn, [("sms-a", "sms")])
        await budgets.book(conn, [Spent("sms-a", b"x" * 32, 30_000)], desk.clock.now())
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    await outside.post("/templates/training-enrolled/pause", {"reason": "wrong-text"})
    await outside.post("/providers/sms-a/pause", {"reason": "quality"})
    await measure_once(desk.database)
    await measure_budgets(desk.database, desk.clock, {"sms-a": limited, "sms-b": free})

    def gauge(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"lapak_notify_{name}", labels)

    assert gauge("held") == 1
    assert gauge("templates_paused") == 1
    assert gauge("provider_paused", provider="sms-a") == 1
    assert gauge("budget_rupiah_left", provider="sms-a", use="offers") == 70
    assert gauge("budget_rupiah_left", provider="sms-a", use="broadcasts") == 50
    assert gauge("budget_rate_left", provider="sms-a") == limited.burst
    assert gauge("budget_people_left", provider="sms-a", use="offers") is None  # it has no tier
    assert gauge("budget_rate_left", provider="sms-b") is None
