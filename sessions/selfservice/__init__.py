"""What patients do for themselves by a signed link: confirm, ask to move, cancel, add to their calendar."""
