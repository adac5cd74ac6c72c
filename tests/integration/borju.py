"""What the tests of online bazaars share: places confirmed without the story of their round, a storefront, a look."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tests.integration.bazaar import Fair, site

SHOP = {
    "shown_publicly": True,
    "marketplace": "tokopedia",
    "url": "https://www.tokopedia.com/warung-bu-tini",
    "title": "Warung Bu Tini",
    "highlights": ["Keripik singkong", "Sambal <b>pedas</b>"],
}


async def borju(fair: Fair, booths: int = 2, **more: Any) -> tuple[str, list[UUID], list[str]]:
    """An online bazaar with every place confirmed: its id, its vendors, their applications."""
    body = {"name": "BORJU", "setting": "online", **more}
    bazaar_id = await fair.announce([site("etalase", booths, venue_type="online")], **body)
    vendors = await fair.register(booths)
    applications = await fair.apply_all(bazaar_id, vendors, ["etalase"])
    await give_places(fair, bazaar_id, applications)
    return bazaar_id, vendors, applications


async def give_places(fair: Fair, bazaar_id: str, applications: Sequence[str], site_id: str = "etalase") -> None:
    """As if a round had been published and all of them had confirmed."""
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE bazaar SET state = 'allocated' WHERE bazaar_id = $1", UUID(bazaar_id))
        await conn.execute(
            "UPDATE application AS a SET state = 'confirmed', site_id = $2, booth = 'A' || lpad(n.at::text, 2, '0'), "
            "respond_by = a.applied_at, promoted = false, groups = jsonb_build_object('category', v.category) "
            "FROM unnest($1::uuid[]) WITH ORDINALITY AS n (id, at), vendor AS v "
            "WHERE a.application_id = n.id AND v.vendor_id = a.vendor_id",
            [UUID(one) for one in applications],
            site_id,
        )


async def show(fair: Fair, application_id: str, **more: Any) -> None:
    """A storefront, approved."""
    answer = await fair.done(f"/v1/applications/{application_id}/storefront", {**SHOP, **more})
    decision = {"version": answer["version"], "decision": "approve"}
    await fair.done(f"/v1/applications/{application_id}/storefront/decide", decision)


async def public(fair: Fair, bazaar_id: str) -> dict[str, Any]:
    """The bazaar as residents see it."""
    answer = await fair.client.get(f"/v1/public/bazaars/{bazaar_id}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown
