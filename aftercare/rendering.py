"""Draw a composed sheet: HTML for the page, and a tagged PDF (PDF/UA-1) that is the same every time."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from weasyprint import HTML
from weasyprint.urls import URLFetcher


def render_html(sheet: dict[str, Any], *, large_print: bool, paper: str) -> str:
    """The whole document for the PDF."""
    return render_to_string(
        "aftercare/sheet.html", {"sheet": sheet, "large_print": large_print, "paper": paper}
    )


class _OnlyStatic(URLFetcher):
    """A sheet loads its own fonts and style, and nothing else."""

    def fetch(self, url: str, headers: Any = None) -> Any:
        """Refuse every address outside the static folder."""
        if not url.startswith((settings.BASE_DIR / "static").as_uri() + "/"):
            raise ValueError("a sheet loads nothing from outside")
        return super().fetch(url, headers)


def render_pdf(html: str, *, number: int) -> bytes:
    """The document as PDF bytes; the same document and number give the same bytes."""
    document = HTML(
        string=html, base_url=(settings.BASE_DIR / "static").as_uri() + "/", url_fetcher=_OnlyStatic()
    )
    made: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=f"mesoclinic-{number}".encode())
    return made
