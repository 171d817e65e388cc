"""Names derived from a group: the only place where they are put together."""


def group_id(topology: str) -> str:
    return f"orderflow-{topology}"


def changelog_topic(group: str, table: str) -> str:
    return f"{group}-{table}-changelog"


def repartition_topic(group: str, name: str) -> str:
    return f"{group}-{name}-repartition"


def retry_topic(group: str, delay_ms: int) -> str:
    return f"{group}-retry-{delay_ms}"


def redrive_topic(group: str) -> str:
    return f"{group}-redrive"


def dlq_topic(group: str) -> str:
    return f"{group}-dlq"
