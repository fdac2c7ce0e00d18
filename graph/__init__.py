"""The vocabulary of a run and the LangGraph state machine that drives it. Knows no other room."""
