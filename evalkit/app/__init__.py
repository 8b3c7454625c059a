"""The composition root: names become instances here, and the one `asyncio.run` is here."""
