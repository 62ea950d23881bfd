"""Draw a composed sheet: HTML for the page, and a tagged PDF (PDF/UA-1) that is the same every time."""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from fontTools.ttLib import woff2
from weasyprint import HTML
from weasyprint.urls import URLFetcher, URLFetcherResponse


def render_html(sheet: dict[str, Any], *, large_print: bool, paper: str) -> str:
    """The whole document for the PDF."""
    return render_to_string(
        "aftercare/sheet.html", {"sheet": sheet, "large_print": large_print, "paper": paper}
    )


@cache
def _unpacked(typeface: Path) -> bytes:
    """A typeface without its compression. Taking it off all of them takes longer than drawing a sheet: once a process."""
    out = BytesIO()
    with typeface.open("rb") as packed:
        woff2.decompress(packed, out)
    return out.getvalue()


class _OnlyStatic(URLFetcher):
    """A sheet loads its own fonts and style, and nothing else."""

    def fetch(self, url: str, headers: Any = None) -> Any:
        """Refuse every address outside the static folder."""
        if not url.startswith((settings.BASE_DIR / "static").as_uri() + "/"):
            raise ValueError("a sheet loads nothing from outside")
        folder, _slash, name = url.rpartition("/")
        if name.endswith(".woff2") and folder == (settings.BASE_DIR / "static" / "fonts").as_uri():
            return URLFetcherResponse(url, _unpacked(settings.BASE_DIR / "static" / "fonts" / name))
        return super().fetch(url, headers)


def render_pdf(html: str, *, number: int) -> bytes:
    """The document as PDF bytes; the same document and number give the same bytes."""
    document = HTML(
        string=html, base_url=(settings.BASE_DIR / "static").as_uri() + "/", url_fetcher=_OnlyStatic()
    )
    made: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=f"mesoclinic-{number}".encode())
    return made
