"""Places and people, appointments, treatment records, stock, messages."""

from sessions.models.appointments import Appointment, CourseBooking
from sessions.models.messages import Message, MessageAttempt
from sessions.models.places import (
    Absence,
    Closure,
    Device,
    HolidayYear,
    Location,
    Practitioner,
    Room,
    WorkingHours,
)
from sessions.models.records import DayDecision, MixedComponent, SafetyCheck, TreatedArea, TreatmentRecord
from sessions.models.selfservice import CalendarFeed, LinkWithdrawal, TimeRequest
from sessions.models.stock import Lot, Product
from sessions.models.types import AppointmentType, Needs

__all__ = [
    "Absence",
    "Appointment",
    "AppointmentType",
    "CalendarFeed",
    "Closure",
    "CourseBooking",
    "DayDecision",
    "Device",
    "HolidayYear",
    "LinkWithdrawal",
    "Location",
    "Lot",
    "Message",
    "MessageAttempt",
    "MixedComponent",
    "Needs",
    "Practitioner",
    "Product",
    "Room",
    "SafetyCheck",
    "TimeRequest",
    "TreatedArea",
    "TreatmentRecord",
    "WorkingHours",
]
