"""Property tests judge what is decoded, never how long it takes; tests of decoding run once with each decoder."""

import pytest
from hypothesis import settings

from app.serde.decoder import AVAILABLE, DecoderName

settings.register_profile("schema", deadline=None, database=None)
settings.load_profile("schema")


@pytest.fixture(scope="session", params=AVAILABLE)
def decoder(request: pytest.FixtureRequest) -> DecoderName:
    """Each decoder of this installation; without a C compiler it has fastavro only."""
    name: DecoderName = request.param
    return name
