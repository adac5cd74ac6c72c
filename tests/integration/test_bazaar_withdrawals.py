"""Taking an application back and applying again gains nothing and costs nothing, over several bazaars by HTTP."""

import json
from datetime import date, timedelta
from uuid import UUID

from tests.integration.bazaar import Fair, at, site


class Season:
    """Bazaars of one booth, one after the other; vendors apply on days of their own, some more than once."""

    def __init__(self, fair: Fair) -> None:
        self.fair = fair
        self.held = 0

    async def hold(self, *applying: tuple[UUID, date], again: dict[UUID, list[date]]) -> tuple[UUID, dict[UUID, str]]:
        """Who was served, and since when everybody waits by the published list. `again`: on these days a vendor takes
        back what it has and applies anew."""
        fair, day = self.fair, date(2023, 3, 27) + self.held * timedelta(days=28)
        self.held += 1
        closing = at(day - timedelta(days=7))
        bazaar_id = await fair.announce(
            days=[day.isoformat()], sites=[site("one", 1)], applications_close_at=closing.isoformat()
        )
        acts = sorted([(day, vendor) for vendor, day in applying] + [(d, v) for v, days in again.items() for d in days])
        stands: dict[UUID, str] = {}
        for moment, vendor in acts:
            fair.clock.moment = at(moment)
            if vendor in stands:
                await fair.done(f"/v1/applications/{stands[vendor]}/withdraw", token=fair.vendor(vendor))
            stands[vendor] = await fair.apply(bazaar_id, vendor)
        await fair.allocate(bazaar_id, closing=closing)
        vendor_of = {application: vendor for vendor, application in stands.items()}
        names = await fair.names(list(vendor_of))
        listed = json.loads((await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content)["applicants"]
        (served,) = [one for one in vendor_of if (await fair.application(one))["state"] == "offered"]
        await fair.answer(served, "confirm")
        fair.clock.moment = at(day)
        await fair.done(f"/v1/bazaars/{bazaar_id}/check-ins", {"day": day.isoformat(), "application_ids": [served]})
        fair.clock.moment = at(day + timedelta(days=1))
        await fair.done(f"/v1/bazaars/{bazaar_id}/finish")
        return vendor_of[served], {vendor_of[names[one["id"]]]: one["waiting_since"] for one in listed}


async def test_who_takes_its_application_back_and_applies_again_is_served_when_it_would_have_been(fair: Fair) -> None:
    season = Season(fair)
    early, wavering, late = await fair.register(3)
    # it came second, and comes again after everybody else, twice: it neither passes the first nor falls behind the last
    served, since = await season.hold(
        (early, date(2023, 3, 1)),
        (wavering, date(2023, 3, 2)),
        (late, date(2023, 3, 3)),
        again={wavering: [date(2023, 3, 6), date(2023, 3, 7)]},
    )
    assert served == early
    assert since == {early: "2023-03-01", wavering: "2023-03-02", late: "2023-03-03"}

    all_on = date(2023, 4, 3)
    everyone = [(vendor, all_on) for vendor in (early, wavering, late)]
    served, since = await season.hold(*everyone, again={wavering: [date(2023, 4, 5)]})
    assert served == wavering
    assert since == {early: "2023-03-27", wavering: "2023-03-02", late: "2023-03-03"}

    # nor does it get rid of having had its turn
    all_on = date(2023, 5, 1)
    everyone = [(vendor, all_on) for vendor in (early, wavering, late)]
    served, since = await season.hold(*everyone, again={wavering: [date(2023, 5, 3)]})
    assert served == late
    assert since == {early: "2023-03-27", wavering: "2023-04-24", late: "2023-03-03"}


async def test_who_sits_a_round_out_stands_as_if_it_had_not_been_served_and_no_better(fair: Fair) -> None:
    season = Season(fair)
    first, leaver, stayer = await fair.register(3)
    day = date(2023, 3, 2)
    await season.hold((first, date(2023, 3, 1)), (leaver, day), (stayer, day), again={})
    bazaar_id = await fair.announce(
        [site("one", 1)], days=["2023-04-24"], applications_close_at=at(date(2023, 4, 17)).isoformat()
    )
    left = await fair.apply(bazaar_id, leaver)
    await fair.done(f"/v1/applications/{left}/withdraw", token=fair.vendor(leaver))
    stands = [await fair.shown(f"/v1/vendors/{one}/standing", token=fair.vendor(one)) for one in (leaver, stayer)]
    assert stands[0] == {**stands[1], "vendor_id": str(leaver)}
    assert (stands[0]["counted_waiting_since"], stands[0]["counted_turns"]) == ("2023-03-02", 0)
