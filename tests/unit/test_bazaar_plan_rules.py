"""Floor plans: what cannot be so is named, by how much; and the picture holds everything and nothing more."""

import math
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.bazaar import Site
from services.bazaar.domain.drawings import Marks, draw
from services.bazaar.domain.plan_checks import FINDINGS_LOOKED_FOR, check, require_sound
from services.bazaar.domain.plans import (
    Area,
    DrawPlan,
    Entrance,
    Finding,
    GridPlan,
    Plan,
    PlanInvalid,
    PlanMisfit,
    PlannedStand,
    Zone,
    lay_out,
    place,
)

SVG = "{http://www.w3.org/2000/svg}"
HALL = [(0.0, 0.0), (20.0, 0.0), (20.0, 10.0), (0.0, 10.0)]
DOOR = Entrance(x=10.0, y=10.0)


def a_plan(*stands: PlannedStand, **more: Any) -> Plan:
    return Plan(**{"outline": HALL, "stands": list(stands), "entrances": [DOOR], **more})


def stand(number: str, x: float, y: float = 3.0, **more: Any) -> PlannedStand:
    return PlannedStand(number=number, x=x, y=y, **more)


def findings(plan: Plan) -> list[tuple[str, list[str], float | None]]:
    return [(one.code, list(one.stands), one.metres) for one in check(plan)]


def test_stands_that_touch_are_sound() -> None:
    tent = [stand("A01", 3, tent=1), stand("A02", 5, tent=1)]
    behind = [stand("A03", 3, 5.0), stand("A04", 5, 5.0), stand("A05", 7, 5.0)]
    assert findings(a_plan(*tent, *behind)) == []
    require_sound(a_plan(*tent))


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (a_plan(stand("A01", 3), stand("A02", 4.7)), [("overlap", ["A01", "A02"], 0.3)]),
        (a_plan(stand("A01", 3), stand("A01", 6)), [("number-twice", ["A01"], None)]),
        (a_plan(stand("A01", 0.6)), [("outside", ["A01"], 0.4)]),
        (a_plan(stand("A01", 3, tent=1)), [("tent", ["A01"], None)]),
        (a_plan(*(stand(f"A0{at}", 2 * at, tent=1) for at in (1, 2, 3))), [("tent", ["A01", "A02", "A03"], None)]),
        (a_plan(stand("A01", 3, tent=1), stand("A02", 5.5, tent=1)), [("tent-apart", ["A01", "A02"], 0.5)]),
        (a_plan(stand("A01", 10, 9)), [("entrance-blocked", ["A01"], 1.0)]),
        (a_plan(stand("A01", 3), entrances=[Entrance(x=5, y=5)]), [("entrance", [], 5.0)]),
        (a_plan(stand("A01", 3), stand("A02", 6), aisle_min=1.5), [("aisle", ["A01", "A02"], 0.5)]),
        (a_plan(stand("A01", 3, zone="B")), [("zone-unknown", ["A01"], None)]),
        (
            a_plan(stand("A01", 3), zones=[Zone(code="A", name="a"), Zone(code="A", name="b")]),
            [("zone-twice", [], None)],
        ),
        (
            a_plan(stand("A01", 3), stage=Area(outline=[(1, 1), (3, 1), (3, 3), (1, 3)])),
            [("stage", ["A01"], None)],
        ),
        (
            a_plan(stand("A01", 3), obstacles=[Area(label="Tiang", outline=[(3, 3), (4, 3), (4, 4), (3, 4)])]),
            [("obstacle", ["A01"], None)],
        ),
    ],
)
def test_what_cannot_be_so_is_named_with_its_measure(
    plan: Plan, expected: list[tuple[str, list[str], float | None]]
) -> None:
    assert findings(plan) == expected
    with pytest.raises(PlanInvalid) as refused:
        require_sound(plan)
    assert refused.value.details["count"] == len(expected)


