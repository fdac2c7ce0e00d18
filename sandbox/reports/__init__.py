"""Report readers: test ids and counts out of the output of test runners."""
