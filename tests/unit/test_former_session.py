"""When the former session of a killed broker counts as ended, by what the controller tells."""

import pytest

from app.embedded.former_session import is_fenced

REGISTERED = (
    "Replayed initial RegisterBrokerRecord for broker 1: RegisterBrokerRecord(brokerId=1, fenced=true, rack='')"
)
UNFENCED = (
    "modifying the registration for broker 1: BrokerRegistrationChangeRecord(brokerId=1, brokerEpoch=2, fenced=-1)"
)
UNCHANGED = (
    "modifying the registration for broker 1: BrokerRegistrationChangeRecord(brokerId=1, brokerEpoch=2, fenced=0)"
)
ACTIVE = "Becoming the active controller at epoch 2, next write offset 16."
FENCING = "Fencing broker 1 at epoch 2 because its session has timed out."
FENCED = "modifying the registration for broker 1: BrokerRegistrationChangeRecord(brokerId=1, brokerEpoch=2, fenced=1)"


@pytest.mark.parametrize(
    ("told", "fenced"),
    [
        ([], False),
        ([REGISTERED], False),
        ([ACTIVE], True),
        ([REGISTERED, ACTIVE], True),
        ([REGISTERED, UNFENCED, UNCHANGED, ACTIVE], False),
        ([REGISTERED, UNFENCED, ACTIVE, FENCING], False),
        ([REGISTERED, UNFENCED, UNCHANGED, ACTIVE, FENCING, FENCED], True),
        ([REGISTERED, UNFENCED, FENCED, UNFENCED, ACTIVE], False),
    ],
)
def test_a_session_has_ended_once_the_active_controller_has_its_fencing_on_disk(
    told: list[str],
    fenced: bool,
) -> None:
    assert is_fenced("\n".join(told)) is fenced
