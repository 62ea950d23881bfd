"""A practitioner's visits as a read-only iCalendar feed under a secret address."""
