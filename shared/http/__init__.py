"""HTTP: one app factory, one kind of error, one way to page, one way to say who asks."""

from shared.auth import Actor, Role
from shared.http.authentication import request_cause, require
from shared.http.models import Page, PageQuery, RequestModel, ResponseModel
from shared.http.problems import Problem

__all__ = ["Actor", "Page", "PageQuery", "Problem", "RequestModel", "ResponseModel", "Role", "request_cause", "require"]