def test_a_heap_of_stands_is_refused_before_every_pair_of_them_is_measured() -> None:
    heap = a_plan(*(stand(f"A{number}", 3) for number in range(100, 150)))
    with pytest.raises(PlanInvalid) as refused:
        require_sound(heap)
    assert refused.value.details["count"] == FINDINGS_LOOKED_FOR < 50 * 49 / 2


def test_an_outline_that_crosses_itself_is_refused() -> None:
    crossed = a_plan(stand("A01", 3), outline=[(0, 0), (10, 10), (10, 0), (0, 10)])
    assert [code for code, *_ in findings(crossed)] == ["outline"]


def test_a_stand_that_is_turned_overlaps_by_its_corner() -> None:
    beside = stand("A02", 5.2, 3)
    assert findings(a_plan(stand("A01", 3), beside)) == []
    ((code, numbers, metres),) = findings(a_plan(stand("A01", 3, rotation=45), beside))
    assert (code, numbers) == ("overlap", ["A01", "A02"])
    assert metres == pytest.approx(math.sqrt(2) - 1.2, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(10, 190), st.integers(10, 90), st.integers(2, 30), st.integers(2, 30)),
        min_size=1,
        max_size=12,
    )
)
def test_overlaps_are_found_as_by_comparing_each_with_each(boxes: list[tuple[int, int, int, int]]) -> None:
    """In tenths of a metre, unturned: what two intervals say is what the tree of shapes must say."""
    stands = [
        stand(f"A{at:02d}", x / 10, y / 10, width=width / 10, depth=depth / 10)
        for at, (x, y, width, depth) in enumerate(boxes)
    ]
    expected = set()
    for first, (x, y, width, depth) in enumerate(boxes):
        for second in range(first + 1, len(boxes)):
            ox, oy, owidth, odepth = boxes[second]
            by = min((width + owidth) / 2 - abs(x - ox), (depth + odepth) / 2 - abs(y - oy))
            if by > 0.1:
                expected.add((f"A{first:02d}", f"A{second:02d}", round(by / 10, 2)))
    found = {(*one.stands, one.metres) for one in check(a_plan(*stands)) if one.code == "overlap"}
    assert {names[:2] for names in found} == {names[:2] for names in expected}
    assert sorted(float(names[2] or 0) for names in found) == pytest.approx(
        sorted(names[2] for names in expected), abs=0.011
    )


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 8),
    tents=st.integers(1, 12),
    back_to_back=st.booleans(),
    desks=st.integers(0, 6),
    partners=st.integers(0, 3),
)
def test_every_grid_is_a_sound_plan_of_tents(
    rows: int, tents: int, back_to_back: bool, desks: int, partners: int
) -> None:
    grid = GridPlan(
        width=60, depth=60, rows=rows, tents_per_row=tents, back_to_back=back_to_back, desks=desks, partners=partners
    )
    plan = lay_out(grid)
    assert findings(plan) == []
    vendors = plan.stands_of("vendor")
    assert len(vendors) == 2 * rows * tents
    assert sum(one.spot == "good" for one in vendors) == sum(one.spot == "bad" for one in vendors) == len(vendors) // 5
    assert len(plan.stands_of("agency")) == desks


def test_a_grid_that_does_not_fit_is_refused_by_how_much() -> None:
    with pytest.raises(PlanInvalid) as refused:
        lay_out(GridPlan(width=10, depth=30, rows=2, tents_per_row=3))
    finding: dict[str, Any] = refused.value.details["findings"][0]
    assert (finding["code"], finding["metres"]) == ("too-small", 2.0)
    assert finding["message"].startswith("For a row of 3 tents the hall must be 12.0 m wide, and it is 10.0 m:")
    with pytest.raises(ValidationError, match="500"):
        GridPlan(width=10, depth=30, rows=50, tents_per_row=50)


def test_a_plan_is_drawn_either_way_and_has_an_entrance() -> None:
    with pytest.raises(ValidationError, match="either plan or grid"):
        DrawPlan(after=0)
    with pytest.raises(ValidationError, match="entrances"):
        a_plan(stand("A01", 3), entrances=[])
    with pytest.raises(ValidationError, match="only vendors share tents"):
        stand("D01", 3, kind="agency", tent=1)


