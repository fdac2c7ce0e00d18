"""Transcripts: what was said, kept in the run's folder."""
