"""The feed itself, for calendar programs; and the page on which its address is made, renewed and ended."""

from typing import cast
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from sessions.feeds import actions, queries
from sessions.models import CalendarFeed, Practitioner
from sessions.selfservice.limits import too_many


# Nothing is changed here: another method is told that it is not allowed, not asked for a token.
@login_not_required
@csrf_exempt
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """The visits of one practitioner. A program that has them already is told so from one small query."""
    now = timezone.now()
    if too_many(request, token):
        return HttpResponse(
            "Too many requests\n", status=429, content_type="text/plain", headers={"Retry-After": "60"}
        )
    found = queries.find_feed(token)
    if found is None:
        return HttpResponse("This calendar link has ended\n", status=404, content_type="text/plain")
    queries.note_read(found, now)
    state = queries.state(found, now)
    # Only the tag decides: a visit that went to a colleague leaves no newer date behind.
    answer = get_conditional_response(request, etag=state.etag) or HttpResponse(
        queries.feed_file(found, now), content_type="text/calendar; charset=utf-8"
    )
    answer.headers["ETag"] = state.etag
    answer.headers["Last-Modified"] = http_date(state.changed_at.timestamp())
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return answer


def _own_or_managed(request: HttpRequest, pk: int) -> Practitioner:
    """The practitioner, when it is oneself or one keeps everybody's hours. Not yours: 404."""
    found = get_object_or_404(Practitioner.objects.select_related("user"), pk=pk, user__is_active=True)
    if found.user_id != request.user.pk and not has_permission(request.user, Permission.HOURS_EDIT):
        raise Http404("the calendar of somebody else")
    return found


@require_safe
@require(Permission.CALENDAR_VIEW)
def calendar_links(request: HttpRequest) -> HttpResponse:
    """One's own calendar link; for those who keep the hours, everybody's."""
    own = queries.practitioners().filter(user=request.user.pk or 0).first()
    context: dict[str, object] = {"own": own}
    if has_permission(request.user, Permission.HOURS_EDIT):
        text = request.GET.get("q", "").strip()[:80]
        context |= {
            "page": Paginator(queries.practitioners(text), 25).get_page(request.GET.get("page")),
            "q": text,
        }
    return render(request, "sessions/feeds/links.html", context)


@require_POST
@require(Permission.CALENDAR_VIEW)
def calendar_link_renew(request: HttpRequest, pk: int) -> HttpResponse:
    """A new secret address, in this answer only."""
    practitioner = _own_or_managed(request, pk)
    had = CalendarFeed.objects.filter(practitioner=practitioner).exists()
    token = actions.renew(practitioner=practitioner, by=cast(User, request.user), now=timezone.now())
    address = urljoin(settings.BASE_URL, reverse("selfservice:feed", args=[token]))
    context = {
        "practitioner": practitioner, "address": address, "had": had, "mine": practitioner.user_id == request.user.pk,
        "webcal": f"webcal://{urlsplit(address).netloc}{urlsplit(address).path}",
    }  # fmt: skip
    return render(request, "sessions/feeds/secret.html", context)


@require_POST
@require(Permission.CALENDAR_VIEW)
def calendar_link_end(request: HttpRequest, pk: int) -> HttpResponse:
    """No address any more."""
    practitioner = _own_or_managed(request, pk)
    actions.end(practitioner=practitioner, by=cast(User, request.user))
    messages.success(request, f"The calendar link of {practitioner} has ended.")
    return redirect("sessions:calendar-links")
