"""Running a topology as a Faust app: Faust holds app, agents, services, web, membership and assignment.

Its data plane is replaced through its own extension points (`faust.transports`, `faust.stores`, the settings classes);
every private name of Faust or aiokafka that this touches stands in `private`.
"""
