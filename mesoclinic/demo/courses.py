"""Demo courses in every state, made by the product's own acts: the engine proposes, actions sign, book and record."""

import random
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from aftercare.actions import issue
from mesoclinic.demo.places import Clinic
from patients.models import Medication, Patient
from protocols import actions as protocols
from protocols.models import Assessment, TreatmentPlan
from sessions.actions import booking, treatment
from sessions.models import Appointment, Location, Message, WaitlistEntry
from sessions.queries.booking import options_for
from sessions.queries.diary import diary
from sessions.queries.treatment import questions_for, usable_lots
from sessions.scheduling import Preferences, find_all_slots, read_wish
from sessions.scheduling.diary import Visit
from sessions.waitlist import act

#: (indication, area, scale, items, details)
WOMEN: tuple[tuple[str, str, str, dict[str, int], dict[str, Any]], ...] = (
    ("pigment", "face", "mmasi",
     {"forehead_area": 2, "forehead_darkness": 3, "left_malar_area": 3, "left_malar_darkness": 3, "right_malar_area": 4,
      "right_malar_darkness": 3, "chin_area": 1, "chin_darkness": 2}, {"pigment_type": "melasma", "red_flags": []}),
    ("rejuvenation", "face", "glogau", {"grade": 2}, {"red_flags": []}),
    ("wrinkles", "periorbital", "fitzpatrick-wrinkle", {"score": 5}, {}),
    ("brightening", "face", "dullness", {"score": 2}, {"red_flags": []}),
    ("pores", "face", "pore", {"score": 2}, {"red_flags": []}),
    ("cellulite", "thighs", "css",
     {"depressions": 2, "depth": 1, "raised": 1, "laxity": 1, "nuernberger_mueller": 2}, {"red_flags": []}),
    ("alopecia", "scalp", "sinclair", {"grade": 3}, {"hair_pattern": "patterned", "red_flags": []}),
    ("rejuvenation", "decolletage", "glogau", {"grade": 3}, {"red_flags": []}),
    ("fat", "submental", "cr-smfrs", {"grade": 2}, {"field_cm2": 30, "smslg_grade": 1, "red_flags": []}),
)  # fmt: skip
MEN: tuple[tuple[str, str, str, dict[str, int], dict[str, Any]], ...] = (
    (
        "alopecia",
        "scalp",
        "norwood",
        {"stage": 3, "vertex": 1},
        {"hair_pattern": "patterned", "red_flags": []},
    ),
    ("rejuvenation", "face", "glogau", {"grade": 2}, {"red_flags": []}),
    ("pores", "face", "pore", {"score": 3}, {"red_flags": []}),
)
REASON = "Talked through with the patient, who accepts it."
#: Days from today on which courses began: many of them have a visit today.
ACTIVE = (-28, -14, -37, -35, -14, -20, -42, -28, -9, -14, -21, -31, -28, -3, -42, -14)
SHEETS_OF_LAST_DAYS = 8


