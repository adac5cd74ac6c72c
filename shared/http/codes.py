"""A text as a QR code. Who has the code of a ticket can show it: no cache keeps one."""

import io
from typing import TYPE_CHECKING

from fastapi import Response

if TYPE_CHECKING:
    import segno

__all__ = ["draw_code", "paint_code"]

MODULE_PIXELS = 8
PRIVATE = {"Cache-Control": "private, no-store"}


def draw_code(text: str) -> Response:
    """The code as SVG."""
    image = io.BytesIO()
    _code(text).save(image, kind="svg", scale=MODULE_PIXELS, light="#fff")
    return Response(image.getvalue(), media_type="image/svg+xml", headers=PRIVATE)


def paint_code(text: str) -> Response:
    """The code as PNG."""
    image = io.BytesIO()
    _code(text).save(image, kind="png", scale=MODULE_PIXELS)
    return Response(image.getvalue(), media_type="image/png", headers=PRIVATE)


def _code(text: str) -> "segno.QRCode":
    import segno  # 1 MB, for the first code

    return segno.make_qr(text, error="m", boost_error=False)
