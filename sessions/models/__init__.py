"""Places and people, appointments, treatment records, stock, messages."""

from sessions.models.appointments import Appointment, CourseBooking
from sessions.models.calendar import CalendarSettings
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
from sessions.models.waitlist import FreedTime, Offer, Stay, WaitlistEntry

__all__ = [
    "Absence",
    "Appointment",
    "AppointmentType",
    "CalendarFeed",
    "CalendarSettings",
    "Closure",
    "CourseBooking",
    "DayDecision",
    "Device",
    "FreedTime",
    "HolidayYear",
    "LinkWithdrawal",
    "Location",
    "Lot",
    "Message",
    "MessageAttempt",
    "MixedComponent",
    "Needs",
    "Offer",
    "Practitioner",
    "Product",
    "Room",
    "SafetyCheck",
    "Stay",
    "TimeRequest",
    "TreatedArea",
    "TreatmentRecord",
    "WaitlistEntry",
    "WorkingHours",
]
