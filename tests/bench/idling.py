"""The memory of a service that is ready and has nothing to do."""

import sys

import psutil

from deploy.local import services, stack
from deploy.local.processes import HOST, free_port
from tests.bench.measure import Comparison, Context

__all__ = ["measure"]

SERVICE = "vendor"
MEGABYTES_MAX = 120.0


def measure(context: Context) -> list[Comparison]:
    """Resident megabytes of the vendor service and its children, once it says that it is ready; a start per round."""
    running = context.running
    dsn = stack.provision(running, [SERVICE])[SERVICE]
    stack.topics(running)
    comparison = Comparison("memory of one idle service", "MB", 1.0, "lower")
    context.advance()
    for _ in range(context.rounds):
        port = free_port()
        pid = stack.spawn(
            running.name,
            SERVICE,
            [sys.executable, "-m", "services.cli", "run", SERVICE, "--migrate"],
            services.environment(running, SERVICE, dsn, port),
            address=f"{HOST}:{port}",
        )
        try:
            services.wait_ready(running, SERVICE, f"http://{HOST}:{port}")
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            comparison.add(sum(one.memory_info().rss for one in family) / 1e6, MEGABYTES_MAX)
        finally:
            stack.stop_process(running.name, SERVICE)
        context.advance()
    return [comparison]
