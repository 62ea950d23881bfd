"""The waiting room and walk-ins: who is here, since when, and how the numbing cream stands."""
