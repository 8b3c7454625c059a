"""Run folders on disk: a manifest, append-only journals, and the samples that were used."""
