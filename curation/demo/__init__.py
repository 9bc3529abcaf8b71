"""The demo sources in the four upstream layouts, told by templates of our own; `files/` ships the small ones."""
