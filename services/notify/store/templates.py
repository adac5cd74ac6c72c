"""Versions of templates, which of them is in use, and what became of their WhatsApp forms."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.rendering import Template
from shared.db import Connection

__all__ = [
    "Choice",
    "Submission",
    "Version",
    "WhatsAppName",
    "add_activation",
    "add_version",
    "add_versions",
    "claim_submissions",
    "count_submissions",
    "find_activations",
    "find_approved",
    "find_choices",
    "find_numbers",
    "find_providers",
    "find_saved_templates",
    "find_statuses",
    "find_version",
    "find_versions",
    "find_whatsapp_templates",
    "lock_template",
    "retry_submission",
    "save_choice",
    "save_providers",
    "save_submitted",
    "save_verdicts",
    "want_again",
    "want_forms",
]


class Choice(NamedTuple):
    """The version of a template in use; `kept`: its sources are there."""

    template: str
    version: str
    kept: bool
    chosen: bool


async def find_choices(conn: Connection, names: Sequence[str], versions: Sequence[str | None]) -> list[Choice]:
    """Which version of each template is in use: the one that was chosen, else this one (of the release)."""
    rows = await conn.fetch(
        "SELECT w.template, coalesce(m.chosen_version, w.version) AS version, v.template IS NOT NULL AS kept, "
        "m.chosen_version IS NOT NULL AS chosen FROM unnest($1::text[], $2::text[]) AS w (template, version) "
        "LEFT JOIN message_template AS m ON m.template = w.template "
        "LEFT JOIN template_version AS v ON v.template = w.template "
        "AND v.version = coalesce(m.chosen_version, w.version) "
        "WHERE coalesce(m.chosen_version, w.version) IS NOT NULL",
        names,
        versions,
    )
    return [Choice(*row) for row in rows]


async def add_versions(conn: Connection, templates: Sequence[Template], now: datetime) -> None:
    """Keep these versions of a release, one of each template; one that is there stays as it is."""
    await conn.execute(
        "WITH fresh AS (SELECT w.* FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS w (template, version, sources) "
        "WHERE NOT EXISTS (SELECT FROM template_version AS v "
        "WHERE v.template = w.template AND v.version = w.version)), "
        "counted AS (INSERT INTO message_template AS m (template, last_number) "
        "SELECT template, 1 FROM fresh ORDER BY template "
        "ON CONFLICT (template) DO UPDATE SET last_number = m.last_number + 1 RETURNING m.template, m.last_number) "
        "INSERT INTO template_version (template, version, sources, first_used_at, number) "
        "SELECT f.template, f.version, f.sources, $4, c.last_number FROM fresh AS f JOIN counted AS c USING (template) "
        "ORDER BY f.template ON CONFLICT (template, version) DO NOTHING",
        [template.name for template in templates],
        [template.version for template in templates],
        [dict(template.sources) for template in templates],
        now,
    )


@dataclass(frozen=True)
class Version:
    """A version of a template as it is kept."""

    template: str
    version: str
    number: int | None
    sources: Mapping[str, str]
    parameters: Mapping[str, str] | None
    kept_at: datetime
    saved_by: str | None
    saved_at: datetime | None
    reason: str | None


async def find_version(conn: Connection, name: str, version: str) -> Version | None:
    """One version with its sources."""
    row = await conn.fetchrow(
        "SELECT template, version, number, sources, parameters, first_used_at, saved_by, saved_at, reason "
        "FROM template_version WHERE template = $1 AND version = $2",
        name,
        version,
    )
    return None if row is None else Version(*row)


async def find_numbers(
    conn: Connection, names: Sequence[str], versions: Sequence[str]
) -> dict[tuple[str, str], int | None]:
    """The numbers of these versions of these templates."""
    rows = await conn.fetch(
        "SELECT v.template, v.version, v.number FROM unnest($1::text[], $2::text[]) AS w (template, version) "
        "JOIN template_version AS v ON v.template = w.template AND v.version = w.version",
        names,
        versions,
    )
    return {(row["template"], row["version"]): row["number"] for row in rows}


async def find_versions(conn: Connection, name: str, limit: int) -> list[Version]:
    """The versions of a template, newest first, with their sources."""
    rows = await conn.fetch(
        "SELECT template, version, number, sources, parameters, first_used_at, saved_by, saved_at, reason "
        "FROM template_version WHERE template = $1 ORDER BY number DESC NULLS LAST, first_used_at DESC LIMIT $2",
        name,
        limit,
    )
    return [Version(*row) for row in rows]


async def find_saved_templates(conn: Connection) -> list[str]:
    """The names of all templates that are kept, by name."""
    rows = await conn.fetch("SELECT template FROM message_template ORDER BY template")
    return [row["template"] for row in rows]


async def lock_template(conn: Connection, name: str) -> str | None:
    """Lock a template (it is made when it is new); the version that was chosen."""
    await conn.execute("INSERT INTO message_template (template) VALUES ($1) ON CONFLICT DO NOTHING", name)
    chosen: str | None = await conn.fetchval(
        "SELECT chosen_version FROM message_template WHERE template = $1 FOR UPDATE", name
    )
    return chosen


async def add_version(
    conn: Connection,
    template: Template,
    parameters: Mapping[str, str] | None,
    *,
    by: str,
    reason: str,
    now: datetime,
) -> int:
    """Keep a version that somebody saved, of a template that is locked; its number."""
    number: int = await conn.fetchval(
        "WITH counted AS (UPDATE message_template SET last_number = last_number + 1 WHERE template = $1 "
        "RETURNING last_number) "
        "INSERT INTO template_version (template, version, sources, first_used_at, number, saved_by, saved_at, reason, "
        "parameters) SELECT $1, $2, $3, $4, last_number, $5, $4, $6, $7 FROM counted RETURNING number",
        template.name,
        template.version,
        dict(template.sources),
        now,
        by,
        reason,
        None if parameters is None else dict(parameters),
    )
    return number


async def save_choice(conn: Connection, name: str, version: str | None) -> None:
    """The version that is used from now on; None: the release's."""
    await conn.execute("UPDATE message_template SET chosen_version = $2 WHERE template = $1", name, version)


