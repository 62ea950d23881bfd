"""Places and people, appointments, treatment records, stock, messages."""

from sessions.models.appointments import Appointment, CourseBooking
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
from sessions.models.waitlist import FreedTime, Offer, Stay, WaitlistEntry

__all__ = [
    "Absence",
    "Appointment",
    "Closure",
    "CourseBooking",
    "DayDecision",
    "Device",
    "FreedTime",
    "Location",
    "Lot",
    "Message",
    "MessageAttempt",
    "MixedComponent",
    "Offer",
    "Practitioner",
    "Product",
    "Room",
    "SafetyCheck",
    "Stay",
    "TreatedArea",
    "TreatmentRecord",
    "WaitlistEntry",
    "WorkingHours",
]
