"""The root of every error Reelway raises.

ReelwayError
├── shared.ports.state.StateError                            the state store
│   ├── DuplicateKey, StateUnavailable
│   └── shared.state.repository.Contention, BrokenDocument
├── shared.ports.objects.ObjectError                         object storage
│   └── ObjectNotFound, ObjectChanged, ObjectAccessDenied, ObjectsUnavailable
├── shared.adapters.state_url.BadStateUrl                    REELWAY_STATE_URL names no store
├── shared.adapters.aws.AwsError                             a call of AWS failed
│   └── AwsRefused, AwsUnavailable
├── shared.bus.errors.BusUnavailable                         the bus does not answer
├── shared.messages.codec.MessageError                       a message that cannot be understood
├── shared.conditions.errors.ExpressionError                 a condition that cannot be read or never be answered
├── shared.model.graph.GraphError                            nodes that are no graph
├── shared.model.failure.NodeError                           a node failed (classes of the contract's ErrCodeExt)
│   ├── InvalidInput, SourceFileError, InternalError
│   ├── services.workers.media.process.OutputTooLarge        an InvalidInput
│   └── services.workers.media.process.ProcessTimeout (CpuExceeded),
│       services.workers.scratch.ScratchFull                 each an InternalError
├── shared.state.templates.TemplateError                     a tenant's template cannot be had, made or changed
│   ├── TemplateNotFound, SystemTemplate
│   └── TooManyTemplates, TemplateTooLarge
├── shared.state.samples.SampleError                         a tenant's word or person cannot be had, made or changed
│   └── SampleNotFound, TooManySamples
├── shared.mps.naming.NamingError                            an output path that cannot be used
├── shared.mps.presets.catalogue.UnknownTemplate             a template that does not exist
├── shared.mps.presets.catalogue.TemplateMisfit              parameters that do not fit the template they name
├── services.api.domain.errors.ApiError                      what a caller of the API did wrong
├── services.api.saving.NameTaken                            the tenant has a pipeline of this name already
├── services.api.photos.UnusablePhoto                        what was sent is no photo that can be kept
├── services.api.domain.problems.Problem                     what a caller of the REST interface did wrong
├── services.api.domain.access.RoleTooLow                    the caller's role is not enough
├── services.api.rates.RateExceeded                          too many calls within a second
├── services.api.domain.access.WritesUndeclared              a call that only reads wanted to write
├── shared.sealing.SealError                                 something sealed that cannot be opened
├── services.local.errors.LocalError                         what can stop the launcher; its tree is there
├── services.notifier.sinks.checked_network.AddressRefused   a callback may not go to this address
├── services.notifier.sinks.calls.NoAnswer                   nobody answered a POST
├── services.workers.media.dash.NotIndexed                   a file has no index of its segments
└── services.workers.nodes.errors.UnknownKind                nobody has registered a node kind of this name
"""

from __future__ import annotations

from typing import ClassVar


class ReelwayError(Exception):
    """Something in Reelway went wrong.

    `code` is stable and may be matched by programs; `retryable` says whether the same call may succeed later
    without anybody changing anything.
    """

    code: ClassVar[str] = "reelway"
    retryable: ClassVar[bool] = False
