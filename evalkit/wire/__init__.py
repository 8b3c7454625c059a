"""The one network client, behind the `Transport` port."""
