"""What an answer is worth. Each module is one scorer, found by its name: `build(options) -> Scorer`."""