@dataclass(slots=True)
class Maker:
    """Builds around one moment; the same clinic for the same day."""

    clinic: Clinic
    people: list[Patient]
    now: datetime
    chance: random.Random

    @property
    def today(self) -> date:
        return self.now.astimezone(self.clinic.locations["madrid"].zone).date()

    def physician(self, index: int) -> Any:
        """Two of three courses are led in Madrid."""
        return self.clinic.users[("amari", "keller", "santana")[index % 3]]

    def location(self, index: int) -> Location:
        return self.clinic.locations["palmas" if index % 3 == 2 else "madrid"]

    def at(self, day: date, hour: int, location: Location) -> datetime:
        return datetime.combine(day, time(hour), tzinfo=location.zone)

    # ---- assessment and plan -------------------------------------------------------------------------------

    def _ask_before(self, patient: Patient, day: date) -> None:
        """Facts were asked on the day of the assessment, not after it."""
        fields = {
            name: day
            for name in ("pregnancy_asked_on", "blood_pressure_on", "consent_signed_on", "baseline_photos_on",
                         "allergies_asked_on", "conditions_asked_on", "medications_asked_on", "procedures_asked_on",
                         "labs_asked_on", "sun_asked_on", "reactions_asked_on")
            if getattr(patient, name) is not None
        }  # fmt: skip
        Patient.objects.filter(pk=patient.pk).update(**fields)
        patient.labs.filter(taken_on__gt=day).update(taken_on=day - timedelta(days=5))
        patient.procedures.filter(done_on__gt=day).update(done_on=day - timedelta(days=60))
        Medication.objects.filter(patient=patient, last_dose__gt=day).update(
            last_dose=day - timedelta(days=40)
        )
        patient.refresh_from_db()

    def draft(self, index: int, day: date) -> TreatmentPlan:
        """A plan as the engine proposes it on that day."""
        patient, by = self.people[index], self.physician(index)
        self._ask_before(patient, day)
        choices = WOMEN if patient.sex == "female" else MEN
        indication, area, scale, items, details = choices[index % len(choices)]
        assessment = protocols.assess(
            patient=patient, by=by, today=day,
            preferences={
                "goals": "Better by the summer", "modality": ("any", "any", "microneedling")[index % 3],
                "max_downtime_days": (None, 2, 3)[index % 3], "pain": (5, 3, 7, None)[index % 4],
                "needle_fear": False, "weekdays": ([], [2, 4], [])[index % 3],
            },
            concerns=[{"indication": indication, "area": area, "scale": scale, "items": items, "details": details}],
        )  # fmt: skip
        plan = protocols.propose_plan(assessment=assessment, by=by, today=day)
        made = self.at(day, 9, self.location(index))
        Assessment.objects.filter(pk=assessment.pk).update(created_at=made)
        TreatmentPlan.objects.filter(pk=plan.pk).update(created_at=made + timedelta(minutes=4))
        return plan

    def signed(self, index: int, day: date) -> TreatmentPlan | None:
        """The same, signed; None where a block stands in the way: that plan stays a draft."""
        plan = self.draft(index, day)
        for finding in plan.findings:
            if finding["level"] == "warn":
                protocols.answer_finding(
                    plan=plan, key=finding["key"], reason=REASON, by=self.physician(index)
                )
        plan.refresh_from_db()
        try:
            return protocols.sign_plan(
                plan=plan, by=self.physician(index), revision=plan.revision,
                now=self.at(day, 9, self.location(index)) + timedelta(minutes=10), today=day,
            )  # fmt: skip
        except protocols.PlanError:
            return None

    # ---- booking -------------------------------------------------------------------------------------------

    def book(self, index: int, plan: TreatmentPlan, day: date) -> None:
        """Book the whole course as the front desk would have on that day."""
        location = self.location(index)
        moment = self.at(day, 10, location)
        _planned, options = options_for(plan, location, Preferences(), now=moment, count=1)
        if not options:
            return
        key = uuid.UUID(int=self.chance.getrandbits(128), version=4)
        booking.book_course(
            plan=plan,
            location=location,
            slots=options[0].slots,
            key=key,
            by=self.clinic.users["marta"],
            now=moment,
        )

    def consultations(self, day: date, indexes: list[int], location: Location) -> None:
        """First visits of a day, at its free times."""
        for index in indexes:
            visit = Visit(0, 0, 0, 0, 0, 30, frozenset({"consultation"}))
            moment = self.at(day, 0, location)
            book = diary(location, day, day, self.people[index])
            lead = self.clinic.practitioners[
                ("amari", "keller")[index % 2]
                if location.pk == self.clinic.locations["madrid"].pk
                else "santana"
            ]
            free = find_all_slots(visit, book, day, day, moment, lead.pk).get(day, [])
            if not free:
                return
            slot = free[(index * 5) % len(free)]
            kind = ("consultation", "consultation", "review")[index % 3]
            booking.book_single(
                patient=self.people[index], location=location, slot=slot,
                kind=kind, type=self.clinic.types[kind], by=self.clinic.users["marta"], now=moment - timedelta(days=6),
                note="First visit" if index % 3 else "",
            )  # fmt: skip

    # ---- the past ------------------------------------------------------------------------------------------

    def live_through(self) -> None:
        """What has happened by now: check-ins, treatments, missed visits, sheets."""
        rows = Appointment.objects.filter(starts_at__lt=self.now + timedelta(minutes=20)).order_by(
            "starts_at"
        )
        for number, visit in enumerate(rows.select_related("patient", "location", "planned_session__plan")):
            if visit.ends_at < self.now and number % 19 == 11:
                self._state(visit, "no-show", visit.ends_at)
                continue
            if visit.starts_at > self.now:
                self._state(visit, "arrived", self.now)
                continue
            self._state(visit, "arrived", visit.starts_at - timedelta(minutes=6))
            if visit.planned_session is not None:
                self._treat(visit)
            elif visit.ends_at < self.now:
                self._state(visit, "done", visit.ends_at)
        # Coming visits of the next days are partly confirmed.
        soon = Appointment.objects.filter(
            status="booked", starts_at__gt=self.now, starts_at__lt=self.now + timedelta(days=6)
        )
        for number, visit in enumerate(soon.order_by("starts_at", "pk")):
            if number % 3 != 2:
                self._state(visit, "confirmed", self.now)
        later = Appointment.objects.filter(
            status="booked", starts_at__gt=self.now + timedelta(days=2)
        ).order_by("starts_at", "pk")
        for visit in later[4:40:9]:
            booking.change_status(
                appointment=visit, to="cancelled", by=self.clinic.users["marta"],
                now=self.now - timedelta(hours=2), reason="The patient is on a journey",
            )  # fmt: skip

    def _state(self, visit: Appointment, to: str, moment: datetime) -> None:
        booking.change_status(appointment=visit, to=to, by=self.clinic.users["marta"], now=moment)

    def _treat(self, visit: Appointment) -> None:
        nurse = self.clinic.users[
            "roca" if visit.location_id == self.clinic.locations["madrid"].pk else "cabrera"
        ]
        record = treatment.open_record(appointment=visit, by=nurse, now=visit.starts_at)
        day = visit.starts_at.astimezone(visit.location.zone).date()
        agents = {part.agent for part in record.components.all()}
        lots = {lot.product.agent: lot for lot in usable_lots(agents=agents, on=day)}
        data: dict[str, Any] = {
            "checks": {row[0]: ("ok", "") for row in questions_for(visit.patient)},
            "components": {p.pk: {"lot": lots[p.agent]} for p in record.components.all() if p.agent in lots},
            "fields": {"pain_score": 1 + visit.pk % 5, "reactions": ["redness"], "watched_min": 15},
        }
        if record.anaesthetic in {"lidocaine-4-cream", "emla-5", "dc-wheals"}:
            numb = usable_lots(agents={record.anaesthetic}, on=day).first()
            data["fields"] |= {
                "anaesthetic_lot": numb, "anaesthetic_on": visit.starts_at - timedelta(minutes=60),
                "anaesthetic_off": visit.starts_at - timedelta(minutes=2),
            }  # fmt: skip
        treatment.save_record(record=record, data=data, by=nurse, now=visit.starts_at)
        try:
            treatment.start_treatment(record=record, by=nurse, now=visit.starts_at + timedelta(minutes=3))
            if visit.ends_at < self.now:
                treatment.sign_record(record=record, by=nurse, now=visit.ends_at)
        except treatment.TreatmentError:
            return  # An open record of an earlier day: the overview counts it.
        if visit.ends_at < self.now and (self.today - day).days <= SHEETS_OF_LAST_DAYS:
            issue(record=record, by=nurse, now=visit.ends_at, language=None, large_print=False, paper="A4")


