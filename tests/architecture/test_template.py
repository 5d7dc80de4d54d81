"""The template matches the code, and all resources follow the same rules."""

import json
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import pytest

from ai_buddy import sockets
from supermarket import telemetry
from supermarket.config import Settings, settings
from supermarket.websocket import SocketAction
from support.domains import domains, endpoints, listener_lambdas
from support.template import (
    TEMPLATE,
    functions,
    resources,
    routes_of_functions,
    template,
    transformed,
)

FUNCTIONS = functions()
TABLES = resources("AWS::DynamoDB::Table")
QUEUES = resources("AWS::SQS::Queue")
RULES = resources("AWS::Events::Rule")
HOLD_MONEY_OR_PEOPLE = {
    *("UserTable", "ProductTable", "OrderTable", "PaymentTable", "LedgerTable", "AuditTable"),
    "InventoryTable",  # and goods
    "SecondFactorTable",
}
APPEND_ONLY = ("LedgerTable", "AuditTable")

ANY_RESOURCE = {
    (
        "SendMails",
        "ses:SendEmail",
    ): "the sender may be verified as address or as domain",
    (
        "ReleaseExpiredReservations",
        "cloudwatch:GetMetricData",
    ): "metrics are no resources of CloudWatch",
}
NAMED_WITHOUT_STAGE = {
    ("AWS::CloudWatch::Alarm", "MetricName"): "the name of the watched metric",
    ("AWS::ApiGatewayV2::Stage", "StageName"): "unique within its API",
    (
        "AWS::Lambda::LayerVersion",
        "LayerName",
    ): "each version has its own ARN and belongs to one stage",
}
STREAM_KEEPS_SECONDS = 24 * 60 * 60
TIMES_THE_TIMEOUT = 6  # AWS's advice for the visibility timeout of a queue that a Lambda reads


def pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def handler_of(name: str) -> Any:
    module, function = FUNCTIONS[name]["Handler"].rsplit(".", 1)
    return getattr(import_module(module), function)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_can_be_imported_and_called(name: str) -> None:
    assert callable(handler_of(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_same_name_in_template_and_code(name: str) -> None:
    domain, room, function = FUNCTIONS[name]["Handler"].split(".")
    assert domain in domains()
    assert name == (pascal(domain) if room == "listeners" else "") + pascal(function)


@pytest.mark.parametrize("name", routes_of_functions())
def test_a_function_has_the_routes_of_its_endpoint(name: str) -> None:
    routes = set(handler_of(name).routes)
    heads = {key.replace("GET", "HEAD", 1) for key in routes if key.startswith("GET ")}
    assert routes_of_functions()[name] == routes | heads


def test_every_endpoint_and_every_listener_is_deployed() -> None:
    deployed = {function["Handler"] for function in FUNCTIONS.values()}
    written = {*endpoints(), *listener_lambdas()}
    assert written - deployed == set()
    by_themselves = {"jobs", "streams", "feedback", "sockets", "worker"}  # no client and no rule
    assert {h for h in deployed if h.split(".")[1] not in by_themselves} == written


def test_every_action_of_the_socket_is_deployed_under_its_name() -> None:
    [api] = resources("AWS::Serverless::WebSocketApi").values()
    routes = {key: _id(route["FunctionArn"]) for key, route in api["Routes"].items()}
    lifecycle = {"$connect": "ConnectSocket", "$disconnect": "DisconnectSocket"}
    actions = {
        value.action: pascal(name)
        for name, value in vars(sockets).items()
        if isinstance(value, SocketAction)
    }
    assert routes == lifecycle | actions
    assert api["RouteSelectionExpression"] == "$request.body.action"


def test_the_turn_worker_has_the_configured_name() -> None:
    worker = FUNCTIONS["RunTurn"]
    named = worker["FunctionName"]["Fn::Sub"].replace("${Stage}", settings().stage)
    assert named == settings().turn_worker
    attempts = worker["EventInvokeConfig"]
    assert attempts["MaximumRetryAttempts"] == 1  # it reports that the first attempt failed
    assert attempts["MaximumEventAgeInSeconds"] > 2 * worker["Timeout"] + 60


def test_costly_routes_have_a_request_limit() -> None:
    """The public routes that hash passwords, send mails or call every dependency."""
    [http] = resources("AWS::Serverless::HttpApi").values()
    [socket] = resources("AWS::Serverless::WebSocketApi").values()
    everything = {
        "ThrottlingRateLimit": {"Ref": "RequestsPerSecond"},
        "ThrottlingBurstLimit": {"Ref": "RequestBurst"},
    }
    assert http["DefaultRouteSettings"] == socket["DefaultRouteSettings"] == everything
    usual = template()["Parameters"]["RequestsPerSecond"]["Default"]
    for route, limits in http["RouteSettings"].items():
        assert 0 < limits["ThrottlingRateLimit"] < limits["ThrottlingBurstLimit"] < usual, route
    costly = {name for name in routes_of_functions() if _hashes_passwords(name)}
    costly |= {"ForgotPassword", "ResendVerification"}
    costly |= {"CheckReadiness"}  # calls every dependency
    assert http["RouteSettings"].keys() == {
        route for name in costly for route in routes_of_functions()[name]
    }


def test_a_backlog_of_events_takes_few_lambdas_from_customers() -> None:
    """An account has 1,000 Lambdas at the same time; without a limit, a queue takes all of them."""
    limits = {
        name: event["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency")
        for name, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "SQS"
    }
    assert len(limits) >= 7
    assert all(limits.values()), f"without a limit: {limits}"
    assert sum(limits.values()) <= 100


def test_concurrency_can_be_reserved_for_what_must_not_wait_and_is_not_by_default() -> None:
    """A new account has no more than Lambda leaves unreserved: a deployment would fail."""
    reserved = {
        "ReceiveWebhook": "Webhook",
        "VerifyPayment": "Verify",
        "RelayOutbox": "Relay",
        "ReleaseExpiredReservations": "Expiry",
    }
    for name, prefix in reserved.items():
        parameter = f"{prefix}Concurrency"
        if_reserved = [f"Reserves{prefix}", {"Ref": parameter}, {"Ref": "AWS::NoValue"}]
        assert FUNCTIONS[name]["ReservedConcurrentExecutions"] == {"Fn::If": if_reserved}
        is_zero = {"Fn::Equals": [{"Ref": parameter}, 0]}
        assert template()["Conditions"][f"Reserves{prefix}"] == {"Fn::Not": [is_zero]}
        assert template()["Parameters"][parameter]["Default"] == 0


def test_no_two_functions_take_the_same_route() -> None:
    routes = [route for found in routes_of_functions().values() for route in found]
    assert len(routes) == len(set(routes))


def test_every_setting_comes_from_the_template() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert {name.upper() for name in Settings.model_fields} <= variables.keys()


def test_razorpays_secrets_can_be_rotated_by_a_deployment() -> None:
    kept = resources("AWS::SecretsManager::Secret")["RazorpayKeys"]["SecretString"]["Fn::Sub"]
    assert json.loads(kept) == {
        "keyId": "${RazorpayKeyId}",
        "keySecret": "${RazorpayKeySecret}",
        "webhookSecret": "${RazorpayWebhookSecret}",
        "previousWebhookSecret": "${RazorpayPreviousWebhookSecret}",
    }
    assert template()["Parameters"]["RazorpayPreviousWebhookSecret"]["Default"] == ""


def test_secret_parameters_are_hidden_and_safe_in_json() -> None:
    parameters = template()["Parameters"].items()
    secrets = {name for name, parameter in parameters if parameter.get("NoEcho")}
    assert secrets == {name for name, _ in parameters if name.endswith(("Key", "Secret", "KeyId"))}
    for name in secrets:
        assert not re.fullmatch(template()["Parameters"][name]["AllowedPattern"], 'a"b'), name


def test_all_functions_have_the_same_logging_and_tracing() -> None:
    common = template()["Globals"]["Function"]
    assert common["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": "Logs"}}
    assert common["Tracing"] == "Active"
    assert not [n for n, own in FUNCTIONS.items() if {"LoggingConfig", "Tracing"} & own.keys()]
    assert resources("AWS::Logs::LogGroup")["Logs"]["RetentionInDays"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_billed_by_use_and_can_be_restored(name: str) -> None:
    assert TABLES[name]["BillingMode"] == "PAY_PER_REQUEST"
    assert TABLES[name]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_name_contains_the_stage(name: str) -> None:
    table = name.removesuffix("Table").lower()
    assert TABLES[name]["TableName"] == {"Fn::Sub": f"supermarket-${{Stage}}-{table}"}


def test_deployments_may_expand_nested_stacks() -> None:
    settings_of_sam = tomllib.loads(TEMPLATE.with_name("samconfig.toml").read_text())
    assert template()["Resources"]["EventSchemas"]["Type"] == "AWS::CloudFormation::Stack"
    for stage in ("dev", "prod"):
        capabilities = settings_of_sam[stage]["deploy"]["parameters"]["capabilities"]
        assert "CAPABILITY_AUTO_EXPAND" in capabilities, stage


def test_resource_names_contain_the_stage() -> None:
    alike = {
        (resource["Type"], key)
        for resource in transformed()["Resources"].values()
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and not _is_reference(value) and "${Stage}" not in str(value)
    }
    assert alike == NAMED_WITHOUT_STAGE.keys()


def test_tables_with_money_or_personal_data_are_retained_except_on_failed_creation() -> None:
    kept = {
        name
        for name in TABLES
        if template()["Resources"][name].get("DeletionPolicy") == "RetainExceptOnCreate"
        and template()["Resources"][name].get("UpdateReplacePolicy") == "Retain"
        and TABLES[name].get("DeletionProtectionEnabled")
        == {"Fn::If": ["IsProtected", True, False]}
    }
    assert kept == HOLD_MONEY_OR_PEOPLE
    policies = {resource.get("DeletionPolicy") for resource in template()["Resources"].values()}
    assert policies == {None, "RetainExceptOnCreate"}


def test_the_archive_is_retained_except_on_failed_creation() -> None:
    archive = template()["Resources"]["BusArchive"]
    assert archive["DeletionPolicy"] == "RetainExceptOnCreate"
    assert archive["UpdateReplacePolicy"] == "Retain"


def test_deletion_protection_is_on_by_default() -> None:
    protection = template()["Parameters"]["DeletionProtection"]
    assert (protection["Default"], protection["AllowedValues"]) == ("true", ["true", "false"])
    protected = template()["Conditions"]["IsProtected"]
    assert protected == {"Fn::Equals": [{"Ref": "DeletionProtection"}, "true"]}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_retries_and_keeps_what_it_cannot_deliver(name: str) -> None:
    assert RULES[name]["EventBusName"] == {"Ref": "Bus"}
    for target in RULES[name]["Targets"]:
        assert _id(target["DeadLetterConfig"]["Arn"]) in QUEUES
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


def test_the_bus_may_write_to_all_its_target_queues() -> None:
    policy = resources("AWS::SQS::QueuePolicy")["QueuesTakeEvents"]
    targets = [target for rule in RULES.values() for target in rule["Targets"]]
    needed = {_id(t["Arn"]) for t in targets} | {_id(t["DeadLetterConfig"]["Arn"]) for t in targets}
    assert {queue["Ref"] for queue in policy["Queues"]} == needed


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_has_a_dead_letter_queue_or_is_one(name: str) -> None:
    redrive = QUEUES[name].get("RedrivePolicy")
    if redrive is None:
        assert name in _dead_letter_queues()
    else:
        assert QUEUES[_id(redrive["deadLetterTargetArn"])].get("RedrivePolicy") is None
        assert redrive["maxReceiveCount"] >= 3


def test_a_visibility_timeout_is_six_times_the_lambda_timeout() -> None:
    timeout = template()["Globals"]["Function"]["Timeout"]
    for name, event in _events("SQS"):
        queue = QUEUES[_id(event["Queue"])]
        own = FUNCTIONS[name].get("Timeout", timeout)
        assert queue["VisibilityTimeout"] >= TIMES_THE_TIMEOUT * own, name


def test_batches_report_their_failures_one_by_one() -> None:
    batches = [*_events("SQS"), *_events("DynamoDB")]
    assert batches
    for name, event in batches:
        assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_a_stream_has_a_retry_limit_and_a_failure_destination() -> None:
    for name, event in _events("DynamoDB"):
        by_attempts = event["MaximumRetryAttempts"] > 0
        by_age = 0 < event.get("MaximumRecordAgeInSeconds", -1) < STREAM_KEEPS_SECONDS
        assert by_attempts or by_age, name
        assert event["DestinationConfig"]["OnFailure"]["Type"] == "SQS", name


def test_a_stream_retries_by_age_and_not_by_attempts() -> None:
    retry_seconds = {"RelayOutbox": 6 * 3600, "WatchStock": 12 * 3600, "CloseConnections": 900}
    for name, event in _events("DynamoDB"):
        assert event["BisectBatchOnFunctionError"], name
        # attempts do not limit the time: each follows the failure of the last one at once
        assert event["MaximumRetryAttempts"] == -1, name
        assert event["MaximumRecordAgeInSeconds"] == retry_seconds[name], name


def test_every_dead_letter_queue_has_an_alarm() -> None:
    watched = {
        _id(alarm["Dimensions"][0]["Value"]): alarm
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    assert watched.keys() == _dead_letter_queues()
    for alarm in watched.values():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 0)


def test_every_event_queue_has_an_alarm_for_old_messages() -> None:
    watched = {
        _id(alarm["Dimensions"][0]["Value"]): alarm
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
    }
    assert watched.keys() == {_id(t["Arn"]) for rule in RULES.values() for t in rule["Targets"]}
    for name, alarm in watched.items():
        assert 1800 <= alarm["Threshold"] <= QUEUES[name]["MessageRetentionPeriod"] / 2
        assert (alarm["Statistic"], alarm["AlarmActions"]) == ("Maximum", [{"Ref": "Alarms"}])


def test_alarms_on_our_own_metrics_have_their_dimension() -> None:
    service = template()["Globals"]["Function"]["Environment"]["Variables"][
        "POWERTOOLS_SERVICE_NAME"
    ]
    alarms = resources("AWS::CloudWatch::Alarm").values()
    own = [alarm for alarm in alarms if alarm["Namespace"] == telemetry.metrics.namespace]
    assert own
    for alarm in own:
        assert alarm["Dimensions"] == [{"Name": "service", "Value": service}]


def test_logged_errors_have_an_alarm() -> None:
    [errors] = resources("AWS::Logs::MetricFilter").values()
    [counted] = errors["MetricTransformations"]
    assert errors["LogGroupName"] == template()["Globals"]["Function"]["LoggingConfig"]["LogGroup"]
    metric = (counted["MetricNamespace"], counted["MetricName"])
    [alarm] = (
        alarm
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if (alarm["Namespace"], alarm["MetricName"]) == metric
    )
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 0)
    assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]