def test_a_site_takes_just_the_stands_it_needs() -> None:
    site = Site("one", "Rusun", "rusun", "31.71.02.1002", 2, (), venue_id=UUID(int=1))
    plan = a_plan(stand("A01", 3), stand("A02", 6), stand("D01", 9, kind="agency"), stand("D02", 12, kind="agency"))
    placed = place(site, {"agency": ["ppkukm"]}, plan)
    assert [(one.stand.number, one.holder) for one in placed] == [("A01", None), ("A02", None), ("D01", "ppkukm")]
    with pytest.raises(PlanMisfit, match="kind partner"):
        place(site, {"partner": ["Bulog"]}, plan)
    with pytest.raises(PlanMisfit, match="2 stands for vendors"):
        place(Site("one", "Rusun", "rusun", "31.71.02.1002", 3, ()), {}, plan)


def test_the_picture_shows_every_stand_once_and_escapes_what_was_written() -> None:
    plan = lay_out(GridPlan(width=24, depth=34, rows=6, tents_per_row=5, desks=6, partners=3))
    marks = Marks('<script>alert(1)</script> & "x"', taken={"A01", "A03"}, highlight="A07", holders={"P01": "<b>"})
    content = draw(plan, marks)
    assert b"<script" not in content
    root = ET.fromstring(content)
    numbers = [group.get("id") for group in root.iter(f"{SVG}g") if group.get("id")]
    assert sorted(str(number) for number in numbers) == sorted(f"stand-{one.number}" for one in plan.stands)
    titles = [group.findtext(f"{SVG}title") or "" for group in root.iter(f"{SVG}g")]
    assert sum("terisi" in title for title in titles) == 2
    assert sum("kosong" in title for title in titles) == 58
    assert (root.get("width"), root.get("role")) == ("360", "img")
    assert "60 lapak, 2 terisi, 58 kosong" in str(root.get("aria-label"))


@pytest.mark.parametrize(("width", "depth", "tents"), [(24, 34, 5), (64, 14, 15), (9, 40, 1)])
def test_numbers_are_readable_on_a_phone_and_a_page_is_a4(width: float, depth: float, tents: int) -> None:
    """On the screen a number is at least eleven pixels high; on paper nothing lies in the margins of the printer."""
    plan = lay_out(GridPlan(width=width, depth=depth, rows=2, tents_per_row=tents))
    root = ET.fromstring(draw(plan, Marks("Balai")))
    _, _, across, _ = map(float, str(root.get("viewBox")).split())
    pixels = float(str(root.get("width"))) / across
    sizes = {
        text.text: float(str(text.get("font-size"))) for text in root.iter(f"{SVG}text") if (text.text or "")[0] == "A"
    }
    assert sizes["A01"] * pixels >= 10.99
    page = ET.fromstring(draw(plan, Marks("Balai"), "print"))
    assert {page.get("width"), page.get("height")} == {"210mm", "297mm"}
    x, y, across, down = map(float, str(page.get("viewBox")).split())
    a_millimetre = across / float(str(page.get("width")).removesuffix("mm"))
    assert down / across == pytest.approx(
        float(str(page.get("height")).removesuffix("mm")) / float(str(page.get("width")).removesuffix("mm")), rel=0.01
    )
    assert -x >= 11.9 * a_millimetre
    assert -y >= 11.9 * a_millimetre


def test_the_same_plan_gives_the_same_picture() -> None:
    plan = lay_out(GridPlan(width=24, depth=34, rows=6, tents_per_row=5))
    assert draw(plan, Marks("Rusun", taken={"A02", "A01", "A09"})) == draw(
        plan, Marks("Rusun", taken={"A09", "A01", "A02"})
    )
    assert isinstance(next(iter(check(a_plan(stand("A01", 0.2))))), Finding)
