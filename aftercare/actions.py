"""Issue a sheet: composed for one signed treatment, rendered, frozen."""

import hashlib
from datetime import datetime
from functools import cache
from typing import Any

import segno
from babel.dates import format_date
from django.conf import settings
from django.db import connection, transaction

from aftercare.composer import Advice, Facts, Part, compose, load_advice
from aftercare.models import IssuedSheet
from aftercare.rendering import render_html, render_pdf
from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from protocols.models import PlannedSession
from sessions.models import Appointment, TreatmentRecord

#: What differs from one issue to the next of the same advice.
_OF_THE_ISSUE = {"issued", "code"}


class SheetError(Exception):
    """The sheet can't be issued now; the text says what to do."""


@cache
def advice() -> Advice:
    """The advice catalogue, read once per process."""
    return load_advice(settings.BASE_DIR / "aftercare" / "knowledge")


def languages() -> list[tuple[str, str]]:
    """Languages a sheet can be issued in, as (code, own name)."""
    return [(code, advice().texts[code]["name"]) for code in advice().languages]


def facts_of(record: TreatmentRecord, language: str) -> Facts:
    """What the composer needs to know of a signed record; times on the location's wall clock."""
    location, patient = record.appointment.location, record.patient
    assert record.ended_at is not None
    components = list(record.components.all())
    numbed = {"lidocaine"} if record.anaesthetic in {"lidocaine-4-cream", "emla-5", "dc-wheals"} else set()
    parts = tuple(
        Part(
            indication=area.concern.split("/")[0],
            area=area.area,
            modality=area.modality,
            technique=area.technique,
            depth_mm=area.depth_mm,
            agents=frozenset({c.agent for c in components if c.concern == area.concern} | numbed),
            doses=tuple(
                (c.agent, c.dose_mg) for c in components if c.concern == area.concern and c.volume_ml
            ),
        )
        for area in record.areas.all()
    )
    following = (
        Appointment.objects.filter(patient=patient, starts_at__gt=record.ended_at)
        .exclude(status__in=Appointment.FREED)
        # Who is treated before the time in the calendar has the visit itself still ahead.
        .exclude(pk=record.appointment_id)
        .select_related("planned_session", "practitioner__user")
        .order_by("starts_at")
        .first()
    )
    return Facts(
        parts=parts,
        ended_at=record.ended_at.astimezone(location.zone),
        next_at=following.starts_at.astimezone(location.zone) if following else None,
        treated_by=record.operator.full_name,
        patient=patient.full_name,
        birth_date=format_date(patient.birth_date, "d MMM y", locale=language),
        record_number=patient.record_number,
        phototype=patient.phototype,
        clinic=location.name,
        address=location.address,
        phone=location.phone,
        after_hours_phone=location.after_hours_phone,
        emergency_number=location.emergency_number,
        session=_of_how_many(record.appointment.planned_session),
        next_session=_of_how_many(following.planned_session) if following else None,
        next_with=following.practitioner.user.full_name if following else "",
    )


def _of_how_many(session: PlannedSession | None) -> tuple[int, int] | None:
    """`(2, 6)`: the number of a planned session and of all in its course."""
    if session is None:
        return None
    numbers = PlannedSession.objects.filter(plan_id=session.plan_id, course=session.course)
    return session.number, max(numbers.values_list("number", flat=True))


def _page_code(number: int) -> dict[str, Any]:
    """The sheet's address as a QR drawing: the clinic's tablet opens the very sheet that a patient brings along."""
    code = segno.make(f"{settings.BASE_URL}/sheets/{number}/", error="m", micro=False)
    rows = [
        f"M{x} {y}.5h1" for y, row in enumerate(code.matrix) for x, dark in enumerate(row) if dark
    ]  # fmt: skip
    return {"size": len(code.matrix), "path": "".join(rows)}


@transaction.atomic
def issue(
    *, record: TreatmentRecord, by: User, now: datetime, language: str | None, large_print: bool, paper: str
) -> IssuedSheet:
    """Compose, render and freeze the sheet of a signed record. The newest one comes back when nothing changed."""
    record = TreatmentRecord.objects.select_for_update(of=("self",)).select_related(
        "patient", "operator", "appointment__location", "appointment__planned_session"
    ).get(pk=record.pk)  # fmt: skip
    if record.signed_at is None:
        raise SheetError("Sign the treatment record first: the sheet tells what was really done.")
    newer = record.successors.order_by("-version").first()
    if newer is not None:
        raise SheetError(
            f"This record was corrected. Print the sheet of version {newer.version}"
            + ("." if newer.signed_at else ", once it is signed.")
        )
    if not record.areas.exists():
        raise SheetError("The record names no treated area, so there is nothing to advise on.")
    wanted = language or record.patient.language
    code = wanted if wanted in advice().languages else "en"
    content = compose(facts_of(record, code), advice(), code)
    newest = IssuedSheet.objects.filter(
        record=record, language=code, large_print=large_print, paper=paper
    ).first()
    if newest is not None and {k: v for k, v in newest.content.items() if k not in _OF_THE_ISSUE} == content:
        return newest
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('mc_sheet_number_seq')")
        number = int(cursor.fetchone()[0])
    local = now.astimezone(record.appointment.location.zone)
    content["issued"] = advice().texts[code]["issued"].format(
        number=number, when=format_date(local.date(), "d MMM y", locale=code) + f"{advice().texts[code]['comma']}{local:%H:%M}", name=by.full_name
    )  # fmt: skip
    content["code"] = _page_code(number)
    html = render_html(content, large_print=large_print, paper=paper)
    pdf = render_pdf(html, number=number)
    sheet = IssuedSheet.objects.create(
        record=record, patient=record.patient, number=number, language=code, paper=paper, large_print=large_print,
        content=content, html=html, pdf=pdf, pdf_sha256=hashlib.sha256(pdf).hexdigest(), issued_by=by,
    )  # fmt: skip
    audit(
        type="sheet.issued",
        target=sheet,
        by=by,
        patient_id=record.patient_id,
        new={"language": code, "number": number},
    )
    return sheet
