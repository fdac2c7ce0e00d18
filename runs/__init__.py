"""The life of a run: start, watch, cancel, resume; the event log and the store."""
