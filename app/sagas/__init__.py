"""The saga core: long flows that go forward step by step, or back. Pure, and it knows no order."""
