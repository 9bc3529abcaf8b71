"""What the subcommands of `training` do with their flags: call the documented functions, and print."""
