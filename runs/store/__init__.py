"""The store Protocol and the event log."""
