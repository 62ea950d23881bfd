"""What the calendar's component asks the server: what to draw, what changed, may this visit lie there."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from mesoclinic.accounts.models import User
from mesoclinic.accounts.permissions import Permission, has_permission, require
from mesoclinic.ui import formatting
from mesoclinic.ui.reading import row_id
from mesoclinic.ui.toasts import toast
from sessions.actions import booking as actions
from sessions.actions.checks import TooClose
from sessions.actions.lengthen import lengthen
from sessions.models import Appointment, CalendarSettings, Location
from sessions.places import location_of
from sessions.queries.calendar_feed import MOST_DAYS, SERVICES, Filters, Reader, feed, tag_of
from sessions.queries.calendar_place import course_can_follow, in_words, out_of_window, slot_at
from sessions.reminders.schedule import address_of
from sessions.scheduling import Deviation, Slot
from sessions.views.shared import called, pack, unpack

#: The list is for printing and for a look at who was cancelled: nobody starts there.
VIEWS = frozenset({*CalendarSettings.View.values, "list"})
COLUMNS = ("all", "staff", "rooms", "devices")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the calendar somebody wants to see."""

    view: str
    day: date
    first: date
    days: int
    columns: str
    filters: Filters

    def step(self, direction: int) -> date:
        """The day that opens the page before (-1) or after (1)."""
        if self.view == "week":
            return self.day + timedelta(days=7 * direction)
        if self.view != "month":
            return self.day + timedelta(days=direction)
        middle = self.day.replace(day=15) + timedelta(days=30 * direction)
        return middle.replace(day=1)


def day_of(text: str | None) -> date:
    """The day of an address; today for anything that is none."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return timezone.localdate()
    return day if date(2000, 1, 1) <= day <= date(2100, 1, 1) else timezone.localdate()


def settings_of(user: Any) -> CalendarSettings:
    """How this person likes the calendar; the defaults until something was chosen."""
    return CalendarSettings.objects.filter(user=user).first() or CalendarSettings(user=user)


def asked_of(request: HttpRequest, settings: CalendarSettings) -> Asked:
    """Read the address; what it leaves open is as this person left the calendar last."""
    view = request.GET.get("view", settings.view)
    view = view if view in VIEWS else "day"
    columns = request.GET.get("columns", settings.columns)
    day = day_of(request.GET.get("day"))
    first, days = day, 1
    if view == "week":
        first, days = day - timedelta(days=day.weekday()), 7
    elif view == "month":
        begin = day.replace(day=1)
        first = begin - timedelta(days=begin.weekday())
        last = (begin + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        days = -(-((last - first).days + 1) // 7) * 7
    status, service = request.GET.get("status", ""), request.GET.get("service", "")
    return Asked(
        view, day, first, days, columns if columns in COLUMNS else "all",
        Filters(
            row_id(request.GET.get("practitioner")), row_id(request.GET.get("room")), row_id(request.GET.get("device")),
            status if status in Appointment.Status.values else "", service if service in dict(SERVICES) else "",
        ),
    )  # fmt: skip


def feed_of(
    request: HttpRequest, location: Location, asked: Asked, settings: CalendarSettings
) -> dict[str, Any]:
    """The data of what was asked, for the person who asks."""
    reader = Reader(
        bool(request.session.get("hide_names")), has_permission(request.user, Permission.PROFILE_VIEW)
    )
    return feed(
        location, asked.first, asked.days, asked.filters, reader, now=timezone.now(), order=settings.order
    )


@require_safe
@require(Permission.CALENDAR_VIEW)
def calendar_feed(request: HttpRequest) -> HttpResponse:
    """What to draw now, for the same address as the page's."""
    settings = settings_of(request.user)
    return JsonResponse(feed_of(request, location_of(request), asked_of(request, settings), settings))


@require_safe
@require(Permission.CALENDAR_VIEW)
def calendar_changes(request: HttpRequest) -> HttpResponse:
    """Whether anything of a range changed since the mark that the browser knows: 304 when not. One query."""
    key = row_id(request.GET.get("place"))
    try:
        start = datetime.fromisoformat(request.GET.get("from", ""))
        end = datetime.fromisoformat(request.GET.get("to", ""))
    except ValueError as error:
        raise Http404("no range") from error
    bad = key is None or timezone.is_naive(start) or timezone.is_naive(end)
    # A day more than a month's page: the clock may be put back within it.
    if bad or not timedelta(0) < end - start <= timedelta(days=MOST_DAYS + 1):
        raise Http404("no range of the calendar")
    mark = f'"{tag_of(cast(int, key), start, end)}"'
    if request.headers.get("If-None-Match") == mark:
        return HttpResponseNotModified(headers={"ETag": mark})
    return HttpResponse(status=204, headers={"ETag": mark})


