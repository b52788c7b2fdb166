"""The language of `Error.Message`: English, or a Chinese sentence for the code before it (X-TC-Language)."""

from __future__ import annotations

_CHINESE = {
    "AuthFailure.InvalidAuthorization": "请求头部的 Authorization 不符合规范",
    "AuthFailure.SecretIdNotFound": "密钥不存在",
    "AuthFailure.SignatureExpire": "签名过期",
    "AuthFailure.SignatureFailure": "签名错误",
    "AuthFailure.TokenFailure": "token 错误",
    "FailedOperation": "操作失败",
    "InternalError": "内部错误",
    "InternalError.AccessDBError": "访问数据库失败",
    "InvalidAction": "接口不存在",
    "InvalidParameter": "参数错误",
    "InvalidParameterValue": "参数取值错误",
    "InvalidParameterValue.Definition": "模板不存在",
    "InvalidParameterValue.InvalidContent": "输入内容错误",
    "InvalidParameterValue.InvalidOperationType": "操作类型错误",
    "InvalidParameterValue.Limit": "Limit 取值错误",
    "InvalidParameterValue.Name": "名称错误",
    "InvalidParameterValue.NotProcessingTask": "任务不在可终止的状态",
    "InvalidParameterValue.SessionContextTooLong": "SessionContext 过长",
    "InvalidParameterValue.SessionId": "去重识别码重复，请求被去重",
    "InvalidParameterValue.SessionIdTooLong": "SessionId 过长",
    "InvalidParameterValue.SrcFile": "源文件错误",
    "InvalidParameterValue.TaskId": "任务 ID 不存在",
    "InvalidParameterValue.Type": "类型错误",
    "InvalidParameterValue.PicFormatError": "图片格式错误",
    "InvalidRequest": "请求无效",
    "LimitExceeded": "超过配额限制",
    "LimitExceeded.TooMuchTemplate": "模板数量超过限制",
    "MissingParameter": "缺少参数",
    "NoSuchVersion": "接口版本不存在",
    "RequestLimitExceeded": "请求的次数超过了频率限制",
    "RequestSizeLimitExceeded": "请求包超过限制大小",
    "ResourceNotFound": "资源不存在",
    "ResourceNotFound.CosBucketNameInvalid": "存储桶名称无效",
    "ResourceNotFound.CosBucketNotExist": "存储桶不存在",
    "UnauthorizedOperation": "未授权操作",
    "ResourceNotFound.Person": "人物不存在",
    "ResourceNotFound.TemplateNotExist": "模板不存在",
    "ResourceNotFound.Word": "关键词不存在",
    "UnknownParameter": "未知参数",
}


def localised(code: str, message: str, language: str) -> str:
    """The message as the caller wants to read it. The English part names field and rule and is always there."""
    if language != "zh-CN":
        return message
    chinese = _CHINESE.get(code) or _CHINESE.get(code.partition(".")[0])
    return f"{chinese}。{message}" if chinese else message
