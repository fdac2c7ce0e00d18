"""What is typed while a run is drawn: lines, answers to a plan, messages."""