# ---- a visit dragged or drawn longer -----------------------------------------------------------------------


class PlaceForm(forms.Form):
    """Where a visit was dropped. Times are on the wall clock of its location."""

    visit = forms.IntegerField(min_value=1, max_value=2**62)
    version = forms.IntegerField(min_value=0, max_value=2**31 - 1)
    start = forms.CharField(min_length=16, max_length=16)
    end = forms.CharField(min_length=16, max_length=16, required=False)
    practitioner = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    room = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    device = forms.IntegerField(min_value=1, max_value=2**62, required=False)
    #: Only ask, save nothing.
    check = forms.BooleanField(required=False)
    #: The person has seen what leaves its window and wants it all the same.
    anyway = forms.BooleanField(required=False)

    def clean_start(self) -> datetime:
        return self._wall("start")

    def clean_end(self) -> datetime | None:
        return self._wall("end") if self.cleaned_data["end"] else None

    def _wall(self, name: str) -> datetime:
        """Without a zone: Django's own field would read it in the zone of the reader."""
        try:
            return datetime.fromisoformat(self.cleaned_data[name]).replace(tzinfo=None)
        except ValueError as error:
            raise forms.ValidationError("No time.") from error


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """A time on the wall there. BookingError for one that the change to summer time leaves out."""
    moment = wall.replace(tzinfo=zone)
    # Into the year 9999 no clock can be turned.
    exists = (
        2000 <= wall.year <= 2100 and moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
    )
    if not exists:
        raise actions.BookingError("This time does not exist on that day. Choose another one.")
    return moment


@dataclass(frozen=True, slots=True)
class _Tried:
    """What became of a drop: the visit there, or None where that needs the rest of its course to move, too."""

    made: Appointment | None
    slot: Slot | None = None
    leaving: tuple[Deviation, ...] = ()
    why: str = ""

    @property
    def told(self) -> list[str]:
        """What leaves its window, in words."""
        return [in_words(one) for one in self.leaving]


def _try(request: HttpRequest, found: Appointment, data: dict[str, Any]) -> _Tried:
    """Move or lengthen the visit. Raises BookingError where it can't lie, whatever else moves."""
    by, now, zone = cast(User, request.user), timezone.now(), found.location.zone
    if data["end"]:
        return _Tried(
            lengthen(appointment=found, ends_at=_instant(data["end"], zone), by=by, now=now, version=data["version"])
        )  # fmt: skip
    start = _instant(data["start"], zone)
    leaving = out_of_window(found, start.astimezone(zone).date())
    slot = slot_at(found, start, practitioner=data["practitioner"], room=data["room"], device=data["device"])
    try:
        made = actions.move(appointment=found, slot=slot, by=by, now=now, version=data["version"])
    except TooClose as error:
        if not course_can_follow(found, leaving):
            raise
        return _Tried(None, slot, leaving, str(error))
    return _Tried(made, slot, leaving)


def _would(request: HttpRequest, found: Appointment, data: dict[str, Any]) -> JsonResponse:
    """Do it as it would be done, look, and take it all back: the answer is the one that saving would give."""
    try:
        with transaction.atomic():
            tried = _try(request, found, data)
            transaction.set_rollback(True)
    except actions.BookingError as error:
        return JsonResponse({"ok": False, "why": str(error)})
    only = [] if tried.made else ["Only with the whole course."]
    room = tried.made.room.name if tried.made else ""
    return JsonResponse({"ok": True, "room": room, "leaving": tried.told + only})


def _asked(found: Appointment, version: int, tried: _Tried) -> JsonResponse:
    """What leaves its window, and the way on: as it is, where that is allowed, or the whole course laid out anew."""
    answer: dict[str, Any] = {"ask": tried.told, "only": tried.made is None}
    planned = found.planned_session
    if planned and tried.slot and course_can_follow(found, tried.leaving):
        answer["course"] = {
            "url": reverse("sessions:course-reflow", args=[planned.plan_id, planned.course]),
            "slot": pack([tried.slot], appointment=found.pk, version=version),
        }
    return JsonResponse(answer, status=409)


