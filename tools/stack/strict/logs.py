"""Logs as Lambda's advanced logging controls say.

ministack keeps a function's `LoggingConfig`, and uses its log group alone. Lambda sets the format, and with JSON the level, in the
function's environment, and leaves out the platform's lines that are below the system log level: with WARN those of the
start, the end and the report of an invocation. Source: AWS Lambda Developer Guide, "Configuring advanced logging controls for Lambda
functions" and "Log-level filtering".
"""

import threading

# The lines that ministack writes around those of an invocation. Their level is INFO, or DEBUG.
PLATFORM_LINES = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
LEVELS_WITHOUT_PLATFORM_LINES = ("WARN", "ERROR")


def apply(lambda_svc, cloudwatch_logs):
    environment = lambda_svc._runtime_env_vars
    emit = lambda_svc._emit_lambda_logs
    append = cloudwatch_logs._append_log_events
    fan_out = cloudwatch_logs._fanout_to_subscription_filters
    invocation = threading.local()

    def runtime_env_vars(config):
        return {**environment(config), **log_variables(config)}

    def emit_lambda_logs(function, *more, **named):
        invocation.leaves_out = leaves_out_platform_lines(function.get("config") or function)
        try:
            emit(function, *more, **named)
        finally:
            invocation.leaves_out = False

    def written(events):
        if not getattr(invocation, "leaves_out", False):
            return events
        return [event for event in events if not event["message"].startswith(PLATFORM_LINES)]

    lambda_svc._runtime_env_vars = runtime_env_vars
    lambda_svc._emit_lambda_logs = emit_lambda_logs
    cloudwatch_logs._append_log_events = lambda stream, events: append(stream, written(events))
    cloudwatch_logs._fanout_to_subscription_filters = lambda group, stream, events: fan_out(group, stream, written(events))


def log_variables(config):
    logging = config.get("LoggingConfig") or {}
    log_format = logging.get("LogFormat", "Text")
    if log_format != "JSON":
        return {"AWS_LAMBDA_LOG_FORMAT": log_format}
    return {"AWS_LAMBDA_LOG_FORMAT": log_format, "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", "INFO")}


def leaves_out_platform_lines(config):
    logging = config.get("LoggingConfig") or {}
    return logging.get("LogFormat") == "JSON" and logging.get("SystemLogLevel") in LEVELS_WITHOUT_PLATFORM_LINES
