"""The waiting list: who waits for what, who is asked first when a time becomes free, and the hold meanwhile."""
