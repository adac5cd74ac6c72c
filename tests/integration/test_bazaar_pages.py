"""Public pages: what residents read, in both languages, valid and without personal data; and the same as data."""

import json
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from shared.http.languages import preferred
from shared.ids import new_id
from tests.integration.bazaar import DAYS, KARANG_ANYAR, Fair, at, site
from tests.integration.borju import borju, give_places, show

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """A page as a strict reader sees it: every element closed, headings in order, pictures and tables described."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.language = ""
        self.data = ""
        self.words: list[str] = []
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text.startswith("<!doctype html>")
        self.feed(answer.text)
        self.close()
        assert self.open == []
        assert self.headings[:1] == [1]
        assert self.headings.count(1) == 1
        assert all(after <= before + 1 for before, after in zip(self.headings, self.headings[1:], strict=False))
        assert len(set(self.ids)) == len(self.ids)
        assert "#isi" in self.links

    @property
    def text(self) -> str:
        """What is read."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "html":
            self.language = held["lang"] or ""
        if tag == "img":
            assert held["alt"]
        if tag == "th":
            assert held["scope"]
        if tag == "script":
            assert held["type"] == "application/ld+json"
        assert not any(name.startswith("on") or name == "style" for name in held)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        self.links += [held["href"] or ""] if "href" in held else []
        self.ids += [held["id"] or ""] if "id" in held else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)


async def read(fair: Fair, path: str, **headers: str) -> Page:
    """The page at this address."""
    answer = await fair.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return Page(answer)


async def test_residents_read_what_where_when_who_sells_what_and_the_links(fair: Fair) -> None:
    evil = 'Bazar <script>alert(1)</script> & "Jelang" Ramadan'
    sites = [
        site("one", 2, name="Rusun Karang Anyar", agency_desks=["ppkukm"]),
        site("two", 1, days=[DAYS[1].isoformat()]),
    ]
    links = [{"kind": "stream", "title": "Siaran", "url": "https://www.youtube.com/@jakpreneur"}]
    bazaar_id = await fair.announce(sites, name=evil, theme="Jelang Ramadan", links=links)
    vendors = await fair.register(2)
    applications = await fair.apply_all(bazaar_id, vendors)
    await give_places(fair, bazaar_id, applications, "one")
    await show(fair, applications[0])
    page = await read(fair, f"/bazaars/{bazaar_id}")
    assert page.language == "id"
    for words in (
        evil,
        "20 dan 21 Maret 2023",
        "Rusun Karang Anyar",
        "Kelurahan Karang Anyar",
        "Selasa, 21 Maret 2023",
        "Sudin PPKUKM Jakarta Pusat",
        "2 pelaku usaha: 1 busana dan kerajinan, 1 makanan dan minuman",
        "Warung Bu Tini",
        "lapak A01",
        "Sambal <b>pedas</b>",
        "Siaran",
    ):
        assert words in page.text, words
    assert "https://www.tokopedia.com/warung-bu-tini" in page.links
    assert f"/v1/bazaars/{bazaar_id}/calendar.ics" in page.links
    event = json.loads(page.data)
    assert (event["startDate"], event["eventStatus"]) == ("2023-03-20", "https://schema.org/EventScheduled")
    assert event["name"] == evil
    english = await read(fair, f"/bazaars/{bazaar_id}", **{"Accept-Language": "en-GB,en;q=0.9,id;q=0.4"})
    assert english.language == "en"
    assert "20 and 21 March 2023" in english.text
    assert "Add to your calendar" in english.text
    # no vendor is led to: neither by its id nor by that of its application
    answer = await fair.client.get(f"/v1/public/bazaars/{bazaar_id}")
    for secret in (*map(str, vendors), *applications):
        assert secret not in answer.text
        assert secret not in page.text


async def test_a_round_can_be_recomputed_from_the_page(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, await fair.register(3))
    await fair.allocate(bazaar_id)
    page = await read(fair, f"/bazaars/{bazaar_id}?lang=en")
    assert "Round 1: 3 applicants, 2 served, 1 waiting" in page.text
    files = [link for link in page.links if "/rounds/1/" in link]
    assert [link.rpartition("/")[2] for link in files] == ["frozen", "problem", "result"]
    for link in files:
        assert (await fair.client.get(link)).status_code == 200