async def add_activation(
    conn: Connection, activation_id: UUID, name: str, version: str, *, by: str, reason: str, now: datetime
) -> None:
    """Note who chose a version, and why."""
    await conn.execute(
        "INSERT INTO template_activation (activation_id, template, version, activated_by, activated_at, reason) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        activation_id,
        name,
        version,
        by,
        now,
        reason,
    )


async def find_activations(conn: Connection, name: str, limit: int) -> list[dict[str, Any]]:
    """Who chose which version of a template, newest first."""
    rows = await conn.fetch(
        "SELECT activation_id, version, activated_by, activated_at, reason FROM template_activation "
        "WHERE template = $1 ORDER BY activation_id DESC LIMIT $2",
        name,
        limit,
    )
    return [dict(row) for row in rows]


# --- WhatsApp's approval


class WhatsAppName(NamedTuple):
    """A WhatsApp form as an account knows it, and where it comes from."""

    name: str
    language: str
    category: str
    template: str
    version: str
    lane: int


async def save_providers(conn: Connection, accounts: Mapping[str, str]) -> None:
    """The accounts behind our WhatsApp providers, and no others."""
    await conn.execute("DELETE FROM whatsapp_account WHERE NOT provider = ANY($1::text[])", list(accounts))
    await conn.execute(
        "INSERT INTO whatsapp_account (provider, account) SELECT * FROM unnest($1::text[], $2::text[]) "
        "ON CONFLICT (provider) DO UPDATE SET account = excluded.account",
        list(accounts),
        list(accounts.values()),
    )


async def find_providers(conn: Connection) -> dict[str, str]:
    """The account behind each WhatsApp provider."""
    return {
        row["provider"]: row["account"] for row in await conn.fetch("SELECT provider, account FROM whatsapp_account")
    }


async def want_forms(conn: Connection, forms: Sequence[WhatsAppName]) -> int:
    """Have these forms submitted to every account that does not know them yet. How many are new."""
    tag = await conn.execute(
        "INSERT INTO whatsapp_template (account, name, language, category, template, version, lane, status) "
        "SELECT a.account, f.name, f.language, f.category, f.template, f.version, f.lane, 'wanted' "
        "FROM (SELECT DISTINCT account FROM whatsapp_account) AS a, "
        "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[]) "
        "AS f (name, language, category, template, version, lane) ORDER BY 1, 2, 3 "
        "ON CONFLICT (account, name, language) DO UPDATE SET template = excluded.template, "
        "version = excluded.version, category = coalesce(whatsapp_template.category, excluded.category), "
        "lane = excluded.lane WHERE whatsapp_template.template IS NULL",
        *([list(column) for column in zip(*forms, strict=True)] if forms else [[]] * 6),
    )
    return _count(tag)


async def want_again(conn: Connection, names: Sequence[str] | None) -> int:
    """Have forms submitted now that wait or were refused; of these templates, or of all. How many."""
    tag = await conn.execute(
        "UPDATE whatsapp_template SET status = 'wanted', due_at = clock_timestamp(), reason = NULL "
        "WHERE status IN ('wanted', 'refused', 'rejected') AND template IS NOT NULL "
        "AND ($1::text[] IS NULL OR template = ANY($1))",
        names,
    )
    return _count(tag)


class Submission(NamedTuple):
    """A form that is ours to submit."""

    account: str
    name: str
    language: str
    template: str
    version: str
    tries: int


