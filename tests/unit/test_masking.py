"""What is shown of a URL that may hold a password."""

import pytest

from app.masking import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://registry:8081", "https://registry:8081"),
        ("https://orderflow:hush@registry:8081/base", "https://***@registry:8081/base"),
        ("http://orderflow:hush@hush@registry", "http://***@registry"),
        ("http://orderflow:@hush@@registry/a@b", "http://***@registry/a@b"),
        ("https://pager/alerts@night?to=a@b#c@d", "https://pager/alerts@night?to=a@b#c@d"),
    ],
)
def test_all_before_the_last_at_sign_of_who_asks_whom_is_masked(url: str, shown: str) -> None:
    assert without_password(url) == shown
