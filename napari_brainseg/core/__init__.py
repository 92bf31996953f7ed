"""The headless kernel: all that the plugin and the trainer both need."""
