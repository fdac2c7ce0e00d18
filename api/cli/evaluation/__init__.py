"""What `eval` does: run tasks, grade predictions, report, make tasks."""
