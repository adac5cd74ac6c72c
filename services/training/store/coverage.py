"""Figures of classes by area and commodity."""

from services.training.domain.coverage import Given
from shared.db import Connection


async def find_given(conn: Connection, area: str, year: int, course: str | None) -> list[Given]:
    """Classes that begin in this year, in this area and below it, of one course or every one, by area and commodity."""
    rows = await conn.fetch(
        """
        SELECT c.area, c.category, count(*) AS classes, sum(c.places) AS places, sum(e.taken)::bigint AS taken,
            sum(e.completed)::bigint AS completed
        FROM training_class c CROSS JOIN LATERAL (
            SELECT count(*) AS taken, count(*) FILTER (WHERE result = 'completed') AS completed
            FROM enrolment WHERE class_id = c.class_id) AS e
        WHERE c.state IN ('open', 'finished') AND c.area >= $1 AND c.area < $1 || '/'
            AND c.days[1] >= make_date($2, 1, 1) AND c.days[1] < make_date($2 + 1, 1, 1)
            AND ($3::text IS NULL OR c.course = $3)
        GROUP BY c.area, c.category ORDER BY c.area, c.category
        """,
        area,
        year,
        course,
    )
    return [Given(**row) for row in rows]
