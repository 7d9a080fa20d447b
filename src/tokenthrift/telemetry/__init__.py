"""Records as telemetry: OpenTelemetry spans and metrics, and Prometheus' text.

Sinks like the ledger: ``account_of(client).add_sink(OpenTelemetry())``. They are fed by records,
which hold no prompt text, so none can leave through them.
"""

from tokenthrift.telemetry.names import CONVENTIONS, Names, names_of
from tokenthrift.telemetry.opentelemetry_sink import OpenTelemetry
from tokenthrift.telemetry.prometheus_sink import Prometheus, prometheus_text
from tokenthrift.telemetry.speed import Speed

__all__ = [
    "CONVENTIONS",
    "Names",
    "OpenTelemetry",
    "Prometheus",
    "Speed",
    "names_of",
    "prometheus_text",
]