async def test_who_knew_of_it_hears_first_that_it_is_cancelled_or_moved(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE bazaar SET moved_from = $1", [DAYS[0]])
    page = await read(fair, f"/bazaars/{bazaar_id}")
    assert "Jadwal berubah: dari Senin, 20 Maret 2023 menjadi 20 dan 21 Maret 2023." in page.text
    assert json.loads(page.data)["eventStatus"].endswith("EventRescheduled")
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE bazaar SET state = 'cancelled', cancelled_because = 'weather'")
    for path in (f"/bazaars/{bazaar_id}", "/bazaars"):
        assert "Bazar ini dibatalkan karena cuaca." in (await read(fair, path)).text
    assert json.loads((await read(fair, f"/bazaars/{bazaar_id}")).data)["eventStatus"].endswith("EventCancelled")


async def test_the_list_holds_what_is_to_come_the_next_first_and_no_drafts(fair: Fair) -> None:
    await fair.draft(name="Masih rahasia")
    assert "Belum ada bazar yang dijadwalkan." in (await read(fair, "/bazaars")).text
    for number, day in enumerate(("2023-05-02", "2023-04-01", "2023-05-01"), start=1):
        await fair.announce(name=f"Bazar {number}", days=[day])
    page = await read(fair, "/bazaars")
    assert "rahasia" not in page.text
    assert [page.text.index(f"Bazar {number}") for number in (2, 3, 1)] == sorted(
        page.text.index(f"Bazar {number}") for number in (1, 2, 3)
    )
    first = (await fair.client.get("/v1/public/bazaars", params={"limit": 2})).json()
    rest = (await fair.client.get("/v1/public/bazaars", params={"limit": 2, "after": first["next"]})).json()
    assert [one["name"] for one in [*first["items"], *rest["items"]]] == ["Bazar 2", "Bazar 3", "Bazar 1"]
    fair.clock.moment = at(DAYS[0].replace(month=5, day=1))
    assert "Sedang berlangsung." in (await read(fair, "/bazaars")).text
    past = await read(fair, "/bazaars?past=true&lang=en")
    assert "Bazar 2" in past.text
    assert "Bazar 1" not in past.text
    assert "/bazaars?past=true&lang=en" not in past.links


async def test_an_online_bazaar_shows_its_group_its_programme_and_where_to_look_at_things(fair: Fair) -> None:
    bazaar_id, _, applications = await borju(fair, 2)
    await show(fair, applications[0])
    showcase = {
        "showcase_id": "lobi",
        "name": "Lobi kantor wali kota",
        "kelurahan": KARANG_ANYAR,
        "address": "Jl. Enim 5",
        "days": [DAYS[0].isoformat()],
        "opens": "09:00",
        "closes": "15:00",
        "places": 2,
    }
    await fair.done(f"/v1/bazaars/{bazaar_id}/showcases", showcase)
    await fair.done(f"/v1/bazaars/{bazaar_id}/showcases/lobi/fill", {"application_ids": applications})
    wish = {"title": "Keripik", "pieces_max": 10, "pick_up_day": DAYS[1].isoformat(), "pick_up_place": "RPTRA Enim"}
    await fair.done(f"/v1/applications/{applications[0]}/preorders", wish)
    async with fair.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO live_channel SELECT bazaar_id, site_id, 'Live', 'https://youtu.be/x', 30 FROM site"
        )
        await conn.execute(
            "INSERT INTO live_slot SELECT bazaar_id, site_id, number, $1::timestamptz + position * interval '1 hour', "
            "$1::timestamptz + position * interval '1 hour' + interval '30 minutes' FROM booth WHERE kind = 'vendor'",
            at(DAYS[0]),
        )
    page = await read(fair, f"/bazaars/{bazaar_id}")
    for words in (
        "Bazar daring",
        "Lobi kantor wali kota",
        "09.00–15.00 WIB",
        "Senin, 20 Maret 2023, 09.00–09.30 WIB",
        "Keripik",
        "Selasa, 21 Maret 2023, RPTRA Enim",
        "Pelaku usaha",
    ):
        assert words in page.text, words
    assert "Di mana" not in page.text


async def test_pages_are_kept_by_caches_load_nothing_from_elsewhere_and_run_nothing(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    for path in ("/bazaars", f"/bazaars/{bazaar_id}", f"/v1/public/bazaars/{bazaar_id}"):
        answer = await fair.client.get(path)
        assert answer.headers["cache-control"] == "public, max-age=60"
        again = await fair.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    policy = (await fair.client.get("/bazaars")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'sha256-")
    for missing in (str(new_id()), await fair.draft(), "x<y"):
        gone = await fair.client.get(f"/bazaars/{missing}?lang=en")
        assert gone.status_code == 404
        assert "There is no such bazaar" in Page(gone).text
    assert (await fair.client.get(f"/v1/public/bazaars/{new_id()}")).json()["code"] == "bazaar-unknown"


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        (None, "id"),
        ("", "id"),
        ("en", "en"),
        ("EN-us", "en"),
        ("fr,de;q=0.5", "id"),
        ("id,en;q=0.9", "id"),
        ("en;q=0.3, id;q=0.8", "id"),
        ("en;q=0.8,*;q=0.5", "en"),
        ("en;q=x", "id"),
        ("*", "id"),
    ],
)
async def test_the_browsers_wish_decides_the_language(wish: str | None, language: Any) -> None:
    assert preferred(wish) == language
