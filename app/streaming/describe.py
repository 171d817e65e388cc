"""Describes a topology: as data, as text, as a mermaid flowchart. What `Topology.describe()` is to Kafka Streams."""

from app.streaming.names import dlq_topic
from app.streaming.topology import Repartition, Topology


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
        "agents": [agent.__name__ for agent in topology.agents],
        "start_required": topology.start_required,
    }


def as_text(topology: Topology) -> str:
    lines = [f"topology {topology.name} (group {topology.group})"]
    for name, value in as_data(topology).items():
        if name not in {"topology", "group"}:
            parts = [f"{k} ({v})" for k, v in value.items()] if isinstance(value, dict) else value
            shown = ", ".join(map(str, parts)) if isinstance(parts, list) else str(parts)
            lines.append(f"  {name.replace('_', ' ') + ':':<16}{shown or '-'}")
    return "\n".join(lines)


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
    delays = ", ".join(f"{delay / 1000:g} s" for delay in topology.retry_topics.values())
    lines += [f'  {node} -- "retry after {delays}" --> {node}']
    lines += [f'  {node} -. dead letters .-> {_id(dlq_topic(topology.group))}(["{dlq_topic(topology.group)}"])']
    return "\n".join(lines)


def _id(name: str) -> str:
    return "n_" + name.replace("-", "_").replace(".", "_")
