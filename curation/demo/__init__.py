"""The demo sources: small, in the four upstream layouts, written from templates of our own; `files/` ships them."""
