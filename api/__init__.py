"""HTTP, the stream and the command line."""
