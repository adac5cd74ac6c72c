"""Web pages for everybody: templates of a service, one style sheet put into each page, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.http.languages import Language

__all__ = ["PublicPages"]


class PublicPages:
    """The pages whose templates are in a folder, with their style sheet there.

    `headers` go with each of them: a policy by which the browser loads nothing but that style, pictures of this site if
    there are `images`, and sends forms to it if there are `forms`; and what the service adds (`Cache-Control`).
    """

    def __init__(
        self, folder: Path, style: str, *, headers: Mapping[str, str], images: bool = False, forms: bool = False
    ) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._style = (folder / style).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        pictures = "img-src 'self'; " if images else ""
        target = "'self'" if forms else "'none'"
        self.headers = {
            "Content-Security-Policy": f"default-src 'none'; {pictures}style-src 'sha256-{digest}'; base-uri 'none'; "
            f"form-action {target}; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "Vary": "Accept-Language",
            "X-Content-Type-Options": "nosniff",
            **headers,
        }

    def render(self, template: str, language: Language, asked: Language | None, /, **values: Any) -> str:
        """A page in one language. `asked`: the language that the address names; links keep it (`own`, `more`). `t`: of
        two wordings, Indonesian and English, the reader's; `other`: the other language.
        """

        def t(indonesian: str, english: str) -> str:
            return english if language == "en" else indonesian

        return self._templates.get_template(template).render(
            lang=language,
            own=f"?lang={asked}" if asked else "",
            more=f"&lang={asked}" if asked else "",
            other=t("en", "id"),
            style=Markup(self._style),  # ours, with nothing put into it
            t=t,
            **values,
        )
