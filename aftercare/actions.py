"""Issue a sheet: composed for one signed treatment, rendered, frozen."""

import hashlib
from datetime import datetime
from functools import cache

from babel.dates import format_date
from django.conf import settings
from django.db import connection, transaction

from aftercare.composer import Advice, Facts, Part, compose, load_advice
from aftercare.models import IssuedSheet
from aftercare.rendering import render_html, render_pdf
from mesoclinic.accounts.models import User
from mesoclinic.audit.actions import record as audit
from sessions.models import Appointment, TreatmentRecord


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
        )
        for area in record.areas.all()
    )
    following = (
        Appointment.objects.filter(patient=patient, starts_at__gt=record.ended_at)
        .exclude(status__in=Appointment.FREED)
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
    )


@transaction.atomic
def issue(
    *, record: TreatmentRecord, by: User, now: datetime, language: str | None, large_print: bool, paper: str
) -> IssuedSheet:
    """Compose, render and freeze the sheet of a signed record. The newest one comes back when nothing changed."""
    record = TreatmentRecord.objects.select_for_update(of=("self",)).select_related(
        "patient", "operator", "appointment__location"
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
    if newest is not None and {k: v for k, v in newest.content.items() if k != "issued"} == content:
        return newest
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('mc_sheet_number_seq')")
        number = int(cursor.fetchone()[0])
    local = now.astimezone(record.appointment.location.zone)
    content["issued"] = advice().texts[code]["issued"].format(
        number=number, when=format_date(local.date(), "d MMM y", locale=code) + f", {local:%H:%M}", name=by.full_name
    )  # fmt: skip
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
