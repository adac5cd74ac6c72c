"""The solver and the verifier against the rule written down as plainly as it can be, on thousands of small rounds.

`by_definition` follows docs/rotation.md sentence by sentence: it tries every way of seating people, sorts everybody
anew at each step, and would not finish a round of fifty.
"""

import hashlib
import json
import random
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.allocation import read_problem, result_to_json, solve, verify

Doc = dict[str, Any]


def by_definition(doc: Doc) -> Doc:
    """The result of a problem document, without its hash."""
    people = {one["id"]: one for one in doc["applicants"]}
    pools = {pool["id"]: pool for pool in doc["pools"]}
    seated_of: dict[tuple[str, str], int] = {}
    party_of = {name: party for party in doc.get("parties", []) for name in party["members"]}
    aside: list[str] = []
    fixed: dict[str, str] = {}

    def group_of(pool: str) -> str | None:
        named = pools[pool].get("reserves", []) + pools[pool].get("caps", [])
        return named[0]["group"] if named else None

    def value_in(name: str, pool: str) -> str | None:
        group = group_of(pool)
        return people[name].get("groups", {}).get(group) if group else None

    def key(name: str) -> tuple[Any, ...]:
        one = people[name]
        levels: list[Any] = []
        for level in doc.get("rotation", [{"by": "vendor", "measure": "waiting_since"}]):
            standing, more = one, 0
            if level["by"] != "vendor":
                value = one["groups"][level["by"]]
                standing = doc.get("groups", {}).get(level["by"], {}).get(value, {})
                more = seated_of.get((level["by"], value), 0)
                more += sum(
                    party_of[other] is party_of[name] and people[other]["groups"][level["by"]] == value
                    for other in aside
                    if name in party_of
                )
            levels.append(
                standing.get("turns", 0) + more if level["measure"] == "turns" else standing.get("waiting_since", "~")
            )
        return (*levels, hashlib.sha256(f"{doc['seed']}:{name}".encode()).hexdigest())

    def named(name: str) -> list[tuple[int, str]]:
        return [(tier, pool) for tier, ids in enumerate(people[name]["choices"]) for pool in ids]

    def choices(name: str) -> list[tuple[int, str]]:
        return [(tier, pool) for tier, pool in named(name) if fixed.get(name, pool) == pool]

    def reserved_choices(name: str, every: bool = False) -> list[tuple[str, str]]:
        return [
            (pool, limit["value"])
            for _, pool in (named(name) if every else choices(name))
            for limit in pools[pool].get("reserves", [])
            if people[name].get("groups", {}).get(limit["group"]) == limit["value"]
        ]

    def fit_reserves(names: list[str]) -> bool:
        chairs: dict[tuple[str, str, int], str] = {}

        def sit(name: str, tried: set[tuple[str, str, int]]) -> bool:
            for pool, value in reserved_choices(name):
                seats = next(one["seats"] for one in pools[pool]["reserves"] if one["value"] == value)
                for number in range(seats):
                    chair = (pool, value, number)
                    if chair not in tried:
                        tried.add(chair)
                        if chair not in chairs or sit(chairs[chair], tried):
                            chairs[chair] = name
                            return True
            return False

        return all(sit(name, set()) for name in names)

    def lawful(seats: list[tuple[str, str]]) -> bool:
        for pool in {pool for _, pool in seats}:
            here = [name for name, other in seats if other == pool]
            if len(here) > pools[pool]["capacity"]:
                return False
            for cap in pools[pool].get("caps", []):
                if sum(value_in(name, pool) == cap["value"] for name in here) > cap["seats"]:
                    return False
        return True

    def fit(names: list[str], seats: list[tuple[str, str]]) -> bool:
        if not lawful(seats):
            return False
        if not names:
            return True
        return any(fit(names[1:], [*seats, (names[0], pool)]) for _, pool in choices(names[0]))

    def cap_met(name: str, kept: list[str]) -> Doc | None:
        for cap in doc.get("caps", []):
            value = people[name].get("groups", {}).get(cap["group"])
            held = sum(people[one].get("groups", {}).get(cap["group"]) == value for one in kept)
            if value is not None and held >= cap["seats_each"]:
                found: Doc = cap
                return found
        return None

    def caps_passed(names: list[str], kept: list[str]) -> Doc | None:
        for cap in doc.get("caps", []):
            values = [people[one].get("groups", {}).get(cap["group"]) for one in [*kept, *names]]
            mine = {
                people[one]["groups"][cap["group"]] for one in names if cap["group"] in people[one].get("groups", {})
            }
            over = sorted(value for value in mine if values.count(value) > cap["seats_each"])
            if over:
                return {"group": cap["group"], "value": over[0], "seats": cap["seats_each"]}
        return None

    def keep(names: list[str], number: int) -> None:
        for name in names:
            kept.append(name)
            phase[name] = number
            for group, value in people[name].get("groups", {}).items():
                seated_of[group, value] = seated_of.get((group, value), 0) + 1

    def pool_for(names: list[str], number: int) -> str | None:
        """The best tier, then the least id, of the pools where all of them can sit together with all kept so far."""
        if caps_passed(names, kept) is not None:
            return None
        for _, pool in sorted(named(names[0])):
            if number == 1 and not all(pool in dict(reserved_choices(name, every=True)) for name in names):
                continue
            fixed.update(dict.fromkeys(names, pool))
            if fit_reserves([*kept, *names]) if number == 1 else fit([*kept, *names], []):
                return pool
            for name in names:
                del fixed[name]
        return None

    kept: list[str] = []
    phase: dict[str, int] = {}
    walked: dict[str, tuple[Any, ...]] = {}
    stopped: dict[str, Doc] = {}
    refused: dict[str, Doc | None] = {}
    for number in (1, 2):
        left = [name for name in people if name not in kept and (number == 2 or reserved_choices(name))]
        if number == 1:  # with company only where some pool reserves a seat for each of them
            for party in doc.get("parties", []):
                each = [{pool for pool, _ in reserved_choices(name)} for name in party["members"]]
                if not set.intersection(*each):
                    left = [name for name in left if name not in party["members"]]
        aside.clear()
        together = [party for party in doc.get("parties", []) if party["members"][0] not in kept]
        floor: dict[str, tuple[Any, ...]] = {}
        while left:
            name = min(left, key=key)
            left.remove(name)
            party = party_of.get(name)
            if party is not None and party in together:
                last = key(name)
                aside.append(name)
                members = [one for one in aside if party_of[one] is party]
                if len(members) < len(party["members"]):
                    continue
                aside = [one for one in aside if one not in members]
                together.remove(party)
                walked.update(dict.fromkeys(members, last))
                if pool_for(members, number) is not None:
                    keep(members, number)
                elif number == 2 and party["apart"] == "split":
                    floor.update(dict.fromkeys(members, last))
                    left += members
                    party_of = {one: of for one, of in party_of.items() if one not in members}
                elif number == 2:
                    refused.update(dict.fromkeys(members, caps_passed(members, kept)))
                continue
            walked[name] = max(key(name), floor.get(name, ()))
            cap = cap_met(name, kept)
            if cap is not None:
                stopped[name] = cap
                continue
            stopped.pop(name, None)
            if fit_reserves([*kept, name]) if number == 1 else fit([*kept, name], []):
                keep([name], number)

    def worth(seats: tuple[tuple[int, str], ...]) -> tuple[Any, ...]:
        good = sum(
            min(
                limit["seats"],
                sum(
                    at == pool and value_in(name, pool) == limit["value"]
                    for name, (_, at) in zip(kept, seats, strict=True)
                ),
            )
            for pool in pools
            for limit in pools[pool].get("reserves", [])
        )
        return (-good, sum(tier for tier, _ in seats), *seats)

    every = [
        seats
        for seats in product(*[choices(name) for name in kept])
        if lawful([(name, pool) for name, (_, pool) in zip(kept, seats, strict=True)])
    ]
    seat = dict(zip(kept, min(every, key=lambda seats: worth(tuple(seats))), strict=True))

    queue = sorted((name for name in people if name not in kept), key=key)
    dealt: dict[Any, int] = {}
    waiting = []
    for place, name in enumerate(queue, start=1):
        holders: set[str] = set()
        if name in refused:
            mates = party_of[name]["members"]
            over = refused[name]
            pools_named = [pool for _, pool in named(name)]
            because: Doc = {"code": "party-does-not-fit", "size": len(mates), "pools": pools_named, "cap": over}
            holders = {
                one
                for one in kept
                if (
                    seat[one][1] in pools_named
                    if over is None
                    else people[one].get("groups", {}).get(over["group"]) == over["value"]
                )
            }
        elif name in stopped:
            group = stopped[name]["group"]
            value = people[name]["groups"][group]
            because = {
                "code": "group-had-its-seat",
                "group": group,
                "value": value,
                "seats": stopped[name]["seats_each"],
            }
            holders = {one for one in kept if people[one].get("groups", {}).get(group) == value}
        else:
            full: list[str] = []
            capped: dict[tuple[str, str], list[str]] = {}
            for _, pool in choices(name):
                here = {one for one in kept if seat[one][1] == pool}
                alike = {one for one in here if value_in(one, pool) == value_in(name, pool)}
                cap = next((one for one in pools[pool].get("caps", []) if one["value"] == value_in(name, pool)), None)
                if cap is not None and len(alike) == cap["seats"]:
                    capped.setdefault((cap["group"], cap["value"]), []).append(pool)
                    holders |= alike
                else:
                    assert len(here) == pools[pool]["capacity"]
                    full.append(pool)
                    holders |= here
            because = (
                {
                    "code": "cap-reached",
                    "full": full,
                    "caps": [{"group": g, "value": v, "pools": named} for (g, v), named in capped.items()],
                }
                if capped
                else {"code": "pools-full", "pools": full}
            )
        ahead = dict.fromkeys(
            ("reserved", "fewer_turns", "waited_longer", "group_fewer_turns", "group_waited_longer", "lottery"), 0
        )
        for one in holders:
            if phase[one] == 1:
                ahead["reserved"] += 1
            elif walked[one] < walked[name]:
                rotation = doc.get("rotation", [{"by": "vendor", "measure": "waiting_since"}])
                level = next(at for at, (a, b) in enumerate(zip(walked[one], walked[name], strict=True)) if a != b)
                if level == len(rotation):
                    ahead["lottery"] += 1
                else:
                    measure = {"turns": "fewer_turns", "waiting_since": "waited_longer"}[rotation[level]["measure"]]
                    ahead[measure if rotation[level]["by"] == "vendor" else f"group_{measure}"] += 1
        offers = []
        for at, (_, pool) in enumerate(choices(name)):
            limits: dict[tuple[str, ...], int] = {("pool", pool): pools[pool]["capacity"]}
            for cap in pools[pool].get("caps", []):
                if cap["value"] == value_in(name, pool):
                    limits["pool", pool, cap["value"]] = cap["seats"]
            for cap in doc.get("caps", []):
                if cap["group"] in people[name].get("groups", {}):
                    limits["group", cap["group"], people[name]["groups"][cap["group"]]] = cap["seats_each"]
            if all(limits.values()):
                offers.append((max(dealt.get(what, 0) // seats + 1 for what, seats in limits.items()), at, limits))
        for what in min(offers, key=lambda offer: offer[:2])[2] if offers else ():
            dealt[what] = dealt.get(what, 0) + 1
        waiting.append(
            {
                "applicant": name,
                "place": place,
                "because": because,
                "ahead": ahead,
                "forecast_round": min(offers, key=lambda offer: offer[:2])[0] if offers else None,
            }
        )
    forecast = {one["applicant"]: one["forecast_round"] for one in waiting}
    for entry in waiting:
        if entry["applicant"] in refused:
            mates = party_of[entry["applicant"]]["members"]
            rounds = [forecast[mate] for mate in mates]
            alone = [
                pool
                for _, pool in named(mates[0])
                if lawful([(mate, pool) for mate in mates]) and caps_passed(mates, []) is None
            ]
            entry["forecast_round"] = max(rounds) if alone and None not in rounds else None
    return {
        "served": [
            {"applicant": name, "pool": seat[name][1], "tier": seat[name][0], "phase": phase[name]} for name in kept
        ],
        "waiting": waiting,
    }


def small_problem(chance: random.Random, people_max: int = 9, pools_max: int = 4, seats_max: int = 3) -> Doc:
    """A round of up to nine applicants and four pools in which every part of the rule has something to do."""
    groups = {"agency": ["a", "b"], "category": ["food", "craft"], "rw": ["1", "2", "3"]}
    pools = []
    for number in range(chance.randint(1, pools_max)):
        pool: Doc = {"id": f"p{number}", "capacity": chance.randint(0, chance.randint(1, seats_max))}
        group = chance.choice(["agency", "category", "rw", None, None])
        if group is not None:
            caps = {value: chance.randint(0, 3) for value in groups[group] if chance.random() < 0.4}
            left = pool["capacity"]
            reserves = []
            for value in groups[group]:
                seats = chance.randint(0, min(left, caps.get(value, left)))
                if chance.random() < 0.6:
                    reserves.append({"group": group, "value": value, "seats": seats})
                    left -= seats
            if reserves:
                pool["reserves"] = reserves
            if caps:
                pool["caps"] = [{"group": group, "value": value, "seats": seats} for value, seats in caps.items()]
        pools.append(pool)
    levels = [
        {"by": by, "measure": measure} for by in ("vendor", "rw", "agency") for measure in ("turns", "waiting_since")
    ]
    rotation = chance.sample(levels, chance.choice([0, 1, 1, 2, 2, 3]))
    ranked = {level["by"] for level in rotation} - {"vendor"}
    applicants = []
    for number in range(chance.randint(0, people_max)):
        named = chance.sample([pool["id"] for pool in pools], chance.randint(1, min(3, len(pools))))
        cut = chance.randint(0, len(named))
        one: Doc = {
            "id": f"v{number}",
            "groups": {
                group: chance.choice(values)
                for group, values in groups.items()
                if group in ranked or chance.random() < 0.8
            },
            "choices": [tier for tier in (named[:cut], named[cut:]) if tier],
        }
        if chance.random() < 0.7:
            one["turns"] = chance.randint(0, 2)
        if chance.random() < 0.8:
            one["waiting_since"] = f"202{chance.randint(1, 3)}-05-01"
        applicants.append(one)
    chance.shuffle(applicants)
    doc: Doc = {"seed": str(chance.random()), "pools": pools, "applicants": applicants}
    if chance.random() < 0.9:
        doc["rotation"] = rotation
    if chance.random() < 0.5:
        doc["caps"] = [
            {"group": group, "seats_each": chance.randint(0, 2)}
            for group in chance.sample(list(groups), chance.randint(1, 2))
        ]
    if chance.random() < 0.7:
        doc["groups"] = {
            group: {
                value: {"turns": chance.randint(0, 2), "waiting_since": f"202{chance.randint(1, 3)}-05-01"}
                for value in values
                if chance.random() < 0.7
            }
            for group, values in groups.items()
        }
    return doc


def with_parties(chance: random.Random, doc: Doc) -> Doc:
    """The same round, some of whose applicants come in company."""
    left = [one["id"] for one in doc["applicants"]]
    chance.shuffle(left)
    choices = {one["id"]: one["choices"] for one in doc["applicants"]}
    parties: list[Doc] = []
    while len(left) >= 2 and len(parties) < 3:
        members, left = left[: (size := chance.choice([2, 2, 2, 3, 4]))], left[size:]
        if len(members) > 1:
            choices.update(dict.fromkeys(members, choices[members[0]]))
            parties.append(
                {"id": f"g{len(parties)}", "members": members, "apart": chance.choice(["none", "none", "split"])}
            )
    applicants = [{**one, "choices": choices[one["id"]]} for one in doc["applicants"]]
    return {**doc, "applicants": applicants, "parties": parties}


seeds = st.integers(0, 2**48)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(seeds)
def test_the_solver_gives_what_the_definition_gives_and_the_verifier_agrees(seed: int) -> None:
    doc = small_problem(random.Random(seed))
    problem = read_problem(json.dumps(doc).encode())

    result = solve(problem)

    written = json.loads(result_to_json(result))
    assert written.pop("problem_sha256") == problem.sha256
    assert written == by_definition(doc)
    assert verify(problem, result) == []


@settings(max_examples=2500, deadline=None, derandomize=True)
@given(seeds)
def test_with_parties_the_solver_gives_what_the_definition_gives_and_the_verifier_agrees(seed: int) -> None:
    chance = random.Random(seed)
    doc = with_parties(chance, small_problem(chance))
    problem = read_problem(json.dumps(doc).encode())

    result = solve(problem)

    written = json.loads(result_to_json(result))
    assert written.pop("problem_sha256") == problem.sha256
    assert written == by_definition(doc)
    assert verify(problem, result) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seeds)
def test_the_verifier_agrees_on_rounds_too_large_for_the_definition(seed: int) -> None:
    problem = read_problem(json.dumps(small_problem(random.Random(seed), 120, 12, 7)).encode())

    assert verify(problem, solve(problem)) == []


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seeds)
def test_the_order_in_which_applicants_pools_and_limits_are_listed_decides_nothing(seed: int) -> None:
    chance = random.Random(seed)
    doc = small_problem(chance)
    shuffled = json.loads(json.dumps(doc))
    chance.shuffle(shuffled["applicants"])
    chance.shuffle(shuffled["pools"])
    for pool in shuffled["pools"]:
        chance.shuffle(pool.get("reserves", []))
        chance.shuffle(pool.get("caps", []))

    one, other = (
        json.loads(result_to_json(solve(read_problem(json.dumps(each).encode())))) for each in (doc, shuffled)
    )

    del one["problem_sha256"], other["problem_sha256"]
    assert one == other


@settings(max_examples=400, deadline=None, derandomize=True)
@given(seeds, seeds)
def test_the_verifier_accepts_a_changed_result_never(seed: int, other: int) -> None:
    """Any result but the one of the definition is found out, whatever else about it is plausible."""
    chance = random.Random(seed)
    doc = small_problem(chance)
    problem = read_problem(json.dumps(doc).encode())
    changed = json.loads(json.dumps(doc))
    changed["seed"] = str(other)
    for pool in changed["pools"]:
        if chance.random() < 0.3:
            pool["capacity"] += 1
    neighbour = solve(read_problem(json.dumps(changed).encode()))
    claimed = type(neighbour)(problem.sha256, neighbour.served, neighbour.waiting)

    assert (verify(problem, claimed) == []) == (claimed == solve(problem))
