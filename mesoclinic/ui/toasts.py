"""Short notes after an act, with the way back. Errors are never toasts: they stay at their place."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django_htmx.http import trigger_client_event


def toast(request: HttpRequest, text: str, *, undo_url: str = "") -> None:
    """Show `text` on the next full page; with `undo_url` a button that posts there."""
    messages.success(request, text, extra_tags=f"undo:{undo_url}" if undo_url else "")


def with_toast(response: HttpResponse, text: str, *, undo_url: str = "") -> HttpResponse:
    """Show `text` when htmx has put this answer into the page."""
    return trigger_client_event(response, "toast", {"text": text, "undo": undo_url})
