"""Describes a topology: as data, as text, as a mermaid flowchart. What `Topology.describe()` is to Kafka Streams."""

from app.streaming.names import dlq_topic, redrive_topic
from app.streaming.topology import Repartition, Topology

TEXT_WIDTH = 80  # of what stands behind a name


def as_data(topology: Topology) -> dict[str, object]:
    """Names only; equal for equal declarations."""
    own = [topic for topic, source in topology.sources.items() if isinstance(source, Repartition)]
    return {
        "topology": topology.name,
        "group": topology.group,
        "reads": [topic for topic in topology.sources if topic not in own],
        "repartitions": own,
        "retries": topology.retry_topics,
        "tables": {table: topology.changelog(table) for table in topology.tables},
        "writes": topology.outputs,
        "dead_letters": dlq_topic(topology.group),
        "redrives": redrive_topic(topology.group),
        "agents": [agent.__name__ for agent in topology.agents],
        "start_required": topology.start_required,
    }


def as_text(topology: Topology) -> str:
    """One name a line, lists wrapped between their parts."""
    lines = [f"topology {topology.name} (group {topology.group})"]
    for name, value in as_data(topology).items():
        if name not in {"topology", "group"}:
            first, *others = _wrapped(_parts(name, value))
            lines += [f"  {name.replace('_', ' ') + ':':<16}{first}", *[f"{'':<18}{other}" for other in others]]
    return "\n".join(lines)


def _parts(name: str, value: object) -> list[str]:
    match value:
        case bool():
            return ["yes" if value else "no"]
        case dict() if name == "retries":
            return [f"{topic} (after {_seconds(delay_ms)})" for topic, delay_ms in value.items()]
        case dict():
            return [f"{part} ({of_part})" for part, of_part in value.items()]
        case list() | tuple():
            return [str(part) for part in value]
    return [str(value)]


def _wrapped(parts: list[str]) -> list[str]:
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) < TEXT_WIDTH:
            lines[-1] += f", {part}"
        else:
            lines = [*lines[:-1], *[f"{line}," for line in lines[-1:]], part]
    return lines or ["-"]


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g} s"


def as_mermaid(topology: Topology) -> str:
    """Topics are rounded, tables are cylinders; retries are one edge back."""
    node = topology.name.replace("-", "_")
    lines = ["flowchart LR", f'  {node}["{topology.name}"]']
    for topic, source in topology.sources.items():
        name = _id(topic)
        lines.append(f'  {name}(["{topic}"]) --> {node}')
        if isinstance(source, Repartition):
            lines.append(f"  {node} --> {name}")
    lines += [f'  {node} --- {_id(table)}[("{table}")]' for table in topology.tables]
    lines += [f'  {node} --> {_id(topic)}(["{topic}"])' for topic in topology.outputs]
    delays = ", ".join(_seconds(delay) for delay in topology.retry_topics.values())
    lines += [f'  {node} -- "retry after {delays}" --> {node}']
    lines += [f'  {_id(redrive_topic(topology.group))}(["{redrive_topic(topology.group)}"]) -. redriven .-> {node}']
    lines += [f'  {node} -. dead letters .-> {_id(dlq_topic(topology.group))}(["{dlq_topic(topology.group)}"])']
    return "\n".join(lines)


def _id(name: str) -> str:
    return "n_" + name.replace("-", "_").replace(".", "_")
