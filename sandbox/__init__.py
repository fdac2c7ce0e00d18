"""Where untrusted code runs. Holds no secret."""
