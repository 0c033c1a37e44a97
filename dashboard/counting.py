"""What this process answered, added to the series."""

from __future__ import annotations

from flask import Flask, Response, request

from baton import meters

NO_PAGE = "none"


def install(app: Flask) -> None:
    """Count every answer of `app`."""
    app.after_request(count)


def count(response: Response) -> Response:
    """By endpoint, not by address: there are as many as there are pages."""
    meters.REQUESTS.add(1, request.endpoint or NO_PAGE, f"{response.status_code // 100}xx")
    return response
