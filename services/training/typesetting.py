"""Certificates as PDF, set by Typst inside the process: its fonts are in the wheel, nothing is fetched.

PDF/A-2a (kept for decades, readable aloud) and PDF/UA-1. The same certificate gives the same bytes each time: the only
moment in the file is that of the issue.
"""

import asyncio
import io
from functools import cache
from pathlib import Path

import segno
import typst
from pydantic_core import to_json

from services.training.domain.certificates import Certificate, Holder, NameUnprintable
from services.training.domain.printing import words_of

TEMPLATES = Path(__file__).parent / "templates"
STANDARDS: "list[typst.PDFStandard]" = ["a-2a", "ua-1"]
LETTER_LACKING = "could not be displayed"


async def typeset(certificate: Certificate, holder: Holder, page: str) -> bytes:
    """The certificate as PDF; `page` is the public address in its code. Typst lets go of the interpreter, so a thread
    is enough. Raises `NameUnprintable`."""
    return await asyncio.to_thread(compile_pdf, certificate, holder, page)


def compile_pdf(certificate: Certificate, holder: Holder, page: str) -> bytes:
    """What `typeset` does, in this thread. Raises `NameUnprintable`."""
    compiler = compiler_of({"said": to_json(words_of(certificate, holder, page)).decode(), "code": code_of(page)})
    try:
        pdf = compiler.compile(format="pdf", pdf_standards=STANDARDS, timestamp=int(certificate.issued_at.timestamp()))
    except typst.TypstError as error:
        if LETTER_LACKING in str(error):
            raise NameUnprintable(
                "The name has letters that the certificate's font lacks. Names of identity cards are written in Latin "
                "letters: have it corrected in the registry, then have the certificate issued anew."
            ) from None
        raise
    assert isinstance(pdf, bytes)
    return pdf


def compiler_of(inputs: dict[str, str]) -> typst.Compiler:
    """What sets the page of these words and this code."""
    # one for each certificate: a compiler serves one thread at a time, and making it takes less than a millisecond
    return typst.Compiler(
        TEMPLATES / "certificate.typ",
        root=TEMPLATES,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs=inputs,
    )


@cache
def _fonts() -> typst.Fonts:
    # only those in the wheel: a machine's own fonts would change the page from one replica to another
    return typst.Fonts(include_system_fonts=False)


def code_of(address: str) -> str:
    """The QR code of an address, as SVG."""
    image = io.BytesIO()
    segno.make_qr(address, error="m").save(image, kind="svg", border=2, light="#fff", xmldecl=False)
    return image.getvalue().decode()
