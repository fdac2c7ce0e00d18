"""The bundled sample, the replayed Claude and the local forge server."""
