"""Booked courses back into their windows: after a move, a missed visit, a new version of a plan, an absence."""