def test_a_delayed_schedule_event_expires_within_an_hour() -> None:
    for name, event in _events("ScheduleV2"):
        assert event["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 3600, name


def test_no_policy_allows_an_action_by_pattern() -> None:
    for name, statement in _statements():
        for action in _listed(statement["Action"]):
            assert "*" not in action, name


def test_any_resource_is_allowed_only_with_a_reason() -> None:
    found = {
        (name, action)
        for name, statement in _statements()
        if "*" in _listed(statement["Resource"])
        for action in _listed(statement["Action"])
    }
    assert found == ANY_RESOURCE.keys()


def test_no_function_scans_a_table() -> None:
    for name, statement in _statements():
        assert "dynamodb:Scan" not in _listed(statement["Action"]), name


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_append_only_tables_allow_only_puts_and_reads(table: str) -> None:
    """A put could replace a row, and IAM has no condition against that: the code has one, tested by
    `test_an_entry_is_never_replaced` and `test_an_audit_entry_is_never_replaced`.
    """
    allowed = {
        action
        for _, statement in _statements()
        if any(table in str(resource) for resource in _listed(statement["Resource"]))
        for action in _listed(statement["Action"])
    }
    assert "dynamodb:PutItem" in allowed
    assert allowed <= {"dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query"}


def test_functions_that_authenticate_may_read_sessions_and_public_keys() -> None:
    for name in routes_of_functions():
        endpoint = handler_of(name)
        if any("Caller" in str(hint) for hint in endpoint.function.__annotations__.values()):
            for table in ("SignInTable", "KeyTable"):
                assert _allows(name, "dynamodb:BatchGetItem", table), (name, table)


def test_only_functions_that_sign_people_in_can_sign_tokens() -> None:
    """No other function can read the private key, or publish a key of its own."""
    signing = {
        name
        for name in routes_of_functions()
        if "SignInResponse" in str(handler_of(name).function.__annotations__["return"])
    }
    assert {"Login", "Register", "RefreshSession"} <= signing
    read, replace = (f"secretsmanager:{verb}SecretValue" for verb in ("Get", "Put"))
    assert {name for name in FUNCTIONS if _allows(name, read, "SigningKey")} == signing
    assert {name for name in FUNCTIONS if _allows(name, replace, "SigningKey")} == {"RotateKeys"}
    for write in ("PutItem", "UpdateItem", "BatchWriteItem", "DeleteItem"):
        writers = {name for name in FUNCTIONS if _allows(name, f"dynamodb:{write}", "KeyTable")}
        assert writers <= signing | {"RotateKeys"}, write


def test_only_auth_may_read_or_write_second_factors() -> None:
    for action in ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"):
        found = {n for n in FUNCTIONS if _allows(n, f"dynamodb:{action}", "SecondFactorTable")}
        assert all(FUNCTIONS[name]["Handler"].startswith("auth.") for name in found), action


def test_cursors_have_keys_of_their_own() -> None:
    read = "secretsmanager:GetSecretValue"
    cursors, tokens = (
        {name for name in FUNCTIONS if _allows(name, read, secret)}
        for secret in ("CursorKeys", "SigningKey")
    )
    assert cursors
    assert not cursors & tokens


def _allows(name: str, action: str, resource: str) -> bool:
    """Return whether a function's role allows an action on a resource of the template."""
    shared = resources("AWS::IAM::ManagedPolicy")
    policies = FUNCTIONS[name].get("Policies", [])
    return any(
        fnmatchcase(action, allowed) and fnmatchcase(f"arn:{resource}", _pattern(arn))
        for policy in policies
        for statement in (shared[policy["Ref"]]["PolicyDocument"] if "Ref" in policy else policy)[
            "Statement"
        ]
        for allowed in _listed(statement["Action"])
        for arn in _listed(statement["Resource"])
    )


def _pattern(arn: Any) -> str:
    """Return the resources of a statement, as `arn:UserTable` or `arn:UserTable/index/*`."""
    match arn:
        case {"Fn::GetAtt": str(attribute)}:
            return f"arn:{attribute.partition('.')[0]}"
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{(\w+)\.\w+\}", r"arn:\1", text)
        case _:
            return str(arn)


def _events(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == kind:
                yield name, event["Properties"]


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role, also of the shared policies."""
    for name, function in FUNCTIONS.items():
        for policy in function.get("Policies", []):
            yield from ((name, statement) for statement in policy.get("Statement", []))
    for name, policy in resources("AWS::IAM::ManagedPolicy").items():
        yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])


def _dead_letter_queues() -> set[str]:
    redrives = [queue["RedrivePolicy"] for queue in QUEUES.values() if "RedrivePolicy" in queue]
    targets = [target for rule in RULES.values() for target in rule["Targets"]]
    return {
        *(_id(redrive["deadLetterTargetArn"]) for redrive in redrives),
        *(_id(target["DeadLetterConfig"]["Arn"]) for target in targets),
    }


def _hashes_passwords(name: str) -> bool:
    """Whether it is a function of auth with the memory of a whole processor."""
    function = FUNCTIONS[name]
    return bool(function["Handler"].startswith("auth.") and function.get("MemorySize", 0) >= 1769)


def _is_reference(value: Any) -> bool:
    """Whether the value refers to another resource."""
    return isinstance(value, dict) and not value.keys().isdisjoint({"Ref", "Fn::GetAtt"})


def _id(arn: dict[str, str]) -> str:
    """Return the resource of an ARN: `OrderQueue` for `!GetAtt OrderQueue.Arn`."""
    return arn["Fn::GetAtt"].partition(".")[0]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
