"""Actions of the contract that this server does not have, and why. The registry has the others."""

from __future__ import annotations

from collections.abc import Mapping

_REASONS: Mapping[str, str] = {
    "planned: it belongs to a node that does not exist yet": """
        CreateBlindWatermarkTemplate DeleteBlindWatermarkTemplate DescribeBlindWatermarkTemplates
        ModifyBlindWatermarkTemplate ExtractBlindWatermark WithdrawsWatermark
        CreateSmartSubtitleTemplate DeleteSmartSubtitleTemplate DescribeSmartSubtitleTemplates
        ModifySmartSubtitleTemplate CreateSmartEraseTemplate DeleteSmartEraseTemplate DescribeSmartEraseTemplates
        ModifySmartEraseTemplate CreateSubtitleEmbedTemplate DeleteSubtitleEmbedTemplate
        DescribeSubtitleEmbedTemplates ModifySubtitleEmbedTemplate
        CreateAsrHotwords DeleteAsrHotwords DescribeAsrHotwords DescribeAsrHotwordsList ModifyAsrHotwords
        """,
    "planned: cutting and joining is no node yet; `HeadTailParameter` of a transcode puts clips around a film": """
        EditMedia
        """,
    "a batch is one task per file here: ProcessMedia for each, or `reelway pipelines process` for a whole prefix": """
        BatchProcessMedia DescribeBatchTaskDetail
        """,
    "it tells what Tencent Cloud charges; nothing is charged here": "DescribeUsageData",
    "live streams: Reelway works on files": """
        ProcessLiveStream ParseLiveStreamProcessNotification CreateLiveRecordTemplate DeleteLiveRecordTemplate
        DescribeLiveRecordTemplates ModifyLiveRecordTemplate
        """,
    "StreamLink, another product for live streams": """
        BatchDeleteStreamLinkFlow BatchStartStreamLinkFlow BatchStopStreamLinkFlow CreateStreamLinkEvent
        CreateStreamLinkFlow CreateStreamLinkInput CreateStreamLinkOutputInfo CreateStreamLinkSecurityGroup
        DeleteStreamLinkEvent DeleteStreamLinkFlow DeleteStreamLinkOutput DeleteStreamLinkSecurityGroup
        DescribeGroupAttachFlowsById DescribeStreamLinkActivateState DescribeStreamLinkEvent
        DescribeStreamLinkEventAttachedFlows DescribeStreamLinkEvents DescribeStreamLinkFlow
        DescribeStreamLinkFlowLogs DescribeStreamLinkFlowMediaStatistics DescribeStreamLinkFlowRealtimeStatus
        DescribeStreamLinkFlowSRTStatistics DescribeStreamLinkFlowStatistics DescribeStreamLinkFlows
        DescribeStreamLinkRegions DescribeStreamLinkSecurityGroups DisassociateSecurityGroup ModifyStreamLinkEvent
        ModifyStreamLinkFlow ModifyStreamLinkInput ModifyStreamLinkOutputInfo ModifyStreamLinkSecurityGroup
        StartStreamLinkFlow StopStreamLinkFlow
        """,
    "StreamPackage and SSAI, other products for channels and advertisements": """
        ActivateSSAI ActivateStreamPackage CreateStreamPackageLinearAssemblyChannel
        CreateStreamPackageLinearAssemblyProgram CreateStreamPackageSSAIChannel CreateStreamPackageSource
        CreateStreamPackageSourceLocation DeleteStreamPackageLinearAssemblyChannel
        DeleteStreamPackageLinearAssemblyChannels DeleteStreamPackageLinearAssemblyProgram
        DeleteStreamPackageLinearAssemblyPrograms DeleteStreamPackageLinearAssemblyProgramsByChannel
        DeleteStreamPackageSSAIChannel DeleteStreamPackageSource DeleteStreamPackageSourceLocation
        DescribeSSAIActivateState DescribeStreamPackageActivateState DescribeStreamPackageLinearAssemblyChannel
        DescribeStreamPackageLinearAssemblyChannelAlerts DescribeStreamPackageLinearAssemblyChannels
        DescribeStreamPackageLinearAssemblyProgram DescribeStreamPackageLinearAssemblyProgramSchedules
        DescribeStreamPackageLinearAssemblyPrograms DescribeStreamPackageLinearAssemblyUsage
        DescribeStreamPackageSSAIChannel DescribeStreamPackageSSAIChannels DescribeStreamPackageSSAIUsage
        DescribeStreamPackageSource DescribeStreamPackageSourceAlerts DescribeStreamPackageSourceLocation
        DescribeStreamPackageSourceLocations DescribeStreamPackageSources ModifyStreamPackageLinearAssemblyChannel
        ModifyStreamPackageLinearAssemblyProgram ModifyStreamPackageSSAIChannel ModifyStreamPackageSource
        ModifyStreamPackageSourceLocation StartStreamPackageLinearAssemblyChannel
        StopStreamPackageLinearAssemblyChannel
        """,
    "pictures that are no film: another product": """
        CreateProcessImageTemplate DeleteProcessImageTemplate DescribeProcessImageTemplates
        ModifyProcessImageTemplate ProcessImage DescribeImageTaskDetail DescribeImageTasks
        """,
    "makes media, voices or texts with Tencent Cloud's models, which cannot be had": """
        ChangeVoice CloneViral CloneVoice CreateAgentRecordTask CreateAiDramaTask CreateAiFissionTask
        CreateAigcAudioTask CreateAigcImageTask CreateAigcVideoTask CreateDocToVideoTask CreateVideoRedrawTask
        DeleteVoice DescribeAgentRecordTask DescribeAigcAudioTask DescribeAigcImageTask DescribeAigcTaskList
        DescribeAigcTaskStatus DescribeAigcVideoTask DescribeCloneViralTask DescribeDesignTask
        DescribeTextToSpeechAsyncTask DescribeVoices DesignVoiceAsync ModifyDocToVideoTaskStatus
        QueryHunyuan3DTask SubmitHunyuan3DTask SyncDubbing TextToSpeech TextToSpeechAsync TextTranslation
        UpdateVoice
        """,
    "looks into media with Tencent Cloud's models, which cannot be had": """
        CreateMediaEvaluation CreateVideoDatabaseEntryTask CreateVideoSearchTask
        DescribeVideoDatabaseEntryTaskDetail DescribeVideoSearchTaskDetail DetectVideoSubtitleArea
        DetectVideoWatermark EmbeddingData RecognizeAudio RecognizeMediaForZhiXue
        """,
    "belongs to Tencent Cloud's own console and accounts": """
        CreateProject DeleteProject DescribeMDPMPSUserInfo ExecuteFunction QueryProject UpdateProject
        """,
}

NOT_IMPLEMENTED: Mapping[str, str] = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""By action, why it is not there."""
