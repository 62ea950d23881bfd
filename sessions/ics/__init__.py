"""Calendar files: visits as VEVENTs with the time zone of their location, for patients and for practitioners."""