def _said(request: HttpRequest, made: Appointment, before: Slot, status: str) -> dict[str, str]:
    """The note after the act, with its way back."""
    zone = made.location.zone
    undo = pack([before], appointment=made.pk, version=made.version, status=status)
    local, end = made.starts_at.astimezone(zone), made.ends_at.astimezone(zone)
    who = called(request, made.patient)
    if made.starts_at == before.start and made.ends_at != before.end:
        told = made.ends_at > before.end and made.starts_at > timezone.now()
        text, back = f"{who} now until {end:%H:%M}.", "sessions:appointment-length-undo"
    else:
        told = made.starts_at != before.start
        text = f"{who} moved to {formatting.day(local.date(), timezone.localdate())}, {local:%H:%M}"
        if made.practitioner_id != before.practitioner:
            text += f", {made.practitioner}"
        if made.room_id != before.room:
            text += f", {made.room.name}"
        text, back = f"{text}.", "sessions:appointment-move"
    if told and address_of(made.patient):
        text += " The patient is told in 3 minutes."
    return {"text": text, "undo": f"{reverse(back, args=[made.pk])}?{urlencode({'undo': undo})}"}


@require_POST
@require(Permission.BOOKING_EDIT)
def calendar_place(request: HttpRequest) -> HttpResponse:
    """Put a dragged visit where it was dropped, or let it end where its edge was drawn to.

    `check` only asks. A move by which sessions leave their windows is answered 409 with them and saved with `anyway`;
    where later ones do, `course` leads to the re-flow of the course around the new time, and `only` says that nothing
    else is possible. What can't be is answered 422 with the reason. The act itself and the database decide, whatever the browser thinks.
    """
    form = PlaceForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"why": "This is no time of the calendar. Load the page again."}, status=422)
    data = form.cleaned_data
    rows = Appointment.objects.select_related(
        "patient", "location", "practitioner__user", "room", "planned_session__plan"
    )
    found = get_object_or_404(rows, pk=data["visit"])
    if data["check"]:
        return _would(request, found, data)
    before = Slot(
        found.planned_session_id or 0, 0, found.starts_at, found.ends_at, found.practitioner_id, found.room_id,
        found.device_id, 0,
    )  # fmt: skip
    status = found.status
    try:
        with transaction.atomic():
            tried = _try(request, found, data)
            if tried.made is None or (tried.leaving and not data["anyway"]):
                transaction.set_rollback(True)
                return _asked(found, data["version"], tried)
    except actions.BookingError as error:
        return JsonResponse({"why": str(error)}, status=422)
    return JsonResponse(_said(request, rows.get(pk=found.pk), before, status))


@require_POST
@require(Permission.BOOKING_EDIT)
def appointment_length_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a visit the end that it had. The patient hears nothing if nothing had left."""
    found = get_object_or_404(Appointment.objects.select_related("patient", "location"), pk=pk)
    data = unpack(str(request.GET.get("undo", "")))
    if data.get("appointment") != found.pk:
        raise Http404("an act on another visit")
    try:
        lengthen(
            appointment=found, ends_at=data["slots"][0].end, by=cast(User, request.user), now=timezone.now(),
            version=data.get("version"), reason="Undone",
        )  # fmt: skip
    except actions.BookingError as error:
        toast(request, f"Not undone. {error}")
    else:
        toast(request, f"{called(request, found.patient)}: ends as before.")
    day = found.starts_at.astimezone(found.location.zone).date()
    return redirect(f"{reverse('sessions:calendar')}?day={day.isoformat()}")


# ---- as somebody likes it ----------------------------------------------------------------------------------


class SettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's forms take no argument at run time
    """What the page sends of how it is to look; only what it names changes."""

    zoom = forms.TypedChoiceField(
        coerce=int, choices=[(n, n) for n in CalendarSettings.ZOOMS], required=False
    )
    slot_min = forms.TypedChoiceField(
        coerce=int, choices=[(n, n) for n in CalendarSettings.SLOTS], required=False
    )
    columns = forms.ChoiceField(choices=[(name, name) for name in COLUMNS], required=False)

    class Meta:
        model = CalendarSettings
        fields = ("zoom", "slot_min", "colours", "view", "columns", "order")


@require_POST
@require(Permission.CALENDAR_VIEW)
def calendar_settings(request: HttpRequest) -> HttpResponse:
    """Keep zoom, slot size, colouring, view or the order of the columns for the person signed in."""
    settings = settings_of(request.user)
    current = {name: getattr(settings, name) for name in SettingsForm.Meta.fields}
    current["order"] = ",".join(current["order"])
    sent = {name: request.POST[name] for name in SettingsForm.Meta.fields if name in request.POST}
    form = SettingsForm(current | sent, instance=settings)
    if not form.is_valid() or len(form.cleaned_data["order"]) > 200:
        return JsonResponse({"why": "The calendar can't look like that."}, status=422)
    CalendarSettings.objects.update_or_create(
        user=cast(User, request.user), defaults={name: form.cleaned_data[name] for name in sent}
    )
    return JsonResponse({})
