"""A small map of pages for tests of the frame: the real account pages, and stand-ins above them."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import engines
from django.urls import URLPattern, include, path

from mesoclinic.accounts.permissions import Permission, require
from mesoclinic.ui.forms import CodeSearch, Col, DateInput, PickMultiple, PickWidget, UnitInput, grid_helper
from mesoclinic.ui.toasts import toast, with_toast
from mesoclinic.ui.views import start

SUBSTANCES = ["Lidocaine", "Articaine", "Látex", "Nickel", "Penicillin", "Iodine", "Aspirin", "Soya"]


class AssessmentForm(forms.Form):
    """One field of every kind."""

    area = forms.CharField(label="Area", help_text="Where the patient sees it")
    darkness = forms.ChoiceField(
        label="Darkness",
        choices=[(n, str(n)) for n in range(5)],
        widget=PickWidget(hints={0: "absent", 4: "max"}),
    )
    days = forms.MultipleChoiceField(
        label="Days", choices=[("mo", "Mon"), ("tu", "Tue")], widget=PickMultiple(wrap=True), required=False
    )
    allergy = forms.ChoiceField(
        label="Allergy",
        choices=[("", ""), *((name.lower(), name) for name in SUBSTANCES)],
        widget=CodeSearch(synonyms={"lidocaine": "xylocaine"}),
    )
    weight = forms.DecimalField(label="Weight", widget=UnitInput("kg"))
    since = forms.DateField(label="Since", required=False, widget=DateInput)
    goal = forms.CharField(label="Goal", widget=forms.Textarea, required=False)
    helper = grid_helper(
        Col("area", 4),
        Col("darkness", 8),
        Col("days", 6),
        Col("allergy", 6),
        Col("weight", 4),
        Col("since", 4),
        "goal",
    )


PAGE = """{% extends "base.html" %}{% load crispy_forms_tags %}{% block title %}Assessment{% endblock %}
{% block page_head %}<div class="page-head"><h1>Assessment</h1></div>{% endblock %}
{% block content %}<form method="post" data-draft-key="assessment">{% csrf_token %}{% crispy form %}
<button class="btn btn-primary" data-key="ctrl+enter">Save</button></form>
<button type="button" id="part" hx-post="/part" hx-target="#answer">Part</button><div id="answer"></div>{% endblock %}"""


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string("{% extends 'base.html' %}").render({}, request))


def assessment(request: HttpRequest) -> HttpResponse:
    form = AssessmentForm(request.POST or None)
    if form.is_valid():
        toast(request, "Saved", undo_url="/undo")
        messages.error(request, "Room 2 was taken a moment ago")
        return HttpResponseRedirect("/assessment")
    return HttpResponse(engines["django"].from_string(PAGE).render({"form": form}, request))


def part(request: HttpRequest) -> HttpResponse:
    return with_toast(HttpResponse("<output>8.3</output>"), "Counted")


@require(Permission.PLAN_SIGN)
def sign(request: HttpRequest) -> HttpResponse:
    return HttpResponse("signed")


def refuse(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def search(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        '<a class="hit" href="/assessment?lucia">Lucía</a><a class="hit" href="/assessment?lucas">Lucas</a>'
    )


def named(*names: str) -> list[URLPattern]:
    return [path(f"{name}/", page, name=name) for name in names]


urlpatterns = [
    path("", start, name="start"),
    path("", include("mesoclinic.accounts.urls")),
    path("assessment", assessment, name="assessment"),
    path("part", part),
    path("sign", sign),
    path("refuse", refuse),
    path(
        "patients/", include(([path("search", search, name="search"), *named("list", "chart")], "patients"))
    ),
    path("protocols/", include((named("tasks"), "protocols"))),
    path("sessions/", include((named("calendar", "messages", "staff"), "sessions"))),
]
