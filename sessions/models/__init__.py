"""Places and people, appointments, treatment records, stock, messages."""

from sessions.models.appointments import Appointment, CourseBooking
from sessions.models.calendar import CalendarSettings
from sessions.models.messages import Message, MessageAttempt
from sessions.models.places import (
    Absence,
    Closure,
    Device,
    Location,
    Practitioner,
    Room,
    WorkingHours,
)
from sessions.models.records import DayDecision, MixedComponent, SafetyCheck, TreatedArea, TreatmentRecord
from sessions.models.stock import Lot, Product

__all__ = [
    "Absence",
    "Appointment",
    "CalendarSettings",
    "Closure",
    "CourseBooking",
    "DayDecision",
    "Device",
    "Location",
    "Lot",
    "Message",
    "MessageAttempt",
    "MixedComponent",
    "Practitioner",
    "Product",
    "Room",
    "SafetyCheck",
    "TreatedArea",
    "TreatmentRecord",
    "WorkingHours",
]
