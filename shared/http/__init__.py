"""The HTTP edge: the application, what a route gets, answers that are problems, pages of lists."""

from shared.http.app import Ready, create_app
from shared.http.edge import Edge, EdgeDep, PublicEdge, PublicEdgeDep, edge, public_edge, replayed
from shared.http.pages import LIMIT_DEFAULT, After, CursorInvalid, Limit, page, read_cursor, write_cursor
from shared.http.traffic import BODY_BYTES_MAX, large_body

__all__ = [
    "BODY_BYTES_MAX",
    "LIMIT_DEFAULT",
    "After",
    "CursorInvalid",
    "Edge",
    "EdgeDep",
    "Limit",
    "PublicEdge",
    "PublicEdgeDep",
    "Ready",
    "create_app",
    "edge",
    "large_body",
    "page",
    "public_edge",
    "read_cursor",
    "replayed",
    "write_cursor",
]
