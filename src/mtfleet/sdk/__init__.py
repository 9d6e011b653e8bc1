"""The Python SDK: `MetaApi` and everything that hangs off it. Its modules are private; this is all that is
public."""

import logging

from mtfleet.sdk._account import ConfigurationLink, MetatraderAccount
from mtfleet.sdk._account_api import MetatraderAccountApi
from mtfleet.sdk._client import MetaApi
from mtfleet.sdk._exceptions import (
    ApiException,
    ConflictException,
    ForbiddenException,
    InternalException,
    MethodAccessException,
    NetworkException,
    NotFoundException,
    TimeoutException,
    TooManyRequestsException,
    UnauthorizedException,
    UploadNotFound,
    ValidationException,
    format_error,
)
from mtfleet.sdk._experts import ExpertAdvisor
from mtfleet.sdk._facts import Hop
from mtfleet.sdk._generator import MetatraderAccountGeneratorApi, MetatraderDemoAccount
from mtfleet.sdk._pages import Page
from mtfleet.sdk._profiles import ProvisioningProfile, ProvisioningProfileApi
from mtfleet.sdk._replica import MetatraderAccountReplica
from mtfleet.sdk._token_api import TokenManagementApi

__all__ = [
    "ApiException",
    "ConfigurationLink",
    "ConflictException",
    "ExpertAdvisor",
    "ForbiddenException",
    "Hop",
    "InternalException",
    "MetaApi",
    "MetatraderAccount",
    "MetatraderAccountApi",
    "MetatraderAccountGeneratorApi",
    "MetatraderAccountReplica",
    "MetatraderDemoAccount",
    "MethodAccessException",
    "NetworkException",
    "NotFoundException",
    "Page",
    "ProvisioningProfile",
    "ProvisioningProfileApi",
    "TimeoutException",
    "TokenManagementApi",
    "TooManyRequestsException",
    "UnauthorizedException",
    "UploadNotFound",
    "ValidationException",
    "format_error",
]

# Without a handler of the user's, warnings would be printed to standard error.
logging.getLogger("mtfleet").addHandler(logging.NullHandler())
