"""Tests of decoding run once with each decoder."""

import pytest

from app.serde.decoder import AVAILABLE, DecoderName


@pytest.fixture(scope="session", params=AVAILABLE)
def decoder(request: pytest.FixtureRequest) -> DecoderName:
    """Each decoder of this installation; without a C compiler it has fastavro only."""
    name: DecoderName = request.param
    return name
