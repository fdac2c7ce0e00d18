"""The trusted side of git and of the forge. The only holder of the forge's token."""
