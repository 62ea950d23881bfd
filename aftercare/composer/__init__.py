"""The aftercare composer: pure, no Django. It picks and merges advice for one very treatment."""
