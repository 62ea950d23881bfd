"""Booked visits keep the time on the wall that was told, whatever becomes of a zone's rules or a location's clock."""
