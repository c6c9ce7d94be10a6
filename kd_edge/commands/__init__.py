"""The commands of `kd-edge`, one per file; what a command needs is imported when it runs."""
