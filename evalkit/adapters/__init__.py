"""Wire protocols, one module each, found by name: `build() -> Adapter`. Pure: bytes in, bytes out."""
