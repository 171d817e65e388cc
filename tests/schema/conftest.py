"""Property tests judge what is decoded, never how long it takes."""

from hypothesis import settings

settings.register_profile("schema", deadline=None, database=None)
settings.load_profile("schema")
