"""Sources → rows → filters → sample → manifest. `build` reads top to bottom like that sentence."""
