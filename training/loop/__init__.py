"""The training itself: loss, update, trainer, devices and hosts, and when to stop."""
