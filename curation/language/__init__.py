"""The stage `language`: by langdetect on the whole text, by langdetect on windows of it, by script."""
