"""What this installation can tell, and where to: refused at save, with the member. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.api.domain.errors import ApiError, invalid, missing
from shared.addresses import Network, literal_address, read_networks, refusal
from shared.model.pipeline import Notification, SinkType
from shared.sink_settings import EVERY_ACCOUNT, SinkSettings


@dataclass(frozen=True, slots=True)
class SinkRules:
    """`networks` may be called although they are not public; `functions` are the accounts that have one; `sqs_keys`
    says whether a subscription may come without keys; `cmq_region` whether CMQ cannot be found without a region."""

    networks: Sequence[Network] = ()
    functions: frozenset[str] = frozenset()
    sqs_keys: bool = False
    cmq_region: bool = False

    @classmethod
    def of(cls, settings: SinkSettings) -> SinkRules:
        """As the settings say, which the notifier has too."""
        return cls(
            networks=read_networks(settings.allowed_networks),
            functions=frozenset(settings.functions),
            sqs_keys=bool(settings.sqs_access_key and settings.sqs_secret_key.get_secret_value()),
            cmq_region=settings.has_cmq() and "{region}" in (settings.cmq_endpoint or ""),
        )


def check_sinks(subscriptions: Iterable[Notification], rules: SinkRules, tenant: str) -> None:
    """Returns if all of them can be told. Raises ApiError.

    An address that stands in a URL, in whatever notation, is judged here; a name only when it is called, by whatever it
    resolves to then.
    """
    more = 0
    for one in subscriptions:
        if one.subscription is None:
            _check(one, rules, tenant, "TaskNotifyConfig")
        else:
            _check(one, rules, tenant, f"Subscriptions[{more}]")
            more += 1


def _check(one: Notification, rules: SinkRules, tenant: str, field: str) -> None:
    match one.sink:
        case SinkType.HTTP:
            _check_address(one.target, rules.networks, f"{field}.NotifyUrl")
        case SinkType.FUNCTION:
            if not rules.functions & {tenant, EVERY_ACCOUNT}:
                raise invalid(f"{field}.NotifyType", "SCF needs a function for this account (REELWAY_FUNCTIONS)")
        case SinkType.SQS:
            if not one.access_id and not rules.sqs_keys:
                raise missing(f"{field}.AwsSQS.S3SecretId", "is required: no REELWAY_SQS_ACCESS_KEY is set")
        case SinkType.QUEUE:
            if rules.cmq_region and not one.region:
                raise missing(f"{field}.CmqRegion", "is required: CMQ is called by region here")


def _check_address(url: str, allowed: Sequence[Network], field: str) -> None:
    host = urlsplit(url).hostname or ""
    address = literal_address(host)
    reason = None if address is None else refusal(address, allowed)
    if reason is not None:
        raise ApiError("InvalidParameterValue", f"{field}: must not be called: {reason} (REELWAY_ALLOWED_NETWORKS)")
