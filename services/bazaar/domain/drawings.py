"""A floor plan as SVG: readable on a phone, and on paper without colour.

Every stand carries its number; zones differ by pattern and letter as well as by colour, a stand taken is hatched dark
and says so to a screen reader. Nothing names a vendor. Text is set in metres of the hall and sized so that a number
has at least `TEXT_PIXELS_MIN` on the screen. Built as a tree of elements: whatever an officer wrote is escaped by it.
"""

import math
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from services.bazaar.domain.bazaar import BoothKind
from services.bazaar.domain.plans import Area, Plan, PlannedStand

Form = Literal["screen", "print"]

PHONE_PIXELS = 360
TEXT_PIXELS_MIN = 11.0
LETTER = 0.8
"""Width of a bold capital or digit with the room beside it, of the height of its line."""
MARGIN = 1.5
"""Metres around the hall, in which entrances are written."""
PAGE_MILLIMETRES, PAGE_MARGIN = (210, 297), 12
"""A4, and what printers leave white."""

KINDS: Mapping[BoothKind, str] = {
    "vendor": "Lapak",
    "agency": "Meja pengampu",
    "partner": "Mitra",
    "sponsor": "Sponsor",
    "showcase": "Peraga",
}
KIND_COLOURS: Mapping[BoothKind, str] = {
    "vendor": "#ffffff",
    "agency": "#d9d9d9",
    "partner": "#e8dcc3",
    "sponsor": "#e8dcc3",
    "showcase": "#dfe8ef",
}
HAS = (("power", "L", "Listrik"), ("water", "A", "Air"), ("access", "R", "Tanpa tangga"))
"""What a stand has: the letter in its corner, and what it stands for."""
ZONE_COLOURS = ("#d7ecd9", "#fbe6c8", "#d6e4f5", "#f3d9e6", "#e6e0f3", "#f0efc9", "#d5eeee", "#eadbd2")
INK, PALE = "#1a1a1a", "#666666"


class Marks(NamedTuple):
    """What is shown besides the plan. `taken`: numbers of stands that are held, None where that is not known;
    `highlight`: the number of one stand to be found at a glance; `holders`: number -> what stands there, no vendors."""

    title: str
    subtitle: str = ""
    taken: Collection[str] | None = None
    highlight: str | None = None
    holders: Mapping[str, str] = {}


def draw(plan: Plan, marks: Marks, form: Form = "screen") -> bytes:
    """The plan as an SVG document."""
    return _Drawing(plan, marks, form).document()


def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