async def count_submissions(conn: Connection, account: str) -> int:
    """How many were submitted to this account within the last hour."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM whatsapp_template WHERE account = $1 "
        "AND tried_at > clock_timestamp() - interval '1 hour'",
        account,
    )
    return count


async def claim_submissions(conn: Connection, account: str, *, limit: int, lease_seconds: float) -> list[Submission]:
    """Take forms that are to be submitted to this account, the most urgent messages' first. Nobody else takes them
    until the lease ends.
    """
    rows = await conn.fetch(
        "WITH picked AS (SELECT account, name, language FROM whatsapp_template "
        "WHERE account = $1 AND status IN ('wanted', 'submitting') AND due_at <= statement_timestamp() "
        "AND template IS NOT NULL ORDER BY lane, due_at, name LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE whatsapp_template AS t SET status = 'submitting', tries = t.tries + 1, tried_at = clock_timestamp(), "
        "due_at = clock_timestamp() + make_interval(secs => $3) FROM picked "
        "WHERE (t.account, t.name, t.language) = (picked.account, picked.name, picked.language) "
        "RETURNING t.account, t.name, t.language, t.template, t.version, t.tries",
        account,
        limit,
        lease_seconds,
    )
    return [Submission(*row) for row in rows]


async def save_submitted(
    conn: Connection, one: Submission, *, status: str, category: str | None, reason: str | None, now: datetime
) -> None:
    """What the account answered. A verdict that overtook its answer stays."""
    await conn.execute(
        "UPDATE whatsapp_template SET submitted_at = $6, category = coalesce($5, category), "
        "status = CASE WHEN status = 'submitting' THEN $4 ELSE status END, "
        "reason = CASE WHEN status = 'submitting' THEN $7 ELSE reason END, "
        "decided_at = CASE WHEN status = 'submitting' AND $4 <> 'pending' THEN $6 ELSE decided_at END "
        "WHERE account = $1 AND name = $2 AND language = $3",
        one.account,
        one.name,
        one.language,
        status,
        category,
        now,
        reason,
    )


async def retry_submission(conn: Connection, one: Submission, *, seconds: float, reason: str) -> None:
    """It was not taken this time: again later."""
    await conn.execute(
        "UPDATE whatsapp_template SET status = 'wanted', reason = $4, "
        "due_at = clock_timestamp() + make_interval(secs => $5) "
        "WHERE account = $1 AND name = $2 AND language = $3 AND status = 'submitting'",
        one.account,
        one.name,
        one.language,
        reason,
        seconds,
    )


async def save_verdicts(
    conn: Connection, verdicts: Sequence[tuple[str, str, str, str, str | None]], now: datetime
) -> list[tuple[str, str, str]]:
    """What accounts say of their templates: (account, name, language, status, reason), each named once. Those whose
    status is another than before: (name, language, status).
    """
    rows = await conn.fetch(
        "WITH said AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) "
        "AS v (account, name, language, status, reason)) "
        "INSERT INTO whatsapp_template AS t (account, name, language, status, reason, decided_at) "
        "SELECT account, name, language, status, reason, $6 FROM said ORDER BY 1, 2, 3 "
        "ON CONFLICT (account, name, language) DO UPDATE SET status = excluded.status, reason = excluded.reason, "
        "decided_at = excluded.decided_at WHERE t.status <> excluded.status RETURNING t.name, t.language, t.status",
        *([list(column) for column in zip(*verdicts, strict=True)] if verdicts else [[]] * 5),
        now,
    )
    return [(row["name"], row["language"], row["status"]) for row in rows]


async def find_approved(
    conn: Connection, forms: Collection[tuple[str, str]], statuses: Collection[str]
) -> set[tuple[str, str]]:
    """Of these forms (name, language) those with such a status at every account that we send through. Where we know of
    no account, all.
    """
    rows = await conn.fetch(
        "WITH a AS (SELECT DISTINCT account FROM whatsapp_account) "
        "SELECT f.name, f.language FROM unnest($1::text[], $2::text[]) AS f (name, language) "
        "WHERE NOT EXISTS (SELECT FROM a WHERE NOT EXISTS (SELECT FROM whatsapp_template AS t "
        "WHERE t.account = a.account AND t.name = f.name AND t.language = f.language AND t.status = ANY($3)))",
        [name for name, _ in forms],
        [language for _, language in forms],
        list(statuses),
    )
    return {(row["name"], row["language"]) for row in rows}


async def find_statuses(
    conn: Connection, forms: Collection[tuple[str, str]], but: Collection[str]
) -> dict[tuple[str, str], str]:
    """Of these forms (name, language) a status at some account that is none of these."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (f.name, f.language) f.name, f.language, t.status "
        "FROM unnest($1::text[], $2::text[]) AS f (name, language) "
        "JOIN whatsapp_template AS t ON t.name = f.name AND t.language = f.language "
        "WHERE NOT t.status = ANY($3) ORDER BY f.name, f.language, t.account",
        [name for name, _ in forms],
        [language for _, language in forms],
        list(but),
    )
    return {(row["name"], row["language"]): row["status"] for row in rows}


async def find_whatsapp_templates(
    conn: Connection,
    *,
    status: str | None,
    template: str | None,
    after: tuple[str, str, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """WhatsApp forms and what became of them, by name, language and account."""
    rows = await conn.fetch(
        "SELECT name, language, account, template, version, status, category, reason, tries, submitted_at, decided_at "
        "FROM whatsapp_template WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR template = $2) "
        "AND ($3::text IS NULL OR (name, language, account) > ($3, $4, $5)) "
        "ORDER BY name, language, account LIMIT $6",
        status,
        template,
        *(after or (None, None, None)),
        limit,
    )
    return [dict(row) for row in rows]


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
