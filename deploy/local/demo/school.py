"""What follows from training in the demo's story: certificates, mentors, and a bank that answers more than once."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local.demo.doors import exit_code
from shared.events.cases import AnswerCapitalReferral

if TYPE_CHECKING:
    from deploy.local.demo.story import Story

__all__ = ["School", "school_of"]

CERTIFICATES = "/v1/certificates"
KECAMATAN = "31.71.02"
MENTORS = 4
BANK = "bank-dki"


@dataclass
class School:
    """What the report has to know of it."""

    certificates: list[dict[str, Any]] = field(default_factory=list)
    genuine_accepted: bool = False
    forged_refused: bool = False
    mentored: dict[str, int] = field(default_factory=dict)
    """mentor -> how many vendors it has"""
    load_max: int = 0
    without_mentor: int = 0
    matching_verified: bool = False
    referral: dict[str, Any] = field(default_factory=dict)


async def school_of(story: Story) -> School:
    """Play it."""
    school = School()
    await _certify(story, school)
    await _give_mentors(story, school)
    await _refer(story, school)
    return school


async def _certify(story: Story, school: School) -> None:
    """Whoever completed has a certificate; one is checked without us, and again with a word of it changed."""
    doors = story.doors

    async def all_issued() -> bool:
        school.certificates = await doors.items("training", CERTIFICATES, state="valid")
        return len(school.certificates) == len(story.trained)

    with story.step("certificates are issued", len(story.trained)):
        await story.until(all_issued, "everybody's certificate", lambda: len(school.certificates))
    one = school.certificates[0]
    folder = story.running.state_dir / "certificate"
    folder.mkdir(exist_ok=True)
    holder = doors.vendor(one["vendor_id"])
    credential = await doors.get("training", f"{CERTIFICATES}/{one['certificate_id']}/credential.json", holder)
    keys = await doors.get("training", "/.well-known/did.json")
    address = str(credential["credentialStatus"]["statusListCredential"])
    status = await doors.get("training", address[address.index("/v1/") :])
    for name, document in (("credential", credential), ("did", keys), ("status", status)):
        (folder / f"{name}.json").write_text(json.dumps(document))
    school.genuine_accepted = await _verified(story, folder, "credential") == 0
    credential["credentialSubject"]["achievement"]["name"] = "Ekspor tingkat lanjut"
    (folder / "forged.json").write_text(json.dumps(credential))
    school.forged_refused = await _verified(story, folder, "forged") == 1


async def _verified(story: Story, folder: Path, name: str) -> int:
    return await exit_code(
        "certificate",
        "verify",
        folder / f"{name}.json",
        *("--keys", folder / "did.json", "--status-list", folder / "status.json"),
        *("--at", (story.now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")),
    )


async def _give_mentors(story: Story, school: School) -> None:
    """The vendors of one kecamatan are matched to its mentors: computed, checked by anybody, published."""
    doors = story.doors
    vendors = [one["vendor_id"] for one in story.vendors if one["kelurahan"].startswith(KECAMATAN + ".")]
    school.load_max = math.ceil(len(vendors) * 1.2 / MENTORS)
    for number in range(MENTORS):
        mentor = {
            "kind": "employed",
            "agency": "ppkukm",
            "name": f"Pendamping {'ABCD'[number]}",
            "phone": f"0812-1000-000{number}",
            "areas": [KECAMATAN],
            "load_max": school.load_max,
        }
        await doors.done("training", "/v1/mentors", mentor)
    matching = await doors.done("training", "/v1/matchings", {"area": KECAMATAN, "who": "everyone"})
    address = f"/v1/matchings/{matching['matching_id']}"
    folder = story.running.state_dir / "matching"
    folder.mkdir(exist_ok=True)
    for name in ("problem", "result"):
        (folder / f"{name}.json").write_bytes(await doors.raw("training", f"{address}/{name}", doors.officer))
    school.matching_verified = (
        await exit_code("match", "--verify", folder / "problem.json", folder / "result.json") == 0
    )
    await doors.done("training", f"{address}/publish")

    async def in_effect() -> bool:
        return bool((await doors.get("training", address))["state"] == "published")

    with story.step("mentors are given", len(vendors)):
        await story.until(in_effect, "the matching to be in effect")
    pairs = await doors.items("training", f"{address}/pairs")
    for pair in pairs:
        if pair["state"] == "applied" and pair["mentor_id"] is not None:
            school.mentored[pair["mentor_id"]] = school.mentored.get(pair["mentor_id"], 0) + 1
    school.without_mentor = len(vendors) - sum(school.mentored.values())


async def _refer(story: Story, school: School) -> None:
    """A vendor consents, a bank is sent what is on record, and answers twice and in the wrong order."""
    doors = story.doors
    partner = await doors.done("vendor", "/v1/partners", {"code": BANK, "name": "Bank DKI", "kind": "bank"})
    agreement = {"area": "31", "valid_from": "2023-01-01", "valid_until": "2025-12-31", "topics": ["capital"]}
    await doors.done("vendor", f"/v1/partners/{partner['partner_id']}/agreements", agreement)
    vendor_id = school.certificates[0]["vendor_id"]
    itself = doors.vendor(vendor_id)
    consent = {"purpose": "capital-referral", "given": True, "text_version": 1}
    await doors.done("vendor", f"/v1/vendors/{vendor_id}/consents", consent, token=itself)
    await story.quiet()
    prepared = await doors.done("training", f"/v1/trainees/{vendor_id}/capital-referrals", {"bank": BANK}, token=itself)
    address = f"/v1/capital-referrals/{prepared['referral_id']}"
    shown = {"packet_sha256": prepared["packet_sha256"]}
    await doors.done("training", f"{address}/send", shown, token=itself)
    await story.move_clock("2023-02-24 17:00")
    # one of the later answers is doubled, and one that was given before it comes after it
    answers = [("received", "23T09:00"), ("approved", "24T15:00"), ("approved", "24T15:00"), ("declined", "24T10:00")]
    await story.command(
        [
            AnswerCapitalReferral(
                referral_id=prepared["referral_id"],
                bank=BANK,
                answer=answer,
                answered_at=f"2023-02-{moment}:00+07:00",
            )
            for answer, moment in answers
        ]
    )
    await story.quiet()
    school.referral = await doors.get("training", address, itself)