class _Drawing:
    def __init__(self, plan: Plan, marks: Marks, form: Form) -> None:
        self._plan, self._marks, self._form = plan, marks, form
        width, depth = plan.size
        smallest = min(min(stand.width, stand.depth * 1.6) for stand in plan.stands)
        longest = max(len(stand.number) for stand in plan.stands)
        self._text = min(smallest / (LETTER * longest), 1.0)
        """Height of a stand's number in metres: it fits into the narrowest stand."""
        vendors = plan.stands_of("vendor")
        self._everywhere = [has for has in HAS if vendors and all(getattr(stand, has[0]) for stand in vendors)]
        self._told_apart = [has for has in HAS if has not in self._everywhere]
        if form == "screen":
            self._pixels_a_metre = max((PHONE_PIXELS / (width + 2 * MARGIN)), TEXT_PIXELS_MIN / self._text)
            self._label = max(13.0 / self._pixels_a_metre, self._text)
        else:
            self._pixels_a_metre = 1.0
            self._label = max((width + 2 * MARGIN) / 48, self._text)
        self._width = max(width + 2 * MARGIN, self._label * 22)
        self._hall = (width, depth)
        self._root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "lang": "id"})
        self._root.set("font-family", "system-ui, 'DejaVu Sans', Arial, sans-serif")
        self._root.set("fill", INK)

    def document(self) -> bytes:
        """Everything in its order, then the size it came to."""
        description = self._describe()
        self._patterns()
        top = self._headings()
        hall = ET.SubElement(self._root, "g", {"transform": f"translate({_n(MARGIN)} {_n(top + MARGIN)})"})
        self._ground(hall)
        for stand in sorted(self._plan.stands, key=lambda one: one.number == self._marks.highlight):
            self._stand(hall, stand)
        for entrance in self._plan.entrances:
            self._entrance(hall, entrance.x, entrance.y, steps=entrance.steps)
        bottom = top + self._hall[1] + 2 * MARGIN
        bottom = self._scale_bar(bottom)
        bottom = self._legend(bottom)
        self._size(bottom + self._label * 0.5)
        self._root.set("aria-label", description)
        written: bytes = ET.tostring(self._root, encoding="utf-8", xml_declaration=True)
        return written

    def _size(self, height: float) -> None:
        width = self._width
        if self._form == "screen":
            self._root.set("viewBox", f"0 0 {_n(width)} {_n(height)}")
            self._root.set("width", _n(math.ceil(width * self._pixels_a_metre)))
            self._root.set("height", _n(math.ceil(height * self._pixels_a_metre)))
            return
        # the page as it lies best, with white margins inside the box: a printer adds none of its own
        paper = PAGE_MILLIMETRES if height >= width else PAGE_MILLIMETRES[::-1]
        scale = max(width / (paper[0] - 2 * PAGE_MARGIN), height / (paper[1] - 2 * PAGE_MARGIN))
        box = (paper[0] * scale, paper[1] * scale)
        self._root.set("viewBox", f"{_n((width - box[0]) / 2)} {_n(-PAGE_MARGIN * scale)} {_n(box[0])} {_n(box[1])}")
        self._root.set("width", f"{paper[0]}mm")
        self._root.set("height", f"{paper[1]}mm")

    def _describe(self) -> str:
        vendors = self._plan.stands_of("vendor")
        text = f"Denah {self._marks.title}: {len(vendors)} lapak"
        if self._marks.taken is not None:
            taken = sum(stand.number in self._marks.taken for stand in vendors)
            text += f", {taken} terisi, {len(vendors) - taken} kosong"
        ET.SubElement(self._root, "title").text = text
        return text

    # -- what is drawn with

    def _patterns(self) -> None:
        defs = ET.SubElement(self._root, "defs")
        for at in range(len(self._zones())):
            pattern = self._pattern(defs, f"zone-{at}", ZONE_COLOURS[at % len(ZONE_COLOURS)], 0.5)
            # dots or lines, denser from zone to zone: told apart without colour
            step, weight = 0.5, 0.05 + 0.03 * (at // 3)
            if at % 3 == 0:
                ET.SubElement(pattern, "circle", {"cx": "0.25", "cy": "0.25", "r": _n(1.4 * weight), "fill": PALE})
            else:
                line = {"x1": "0", "y1": "0.25", "x2": _n(step), "y2": "0.25"}
                if at % 3 == 2:
                    line = {"x1": "0.25", "y1": "0", "x2": "0.25", "y2": _n(step)}
                ET.SubElement(pattern, "line", {**line, "stroke": PALE, "stroke-width": _n(weight)})
        pattern = self._pattern(defs, "taken", "#b9bec4", 0.5)
        pattern.set("patternTransform", "rotate(45)")
        ET.SubElement(
            pattern, "line", {"x1": "0", "y1": "0", "x2": "0", "y2": "0.5", "stroke": "#8a9199", "stroke-width": "0.16"}
        )

    def _pattern(self, defs: ET.Element, name: str, colour: str, step: float = 1.0) -> ET.Element:
        pattern = ET.SubElement(
            defs,
            "pattern",
            {"id": name, "width": _n(step), "height": _n(step), "patternUnits": "userSpaceOnUse"},
        )
        ET.SubElement(pattern, "rect", {"width": _n(step), "height": _n(step), "fill": colour})
        return pattern

    def _zones(self) -> list[str]:
        named = [zone.code for zone in self._plan.zones]
        return [code for code in named if any(stand.zone == code for stand in self._plan.stands)]

    def _write(self, parent: ET.Element, x: float, y: float, text: str, size: float, **more: str) -> ET.Element:
        written = ET.SubElement(parent, "text", {"x": _n(x), "y": _n(y), "font-size": _n(size)})
        for name, value in more.items():
            written.set(name.replace("_", "-"), value)
        written.text = text
        return written

    # -- the sheet from top to bottom

    def _headings(self) -> float:
        y = self._label * 1.5
        for text, size, weight in (
            (self._marks.title, self._label * 1.25, "bold"),
            (self._marks.subtitle, self._label, "normal"),
        ):
            for line in _wrapped(text, self._width - MARGIN, size):
                self._write(self._root, MARGIN / 2, y, line, size, font_weight=weight)
                y += size * 1.3
        return y - self._label * 0.5

    def _ground(self, hall: ET.Element) -> None:
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in self._plan.outline)
        ET.SubElement(hall, "polygon", {"points": points, "fill": "#fbfbf9", "stroke": INK, "stroke-width": _n(0.14)})
        for area in self._plan.obstacles:
            self._area(hall, area, area.label or "Rintangan", "#777777", "#ffffff")
        if self._plan.stage is not None:
            self._area(hall, self._plan.stage, self._plan.stage.label or "Panggung", "#efe3f5", INK)

    def _area(self, hall: ET.Element, area: Area, name: str, fill: str, ink: str) -> None:
        group = ET.SubElement(hall, "g", {"role": "img"})
        ET.SubElement(group, "title").text = name
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in area.outline)
        ET.SubElement(group, "polygon", {"points": points, "fill": fill, "stroke": INK, "stroke-width": "0.08"})
        xs, ys = [x for x, _ in area.outline], [y for _, y in area.outline]
        room = max(xs) - min(xs)
        size = min(self._label, room / (LETTER * len(name)), (max(ys) - min(ys)) * 0.8)
        if size * self._pixels_a_metre >= TEXT_PIXELS_MIN * 0.7 or self._form == "print":
            self._write(
                group,
                (max(xs) + min(xs)) / 2,
                (max(ys) + min(ys)) / 2 + size * 0.35,
                name,
                size,
                text_anchor="middle",
                fill=ink,
            )

    def _stand(self, hall: ET.Element, stand: PlannedStand) -> None:
        taken = self._marks.taken is not None and stand.kind == "vendor" and stand.number in self._marks.taken
        marked = stand.number == self._marks.highlight
        group = ET.SubElement(hall, "g", {"role": "img", "id": f"stand-{stand.number}"})
        if stand.rotation:
            group.set("transform", f"rotate({_n(stand.rotation)} {_n(stand.x)} {_n(stand.y)})")
        ET.SubElement(group, "title").text = self._say(stand, taken=taken, marked=marked)
        left, top = stand.x - stand.width / 2, stand.y - stand.depth / 2
        box = {"x": _n(left), "y": _n(top), "width": _n(stand.width), "height": _n(stand.depth)}
        ET.SubElement(
            group, "rect", {**box, "fill": self._fill(stand, taken=taken), "stroke": INK, "stroke-width": "0.06"}
        )
        if marked:
            inset = {
                "x": _n(left + 0.1), "y": _n(top + 0.1), "width": _n(stand.width - 0.2), "height": _n(stand.depth - 0.2)
            }  # fmt: skip
            ET.SubElement(group, "rect", {**inset, "fill": "#ffe14d", "stroke": INK, "stroke-width": "0.24"})
        size = min(self._text, stand.depth * 0.5, stand.width / (LETTER * len(stand.number)))
        letters = "".join(letter for has, letter, _ in self._told_apart if getattr(stand, has))
        below = size * 0.62
        roomy = stand.depth >= size * 0.8 + below * 1.25 + 0.15
        lift = below * 0.45 if letters and roomy else 0.0
        self._backed(group, stand.x, stand.y + size * 0.35 - lift, stand.number, size, plain=marked or not taken)
        if letters and roomy:
            self._backed(group, stand.x, stand.y + size * 0.35 + below * 0.85, letters, below, plain=True)

    def _backed(self, group: ET.Element, x: float, y: float, text: str, size: float, *, plain: bool) -> None:
        """Text with a pale edge, which stays readable on every pattern."""
        more = {"text_anchor": "middle", "font_weight": "bold"}
        more |= {"stroke": "#ffffff", "stroke_width": _n(size * (0.12 if plain else 0.2)), "paint_order": "stroke"}
        self._write(group, x, y, text, size, **more)

    def _fill(self, stand: PlannedStand, *, taken: bool) -> str:
        if taken:
            return "url(#taken)"
        zones = self._zones()
        if stand.kind == "vendor" and stand.zone in zones:
            return f"url(#zone-{zones.index(stand.zone)})"
        return KIND_COLOURS[stand.kind]

    def _say(self, stand: PlannedStand, *, taken: bool, marked: bool) -> str:
        said = [f"{KINDS[stand.kind]} {stand.number}"]
        if stand.number in self._marks.holders:
            said.append(self._marks.holders[stand.number])
        if stand.zone is not None:
            said.append(f"zona {stand.zone}")
        if self._marks.taken is not None and stand.kind == "vendor":
            said.append("terisi" if taken else "kosong")
        said += [name.lower() for has, _, name in HAS if getattr(stand, has)]
        if stand.corner:
            said.append("sudut")
        if marked:
            said.append("lapak yang dicari")
        return ", ".join(said)

    def _entrance(self, hall: ET.Element, x: float, y: float, *, steps: bool) -> None:
        width, depth = self._hall
        # the side of the hall it lies nearest to says where the arrow comes from
        sides = {(0.0, 1.0): y, (0.0, -1.0): depth - y, (1.0, 0.0): x, (-1.0, 0.0): width - x}
        dx, dy = min(sides, key=lambda side: sides[side])
        group = ET.SubElement(hall, "g", {"role": "img"})
        ET.SubElement(group, "title").text = "Pintu masuk" + (" dengan tangga" if steps else " tanpa tangga")
        tip, tail = (x + 0.3 * dx, y + 0.3 * dy), (x - 0.9 * dx, y - 0.9 * dy)
        half = 0.45
        corners = [tip, (tail[0] + half * dy, tail[1] + half * dx), (tail[0] - half * dy, tail[1] - half * dx)]
        ET.SubElement(group, "polygon", {"points": " ".join(f"{_n(a)},{_n(b)}" for a, b in corners), "fill": INK})
        size = min(self._label, MARGIN * 0.8)
        if dx == 0:
            self._write(group, x + 0.8, y - 0.35 * dy + size * 0.35, "Masuk", size)

    def _scale_bar(self, top: float) -> float:
        """Five metres as they are drawn, and where north is."""
        length = 5.0 if self._hall[0] >= 8 else 1.0
        y = top + self._label * 0.2
        bar = {"x1": _n(MARGIN), "y1": _n(y), "x2": _n(MARGIN + length), "y2": _n(y), "stroke": INK}
        ET.SubElement(self._root, "line", {**bar, "stroke-width": "0.12"})
        for x in (MARGIN, MARGIN + length):
            end = {"x1": _n(x), "y1": _n(y - 0.25), "x2": _n(x), "y2": _n(y + 0.25), "stroke": INK}
            ET.SubElement(self._root, "line", {**end, "stroke-width": "0.12"})
        self._write(self._root, MARGIN + length + 0.5, y + self._label * 0.35, f"{length:g} m", self._label)
        if self._plan.north is not None:
            x = self._width - MARGIN - 0.6
            turned = {"transform": f"rotate({_n(self._plan.north)} {_n(x)} {_n(y)})", "role": "img"}
            group = ET.SubElement(self._root, "g", turned)
            ET.SubElement(group, "title").text = "Utara"
            corners = [(x, y - 0.9), (x + 0.45, y + 0.6), (x, y + 0.25), (x - 0.45, y + 0.6)]
            ET.SubElement(group, "polygon", {"points": " ".join(f"{_n(a)},{_n(b)}" for a, b in corners)})
            self._write(group, x, y - 1.0, "U", self._label, text_anchor="middle")
        return y + self._label * 1.6

    def _legend(self, top: float) -> float:
        """What the signs mean, in as many columns as fit."""
        entries: list[tuple[str | None, str, str]] = []
        if self._marks.taken is not None:
            entries += [("#ffffff", "", "Lapak kosong"), ("url(#taken)", "", "Lapak terisi")]
        names = {zone.code: zone.name for zone in self._plan.zones}
        for at, code in enumerate(self._zones()):
            entries.append((f"url(#zone-{at})", "", names[code]))
        kinds = {stand.kind for stand in self._plan.stands}
        entries += [(KIND_COLOURS[kind], "", KINDS[kind]) for kind in KINDS if kind in kinds and kind != "vendor"]
        entries += [(None, "+", f"Semua: {name.lower()}") for _, _, name in self._everywhere]
        for has, letter, name in self._told_apart:
            if any(getattr(stand, has) for stand in self._plan.stands):
                entries.append((None, letter, name))
        if self._marks.highlight is not None:
            entries.append(("#ffe14d", "", f"Lapak {self._marks.highlight}"))
        size = self._label
        columns = max(1, int((self._width - MARGIN) // (size * 11)))
        column = (self._width - MARGIN) / columns
        for at, (fill, letter, name) in enumerate(entries):
            x, y = MARGIN / 2 + (at % columns) * column, top + (at // columns) * size * 1.6
            if fill is None:
                self._write(
                    self._root, x + size * 0.6, y + size * 0.85, letter, size, text_anchor="middle", font_weight="bold"
                )
            else:
                box = {"x": _n(x), "y": _n(y), "width": _n(size * 1.2), "height": _n(size)}
                ET.SubElement(self._root, "rect", {**box, "fill": fill, "stroke": INK, "stroke-width": "0.05"})
            self._write(self._root, x + size * 1.6, y + size * 0.85, _cut(name, column - size * 1.8, size), size)
        return top + math.ceil(len(entries) / columns) * size * 1.6


def _letters(room: float, size: float) -> int:
    return max(4, int(room / (size * 0.56)))


def _cut(text: str, room: float, size: float) -> str:
    most = _letters(room, size)
    return text if len(text) <= most else text[: most - 1] + "…"


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that fit, at most three; a word too long for one is cut."""
    most = _letters(room, size)
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(_cut(word, room, size))
    return lines if len(lines) <= 3 else [*lines[:2], _cut(" ".join(lines[2:]), room, size)]
