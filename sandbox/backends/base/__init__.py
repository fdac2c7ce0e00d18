"""What all backends share: Protocols, commands, the local sandbox."""
