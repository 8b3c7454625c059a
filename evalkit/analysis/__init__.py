"""From recorded rows to figures: frames, summaries, comparisons. Pure: no file, no network, no clock."""
