"""What `make live` tries on the services themselves."""