def _closed_plans(maker: Maker) -> None:
    """Finished and stopped courses."""
    for index in (62, 65, 68):
        plan = maker.signed(index, maker.today - timedelta(days=120))
        if plan is not None:
            status = "stopped" if index == 68 else "completed"
            TreatmentPlan.objects.filter(pk=plan.pk).update(status=status)
    plan = maker.signed(71, maker.today - timedelta(days=100))
    if plan is not None:
        TreatmentPlan.objects.filter(pk=plan.pk).update(status="superseded")


def _waiting(maker: Maker) -> None:
    """Some wait for a time; two times of next week became free just now."""
    wishes = (
        (104, WaitlistEntry.Priority.URGENT, "mornings", 12),
        (105, WaitlistEntry.Priority.NORMAL, "", 3),
        (106, WaitlistEntry.Priority.SOON, "tue thu after 15", 25),
        (107, WaitlistEntry.Priority.NORMAL, "not fridays", 8),
    )
    for index, priority, text, days in wishes:
        wish = read_wish(text, maker.today)
        act.put_on(
            patient=maker.people[index], kind=Appointment.Kind.CONSULTATION, planned=None, minutes=30,
            locations=[maker.clinic.locations["madrid"]], by=maker.clinic.users["marta"],
            now=maker.now - timedelta(days=days), priority=priority, wish=text, weekdays=sorted(wish.weekdays),
            time_from=wish.time_from, time_until=wish.time_until, notice_hours=4,
        )  # fmt: skip


def build(*, clinic: Clinic, people: list[Patient], now: datetime) -> int:
    """Fill the clinic; the number of appointments."""
    maker = Maker(clinic, people, now, random.Random(20261124))
    today = maker.today
    _closed_plans(maker)
    for index in range(18, 60):
        day = today + timedelta(days=ACTIVE[index % len(ACTIVE)])
        if day.isoweekday() > 5:
            day -= timedelta(days=2)
        plan = maker.signed(index, day)
        if plan is not None and index % 7 != 0:
            maker.book(index, plan, day)
    for offset in range(-7, 15):
        day = today + timedelta(days=offset)
        for place in ("madrid", "palmas"):
            first = 72 + (offset + 7) * 2
            count = (4 if place == "madrid" else 2) if offset == 0 else 1
            chosen = [(first + n + (24 if place == "palmas" else 0)) % 48 + 72 for n in range(count)]
            maker.consultations(day, chosen, clinic.locations[place])
    for index in range(10):
        maker.draft(index, today - timedelta(days=index % 3))
    for index in range(10, 18):
        maker.signed(index, today - timedelta(days=1 + index % 4))
    maker.live_through()
    _waiting(maker)
    # What was due in the past has long left the clinic.
    for message in Message.objects.filter(state="due", send_at__lt=now):
        message.state, message.sent_at, message.attempts = Message.State.SENT, message.send_at, 1
        message.save()
        message.tries.create(delivered=True, error="")
    return Appointment.objects.count()
