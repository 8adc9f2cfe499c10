"""Ray's settings on hosts of the test bed, for the file that their shells read."""

_SETTINGS = {
    # The hosts have one memory between them: what one sees of it says nothing of its own.
    "RAY_memory_monitor_refresh_ms": 0,
    "RAY_worker_niceness": 0,
    # A lost host is one that was asked five times in vain: 20 s, in place of a minute.
    "RAY_health_check_period_ms": 1_000,
    "RAY_health_check_timeout_ms": 3_000,
    # A host without a head ends its Ray after so long, in place of a minute.
    "RAY_gcs_rpc_server_reconnect_timeout_s": 20,
}

EXPORTS = "".join(f"export {name}={value}\n" for name, value in _SETTINGS.items())
"""Lines of a shell."""
