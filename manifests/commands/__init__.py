"""What `manifests` can be asked for: each module adds its commands to the parser, and holds their handlers."""
